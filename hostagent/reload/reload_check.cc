#include "hostagent/reload/reload_check.h"

#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "base/process/thread.h"

namespace entropyd {

struct ReloadCheck::Shared {
  explicit Shared(EventLoop* l) : loop(l) {}
  // Nobody waits for the answer any more.
  void Leave() {
    absl::MutexLock lock(&mutex);
    loop = nullptr;
  }

  absl::Mutex mutex;
  EventLoop* loop ABSL_GUARDED_BY(mutex);
};

ReloadCheck::ReloadCheck(EventLoop* loop)
    : loop_(loop), patience_(loop, [this] {
        GiveUp(absl::DeadlineExceededError(absl::StrCat(
            "reload: the check of the configuration has not ended within ",
            kPatienceNanos / kSecondNanos,
            " s; look at the name service and at the disk of the files that it names")));
      }) {}

ReloadCheck::~ReloadCheck() {
  if (shared_ != nullptr) shared_->Leave();
}

void ReloadCheck::Start(std::function<Result()> check, Done done) {
  done_ = std::move(done);
  shared_ = std::make_shared<Shared>(loop_);
  auto thread = StartThread([this, shared = shared_, check = std::move(check)] {
    Result result = check();
    absl::MutexLock lock(&shared->mutex);
    if (shared->loop == nullptr) return;
    shared->loop->Post([this, shared, result = std::move(result)] {
      {
        absl::MutexLock posted(&shared->mutex);
        if (shared->loop == nullptr) return;  // the owner may be gone
      }
      if (shared_ == shared) Finish(result);
    });
  });
  if (!thread.ok()) return Finish(thread.status());
  thread->detach();
  patience_.Set(loop_->now_nanos() + kPatienceNanos);
}

void ReloadCheck::GiveUp(const absl::Status& why) {
  if (busy()) Finish(why);
}

void ReloadCheck::Finish(const Result& result) {
  patience_.Set(kNever);
  std::exchange(shared_, nullptr)->Leave();
  const Done done = std::exchange(done_, nullptr);
  done(result);
}

}  // namespace entropyd
