// Raw samples on their way from a source to an operator who assesses it (SP 800-90B 3.1.1
// and 3.1.4).
//
// A recording is rows of consecutive samples, one byte each: one long row, or many, before each of
// which the device is opened anew (the restart tests). The source's thread puts samples in while
// there is room; whoever sends them takes them out. What was recorded feeds no pool.
//
// Thread safety: safe; one thread puts, one takes.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"

namespace entropyd {

class SampleRecording {
 public:
  // What waits to be taken, at most: some seconds of a slow reader, and little memory.
  static constexpr size_t kCapacity = 256 * 1024;

  // `ready` is called without locks held, from either side, when Take() would give something new or
  // the recording has ended. It must not block. REQUIRES: rows and row_samples above 0.
  SampleRecording(uint64_t rows, uint64_t row_samples, std::function<void()> ready)
      : rows_(rows), row_samples_(row_samples), ready_(std::move(ready)) {}

  // The source's side.
  uint64_t rows() const { return rows_; }
  uint64_t row_samples() const { return row_samples_; }
  size_t Room() const;
  void Put(absl::Span<const uint8_t> samples);  // REQUIRES: at most Room()
  void End(absl::Status status);                // once: nothing more will come
  bool cancelled() const;

  // The reader's side. Everything that waits, or nothing.
  std::string Take();
  // True when all was taken and nothing more will come; `status` then tells why.
  bool Ended(absl::Status* status) const;
  // The reader has gone; the source ends the recording soon.
  void Cancel();

 private:
  const uint64_t rows_;
  const uint64_t row_samples_;
  const std::function<void()> ready_;

  mutable absl::Mutex mutex_;
  std::string waiting_ ABSL_GUARDED_BY(mutex_);
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace entropyd
