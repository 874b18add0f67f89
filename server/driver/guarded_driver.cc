#include "server/driver/guarded_driver.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "base/crypto/secret_bytes.h"
#include "base/process/thread.h"

namespace entropyd {
namespace {

// The most bytes that pass from one thread to the other at a time. The drivers behind a guard give
// 64 bytes at most.
constexpr size_t kBufferBytes = 64;

// A library that does not hang closes a session within this time.
constexpr absl::Duration kGoodbye = absl::Milliseconds(500);

enum class Request { kNone, kOpen, kRead, kClose, kEnd };

}  // namespace

// The inner driver, and what its thread and the source's thread share. One request is under way at
// a time.
struct GuardedDriver::Worker {
  explicit Worker(std::unique_ptr<SourceDriver> driver) : inner(std::move(driver)) {}

  // The inner driver's thread.
  void Run();
  // Carries out a request without the lock, because the call may never return.
  absl::Status Serve(Request asked, size_t wanted) ABSL_LOCKS_EXCLUDED(mutex);

  // For the source's thread: gives the worker a request, and waits for its end or until the time is
  // up.
  absl::Status Ask(Request wish, absl::string_view what, absl::Duration patience)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  bool AwaitAnswer(absl::Duration patience) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);

  // Only the worker's thread uses it.
  std::unique_ptr<SourceDriver> inner;

  absl::Mutex mutex;
  Request request ABSL_GUARDED_BY(mutex) = Request::kNone;  // under way
  size_t bytes ABSL_GUARDED_BY(mutex) = 0;                  // that kRead asks for
  bool given_up ABSL_GUARDED_BY(mutex) = false;             // nobody waits for the answer
  bool interrupted ABSL_GUARDED_BY(mutex) = false;
  bool ended ABSL_GUARDED_BY(mutex) = false;  // the inner driver is no more
  // The answer to the last request.
  absl::Status status ABSL_GUARDED_BY(mutex);
  std::string device ABSL_GUARDED_BY(mutex);
  std::string root ABSL_GUARDED_BY(mutex);
  uint8_t buffer[kBufferBytes] ABSL_GUARDED_BY(mutex) = {};
  size_t got ABSL_GUARDED_BY(mutex) = 0;
};

absl::Status GuardedDriver::Worker::Serve(Request asked, size_t wanted) {
  switch (asked) {
    case Request::kOpen: {
      absl::StatusOr<std::string> opened = inner->Open();
      if (!opened.ok()) return opened.status();
      absl::MutexLock lock(&mutex);
      device = *std::move(opened);
      root = inner->root();
      return absl::OkStatus();
    }
    case Request::kRead: {
      uint8_t fresh[kBufferBytes];
      const absl::StatusOr<size_t> n = inner->Read(absl::MakeSpan(fresh, wanted));
      if (n.ok()) {
        absl::MutexLock lock(&mutex);
        std::memcpy(buffer, fresh, *n);
        got = *n;
      }
      Wipe(absl::MakeSpan(fresh));
      return n.status();
    }
    default:
      inner->Close();
      return absl::OkStatus();
  }
}

void GuardedDriver::Worker::Run() {
  const auto asked = [this] {
    mutex.AssertReaderHeld();
    return request != Request::kNone;
  };
  bool ending = false;
  while (!ending) {
    Request next;
    size_t wanted;
    {
      absl::MutexLock lock(&mutex);
      mutex.Await(absl::Condition(&asked));
      next = request;
      wanted = bytes;
    }
    absl::Status answer = Serve(next, wanted);
    bool late;
    {
      absl::MutexLock lock(&mutex);
      late = given_up;
      status = std::move(answer);
      // The guard may be gone by now.
      ending = request == Request::kEnd;
      if (!late && !ending) request = Request::kNone;
    }
    if (late && !ending) {
      inner->Close();
      absl::MutexLock lock(&mutex);
      Wipe(absl::MakeSpan(buffer));
      given_up = false;
      ending = request == Request::kEnd;
      if (!ending) request = Request::kNone;
    }
  }
  inner.reset();
  absl::MutexLock lock(&mutex);
  Wipe(absl::MakeSpan(buffer));
  ended = true;
}

