#include "server/source/source_thread.h"

#include <utility>

#include "base/process/thread.h"

namespace entropyd {

absl::Status SourceThread::Start() {
  {
    absl::MutexLock lock(&mutex_);
    running_ = true;
    refused_ = false;
  }
  absl::StatusOr<std::thread> thread = StartThread([this] { Run(); });
  if (thread.ok()) {
    thread_ = *std::move(thread);
    return absl::OkStatus();
  }
  absl::MutexLock lock(&mutex_);
  running_ = false;
  refused_ = true;
  return thread.status();
}

void SourceThread::BeginStop() {
  {
    absl::MutexLock lock(&mutex_);
    if (std::exchange(stopping_, true)) return;
  }
  source_->Interrupt();
}

void SourceThread::Stop() {
  BeginStop();
  {
    absl::MutexLock lock(&mutex_);
    if (std::exchange(stopped_, true)) return;
  }
  if (thread_.joinable()) {
    thread_.join();
  } else {
    source_->Close();
  }
}

bool SourceThread::refused() const {
  absl::MutexLock lock(&mutex_);
  return refused_;
}

bool SourceThread::ended() const {
  absl::MutexLock lock(&mutex_);
  return !running_;
}

bool SourceThread::AwaitEnd(absl::Time deadline) const {
  absl::MutexLock lock(&mutex_);
  const auto ended = [this] {
    mutex_.AssertReaderHeld();
    return !running_;
  };
  return mutex_.AwaitWithDeadline(absl::Condition(&ended), deadline);
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
    if (stopping_) break;
    woken_ = false;
  }
  source_->Close();
  absl::MutexLock lock(&mutex_);
  running_ = false;
}

}  // namespace entropyd
