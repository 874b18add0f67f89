// Raw samples on their way from a source to an operator who assesses it (SP 800-90B 3.1.1
// and 3.1.4).
//
//   auto recording = std::make_shared<SampleRecording>(rows, row_samples, reader);
//   source->Record(recording);          // from now on reader->OnSamples() calls Take()
//
// A recording is rows of consecutive samples, one byte each: one long row, or many, before each of
// which the device is opened anew (the restart tests). The source's thread puts samples in while
// there is room; the reader takes them out. What was recorded feeds no pool.
//
// The source may outlive the reader, and the reader the source. A recording does not own its
// reader: a reader that has gone is not called any more, and the recording ends. A reader that is
// being called stays until the call returns.
//
// Thread safety: safe; one thread puts, one takes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"

namespace entropyd {

// Whoever takes the samples.
class SampleReader {
 public:
  virtual ~SampleReader() = default;
  // Take() would give something new, or the recording has ended. Called without locks held, from
  // the source's thread. Must not block.
  virtual void OnSamples() = 0;
};

class SampleRecording {
 public:
  // What waits to be taken, at most: some seconds of a slow reader, and little memory.
  static constexpr size_t kCapacity = 256 * 1024;

  // REQUIRES: rows and row_samples above 0.
  SampleRecording(uint64_t rows, uint64_t row_samples, std::weak_ptr<SampleReader> reader)
      : rows_(rows), row_samples_(row_samples), reader_(std::move(reader)) {}

  // The source's side.
  uint64_t rows() const { return rows_; }
  uint64_t row_samples() const { return row_samples_; }
  size_t Room() const;
  // REQUIRES: at most Room().
  void Put(absl::Span<const uint8_t> samples);
  // Once: nothing more will come.
  void End(absl::Status status);
  // Nobody will take what is recorded.
  bool cancelled() const;

  // The reader's side. Everything that waits, or nothing.
  std::string Take();
  // True when all was taken and nothing more will come; `status` then tells why.
  bool Ended(absl::Status* status) const;
  // The reader wants no more; the source ends the recording soon.
  void Cancel();

 private:
  void CallReader() const ABSL_LOCKS_EXCLUDED(mutex_);

  const uint64_t rows_;
  const uint64_t row_samples_;
  const std::weak_ptr<SampleReader> reader_;

  mutable absl::Mutex mutex_;
  std::string waiting_ ABSL_GUARDED_BY(mutex_);
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace entropyd