bool GuardedDriver::Worker::AwaitAnswer(absl::Duration patience) {
  const auto answered = [this] {
    mutex.AssertReaderHeld();
    return request == Request::kNone || interrupted;
  };
  mutex.AwaitWithTimeout(absl::Condition(&answered), patience);
  return request == Request::kNone;
}

absl::Status GuardedDriver::Worker::Ask(Request wish, absl::string_view what,
                                        absl::Duration patience) {
  // First wait for the end of a Close(): nobody has waited for it yet.
  const bool idle = AwaitAnswer(patience);
  if (interrupted) return absl::CancelledError("interrupted");
  if (!idle) {
    return absl::UnavailableError(absl::StrCat(
        what,
        ": an earlier call into its library has not returned; if it never does, restart the "
        "server"));
  }
  request = wish;
  if (AwaitAnswer(patience)) return std::exchange(status, absl::OkStatus());
  given_up = true;
  if (interrupted) return absl::CancelledError("interrupted");
  return absl::UnavailableError(
      absl::StrCat(what, ": its library has not answered for ", absl::FormatDuration(patience)));
}

GuardedDriver::GuardedDriver(std::string name, std::unique_ptr<SourceDriver> inner,
                             absl::Duration patience)
    : name_(std::move(name)),
      patience_(patience),
      worker_(std::make_shared<Worker>(std::move(inner))) {}

GuardedDriver::~GuardedDriver() {
  if (!thread_.joinable()) return;
  Worker& worker = *worker_;
  bool ended;
  {
    absl::MutexLock lock(&worker.mutex);
    worker.request = Request::kEnd;
    const auto gone = [&worker] {
      worker.mutex.AssertReaderHeld();
      return worker.ended;
    };
    // Normally this waits for the last Close(). A thread that hangs is left behind.
    ended = worker.mutex.AwaitWithTimeout(absl::Condition(&gone), kGoodbye);
  }
  if (ended) {
    thread_.join();
  } else {
    thread_.detach();
  }
}

absl::StatusOr<std::string> GuardedDriver::Open() {
  Worker& worker = *worker_;
  if (!thread_.joinable()) {
    absl::StatusOr<std::thread> thread = StartThread([worker = worker_] { worker->Run(); });
    if (!thread.ok()) {
      return absl::UnavailableError(absl::StrCat("open ", name_, ": ", thread.status().message()));
    }
    thread_ = *std::move(thread);
  }
  absl::MutexLock lock(&worker.mutex);
  absl::Status status = worker.Ask(Request::kOpen, absl::StrCat("open ", name_), patience_);
  if (!status.ok()) return status;
  root_ = worker.root;
  return worker.device;
}

absl::StatusOr<size_t> GuardedDriver::Read(absl::Span<uint8_t> out) {
  Worker& worker = *worker_;
  absl::MutexLock lock(&worker.mutex);
  worker.bytes = std::min(out.size(), kBufferBytes);
  absl::Status status = worker.Ask(Request::kRead, absl::StrCat("read ", name_), patience_);
  if (!status.ok()) return status;
  MoveOut(absl::MakeSpan(worker.buffer), out.first(worker.got));
  return worker.got;
}

void GuardedDriver::Close() {
  if (!thread_.joinable()) return;  // it was never opened
  Worker& worker = *worker_;
  absl::MutexLock lock(&worker.mutex);
  // The call under way is given up. The inner driver is closed when the call returns.
  if (worker.request == Request::kNone) worker.request = Request::kClose;
}

void GuardedDriver::Interrupt() {
  Worker& worker = *worker_;
  absl::MutexLock lock(&worker.mutex);
  worker.interrupted = true;
}

}  // namespace entropyd
