// The thread of one source. It steps the source and waits as long as the source says. It can be
// stopped at any time.
//
//   SourceThread thread(std::move(source));
//   thread.Start();
//   thread.Stop();
//
// Errors: none.
//
// Thread safety: safe.
#pragma once

#include <memory>
#include <thread>

#include "absl/synchronization/mutex.h"
#include "server/source/source.h"

namespace entropyd {

class SourceThread {
 public:
  explicit SourceThread(std::unique_ptr<Source> source) : source_(std::move(source)) {}
  ~SourceThread() { Stop(); }

  void Start();
  // Interrupts a blocked read, joins the thread and closes the device. A stopped thread does not
  // start again.
  void Stop();
  // Makes the thread step the source now, because a pool wants bytes.
  void Wake();

  Source* source() { return source_.get(); }
  const Source* source() const { return source_.get(); }

 private:
  void Run();

  const std::unique_ptr<Source> source_;
  std::thread thread_;
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool woken_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace entropyd
