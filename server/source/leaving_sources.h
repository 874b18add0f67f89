// Sources that the configuration does not name any more, until their threads have ended.
//
//   LeavingSources leaving(clock, log);
//   leaving.Add(std::move(threads));          // they are told to stop, all at once
//   leaving.Reap();                           // about every 100 ms
//   const bool ended = leaving.Stop(all_others, absl::Now() + LeavingSources::kStopPatience);
//
// Most drivers let a thread go at once. A few devices keep it in a call that nobody can interrupt:
// a hardware generator whose hypervisor is stuck, a serial line that does not take its last bytes.
// Nobody waits for such a thread. Its memory stays, and its device may stay open, until the call
// returns. A caller that waits for its test or recording gets an error at once. After
// kPatienceNanos one line of the log says so (source.hangs), and another one when the thread has
// ended after all (source.ended).
//
// A thread that comes back touches its source, with its memory, its clock and its log, and nothing
// else. So these must stay until the process ends, or until the destructor has joined the thread.
//
// Errors: none.
//
// Thread safety: safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/process/clock.h"
#include "base/process/nanos.h"
#include "base/telemetry/log.h"
#include "server/source/source_thread.h"

namespace entropyd {

class LeavingSources {
 public:
  // A serial line or a slow TPM may need a second for its last call.
  static constexpr int64_t kPatienceNanos = 5 * kSecondNanos;
  // Add() waits so long. Nearly every thread ends within it, so a new source that opens the same
  // device finds it closed. The caller can spare the time.
  static constexpr absl::Duration kGrace = absl::Milliseconds(250);

  // The caller has other work every 100 ms.
  static constexpr absl::Duration kReapTime = absl::Milliseconds(20);

  // How long a stopping server waits for all its sources' threads together.
  static constexpr absl::Duration kStopPatience = absl::Seconds(1);

  // The references outlive it.
  LeavingSources(const Clock* clock, Log* log) : clock_(clock), log_(log) {}
  // Waits until all have ended.
  ~LeavingSources() = default;

  // Tells them to stop. Waits kGrace at most. REQUIRES: they have no sinks any more.
  void Add(std::vector<std::shared_ptr<SourceThread>> threads) ABSL_LOCKS_EXCLUDED(mutex_);
  // Lets go of sources whose threads have ended, and logs those that hang. When it takes longer
  // than kReapTime, because a library that hangs takes half a second, the rest waits.
  void Reap() ABSL_LOCKS_EXCLUDED(mutex_);
  // Ends these sources, too, and takes their sinks away. Waits for all until the deadline. Returns
  // false when some hang: the log names them.
  bool Stop(std::vector<std::shared_ptr<SourceThread>> others, absl::Time deadline)
      ABSL_LOCKS_EXCLUDED(mutex_);

  size_t size() const;

 private:
  struct Leaving {
    std::shared_ptr<SourceThread> thread;
    int64_t since_nanos;
    bool told = false;
  };

  // Returns false when there is none.
  bool ReapOne() ABSL_LOCKS_EXCLUDED(mutex_);
  void Tell(Leaving* one) const;

  const Clock* const clock_;
  Log* const log_;
  mutable absl::Mutex mutex_;
  std::list<Leaving> leaving_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace entropyd
