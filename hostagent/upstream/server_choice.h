// Which server to dial next, and when. Servers stand in the host's rendezvous order. The first is
// the primary. The others are dialled when it does not answer.
//
//   ServerChoice choice(RendezvousOrder(host_id, servers), uniform);
//   if (now >= choice.ready_at()) Dial(choice.Pick(now, /*avoid=*/""));
//   choice.Ended(server, ServerChoice::Ending::kNotAttached, 0, /*penalty=*/false, now);
//
// Errors: none.
//
// Thread safety: none; belongs to the event loop's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/process/nanos.h"
#include "hostagent/upstream/backoff.h"

namespace entropyd {

class ServerChoice {
 public:
  // A server that refused us for a reason that seldom goes away by itself is left alone for this
  // long.
  static constexpr int64_t kPenaltyNanos = kMinuteNanos;
  // A stream that lived this long was a success: the back-off begins again.
  static constexpr int64_t kSuccessNanos = 10 * kSecondNanos;

  // REQUIRES: `order` is not empty.
  ServerChoice(std::vector<std::string> order, std::function<double()> uniform);

  // Cancels delays and penalties: the reason for them may have gone.
  void Forgive();

  // When the next attempt may start.
  int64_t ready_at() const;
  // The server to dial now: the first in order from the one whose turn it is. It leaves out those
  // under a penalty, and leaves out `avoid` unless nothing else is left.
  const std::string& Pick(int64_t now, absl::string_view avoid) const;

  enum class Ending {
    // The attempt failed: it is the next server's turn.
    kNotAttached,
    // The stream ended: it is the primary's turn again.
    kAttached,
    // The stream had been silent: it is the next server's turn, as this one may keep us waiting.
    kSilent,
  };
  // An attempt failed or a stream ended: waits by back-off.
  void Ended(absl::string_view server, Ending ending, int64_t lived_nanos, bool penalty,
             int64_t now);

 private:
  struct Server {
    std::string name;
    int64_t not_before = 0;
  };
  std::vector<Server> servers_;
  Backoff backoff_;
  size_t turn_ = 0;
  int64_t next_attempt_at_ = 0;
};

}  // namespace entropyd
