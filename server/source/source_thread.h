// The thread of one source. It steps the source and waits as long as the source says. It can be
// stopped at any time, and then closes the device.
//
//   SourceThread thread(std::move(source));
//   thread.Start();
//   thread.Stop();
//
// A device may keep the thread in a call that nobody can interrupt. A caller that must not wait for
// that calls BeginStop() first, and Stop() only after ended() is true.
//
// Errors: of Start().
//
// Thread safety: safe.
#pragma once

#include <memory>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/source/source.h"

namespace entropyd {

class SourceThread {
 public:
  explicit SourceThread(std::unique_ptr<Source> source) : source_(std::move(source)) {}
  ~SourceThread() { Stop(); }

  // Errors: of StartThread(); then it may be called again. REQUIRES: it has not succeeded yet, and
  // BeginStop() was not called.
  absl::Status Start();
  // Tells the thread to end, and interrupts a blocked read. Does not wait. The thread does not
  // start again.
  void BeginStop();
  // BeginStop(), and waits until the thread has closed the device and ended.
  void Stop();
  // The last Start() failed, and is to be called again.
  bool refused() const;
  // Nothing runs: Stop() does not wait.
  bool ended() const;
  // Returns ended(), at the deadline at the latest.
  bool AwaitEnd(absl::Time deadline) const;
  // Makes the thread step the source now, because a pool wants bytes.
  void Wake();

  Source* source() { return source_.get(); }
  const Source* source() const { return source_.get(); }

 private:
  void Run();

  const std::unique_ptr<Source> source_;
  std::thread thread_;
  mutable absl::Mutex mutex_;
  // From Start() until the device is closed.
  bool running_ ABSL_GUARDED_BY(mutex_) = false;
  bool refused_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  bool woken_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace entropyd
