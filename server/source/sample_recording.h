// Raw samples on their way from a source to an operator who assesses it (SP 800-90B 3.1.1
// and 3.1.4).
//
//   auto recording = std::make_shared<SampleRecording>(rows, row_samples, reader);
//   source->Record(recording);          // from now on reader->OnSamples() calls Take()
//
// A recording consists of rows of consecutive samples, one byte each. It is one long row, or many
// rows with a new opening of the device before each (the restart tests). The source's thread puts
// samples in while there is room; the reader takes them out. Recorded samples feed no pool.
//
// The source may outlive the reader, and the reader may outlive the source. A recording does not
// own its reader. When the reader has gone, nobody calls it any more, and the recording ends.
// During a call the reader stays until the call returns.
//
// Errors: End() passes the reason to the reader.
//
// Thread safety: safe; one thread puts, one takes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "base/process/nanos.h"

namespace entropyd {

// Takes the samples.
class SampleReader {
 public:
  virtual ~SampleReader() = default;
  // Take() has something new, or the recording has ended. The source's thread calls it without
  // locks held. It must not block.
  virtual void OnSamples() = 0;
};

class SampleRecording {
 public:
  // The most bytes that wait for the reader: some seconds of a slow reader, and little memory.
  static constexpr size_t kCapacity = 256 * 1024;

  // The longest time that a recording may take. The server ends each connection at an age of two
  // hours, give or take a tenth, and the recording that runs on it.
  static constexpr int64_t kLongestNanos = 100 * kMinuteNanos;

  // REQUIRES: rows and row_samples above 0.
  SampleRecording(uint64_t rows, uint64_t row_samples, std::weak_ptr<SampleReader> reader)
      : rows_(rows), row_samples_(row_samples), reader_(std::move(reader)) {}

  // The source's side.
  uint64_t rows() const { return rows_; }
  uint64_t row_samples() const { return row_samples_; }
  size_t Room() const;
  // After End() it does nothing. REQUIRES: at most Room().
  void Put(absl::Span<const uint8_t> samples);
  // Called once: nothing more will come.
  void End(absl::Status status);
  // Why nobody will take what is recorded; "" = somebody will.
  std::string cancelled() const;

  // The reader's side. Take() returns everything that waits, or nothing.
  std::string Take();
  // True when all was taken and nothing more will come. `status` then says why.
  bool Ended(absl::Status* status) const;
  // The reader takes no more, and this is why; the source ends the recording soon. Only the first
  // reason counts.
  static constexpr char kReaderGone[] = "the reader has gone";
  void Cancel(absl::string_view why = kReaderGone);

 private:
  void CallReader() const ABSL_LOCKS_EXCLUDED(mutex_);

  const uint64_t rows_;
  const uint64_t row_samples_;
  const std::weak_ptr<SampleReader> reader_;

  mutable absl::Mutex mutex_;
  std::string waiting_ ABSL_GUARDED_BY(mutex_);
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  std::string cancelled_ ABSL_GUARDED_BY(mutex_);
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace entropyd
