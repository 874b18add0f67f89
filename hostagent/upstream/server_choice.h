// Which server to dial next, and when. Servers stand in the host's rendezvous order; the first is
// the primary, the others are dialled when it does not answer.
//
// Thread safety: none; belongs to the event loop's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "hostagent/upstream/backoff.h"

namespace entropyd {

class ServerChoice {
 public:
  // A server that refused us on grounds which time alone seldom mends is left alone this long.
  static constexpr int64_t kPenaltyNanos = 60'000'000'000;
  // A stream that lived this long was a success: the back-off begins anew.
  static constexpr int64_t kSuccessNanos = 10'000'000'000;

  // REQUIRES: `order` is not empty.
  ServerChoice(std::vector<std::string> order, std::function<double()> uniform);

  // Delays and penalties are void: a reason for them may have gone.
  void Forgive();

  // When the next attempt may start.
  int64_t ready_at() const;
  // The server to dial now: the first in order from the one whose turn it is, without those under a
  // penalty, and without `avoid` unless nothing else is left.
  const std::string& Pick(int64_t now, absl::string_view avoid) const;

  enum class Ending {
    kNotAttached,  // the attempt failed: the next server's turn is it
    kAttached,     // the stream ended: the primary's again
    kSilent,       // the stream had been silent: the next server's, as this one may keep us waiting
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
