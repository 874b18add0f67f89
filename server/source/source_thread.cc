#include "server/source/source_thread.h"

namespace entropyd {

void SourceThread::Start() {
  thread_ = std::thread([this] { Run(); });
}

void SourceThread::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    if (stopping_) return;
    stopping_ = true;
  }
  source_->Interrupt();
  if (thread_.joinable()) thread_.join();
  source_->Close();
}

void SourceThread::Wake() {
  absl::MutexLock lock(&mutex_);
  woken_ = true;
}

void SourceThread::Run() {
  const auto due = [this] {
    mutex_.AssertReaderHeld();
    return stopping_ || woken_;
  };
  while (true) {
    const absl::Duration wait = source_->Step();
    absl::MutexLock lock(&mutex_);
    if (!due()) mutex_.AwaitWithTimeout(absl::Condition(&due), wait);
    if (stopping_) return;
    woken_ = false;
  }
}

}  // namespace entropyd
