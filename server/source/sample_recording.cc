#include "server/source/sample_recording.h"

#include <utility>

namespace entropyd {

void SampleRecording::CallReader() const {
  if (const std::shared_ptr<SampleReader> reader = reader_.lock()) reader->OnSamples();
}

size_t SampleRecording::Room() const {
  absl::MutexLock lock(&mutex_);
  return kCapacity - waiting_.size();
}

void SampleRecording::Put(absl::Span<const uint8_t> samples) {
  bool was_empty;
  {
    absl::MutexLock lock(&mutex_);
    if (ended_) return;
    was_empty = waiting_.empty();
    waiting_.append(reinterpret_cast<const char*>(samples.data()), samples.size());
  }
  if (was_empty && !samples.empty()) CallReader();
}

void SampleRecording::End(absl::Status status) {
  {
    absl::MutexLock lock(&mutex_);
    if (ended_) return;
    ended_ = true;
    status_ = std::move(status);
  }
  CallReader();
}

std::string SampleRecording::cancelled() const {
  absl::MutexLock lock(&mutex_);
  return cancelled_.empty() && reader_.expired() ? kReaderGone : cancelled_;
}

std::string SampleRecording::Take() {
  absl::MutexLock lock(&mutex_);
  return std::exchange(waiting_, {});
}

bool SampleRecording::Ended(absl::Status* status) const {
  absl::MutexLock lock(&mutex_);
  if (!ended_ || !waiting_.empty()) return false;
  *status = status_;
  return true;
}

void SampleRecording::Cancel(absl::string_view why) {
  absl::MutexLock lock(&mutex_);
  if (cancelled_.empty()) cancelled_ = std::string(why);
}

}  // namespace entropyd
