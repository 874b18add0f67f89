// Comes in by the door as a client does, to see that somebody answers there.
//
//   DoorProbe probe([door] { return door->Knock(); }, clock);
//   if (!probe.Check().ok()) ...          // nobody answers
//
// It makes a TLS connection without a certificate of its own, and ends it when the server has
// answered. So it sees more than a port that is open: the kernel accepts connections, too, for a
// process that hangs.
//
// Errors: UNAVAILABLE, with the step that failed.
//
// Thread safety: safe; a second caller waits for the first.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/process/clock.h"
#include "base/process/fd.h"
#include "base/process/nanos.h"

namespace entropyd {

class DoorProbe {
 public:
  // A probe costs a handshake. An answer holds for so long.
  static constexpr int64_t kHoldsNanos = 5 * kSecondNanos;
  // That there was none holds for so long: those who ask meanwhile need not wait one by one.
  static constexpr int64_t kFailureHoldsNanos = kSecondNanos;
  // A server that takes this long for a handshake serves nobody. deploy/kubernetes gives a health
  // check 3 s.
  static constexpr absl::Duration kPatience = absl::Seconds(2);

  // A new connection to the server.
  using Connect = std::function<absl::StatusOr<UniqueFd>()>;

  // The clock outlives it.
  DoorProbe(Connect connect, const Clock* clock) : connect_(std::move(connect)), clock_(clock) {}

  absl::Status Check();

 private:
  const Connect connect_;
  const Clock* const clock_;
  absl::Mutex mutex_;
  absl::Status answer_ ABSL_GUARDED_BY(mutex_);
  int64_t holds_until_nanos_ ABSL_GUARDED_BY(mutex_) = 0;
};

// One probe, over this connection. Errors: as DoorProbe.
absl::Status ProbeDoor(const absl::StatusOr<UniqueFd>& connection, absl::Duration patience);

}  // namespace entropyd
