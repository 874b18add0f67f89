// When the agent moves from a server that it is to leave, and whether it tries another one first.
// A server that drains tells all its agents at once, so each waits a random part of the time that
// there is.
//
//   ServerMove move(servers.size(), uniform, &log);
//   move.Schedule(*attachment, now);                 // whenever anything has happened
//   if (now >= move.due_at()) Dial(move.TryElsewhere() ? another : any);
//   move.Drop();                                     // the attachment has ended, or was replaced
//
// Errors: none.
//
// Thread safety: none; belongs to the event loop's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "base/process/nanos.h"
#include "base/telemetry/log.h"
#include "hostagent/upstream/attachment.h"

namespace entropyd {

class ServerMove {
 public:
  // Each agent waits a random part of this time before it moves. So the next server sees 10,000
  // handshakes in 5 s and not in 1 s.
  static constexpr int64_t kSpreadNanos = 5 * kSecondNanos;
  // Servers that all drain without a deadline must not pass an agent around in a circle.
  static constexpr int64_t kShortestStayNanos = 1 * kSecondNanos;

  // `uniform` gives numbers in [0, 1). The log outlives it.
  ServerMove(size_t servers, std::function<double()> uniform, Log* log);

  // Sets when to move, if the attachment wants to be replaced and that is not set yet.
  void Schedule(const Attachment& from, int64_t now);
  // Nobody has to move.
  void Drop() { due_at_ = kNever; }
  // kNever = the agent stays.
  int64_t due_at() const { return due_at_; }
  // To be called for each attempt: whether it has to go to another server. Each of them is tried
  // once; then the one that sent us away may serve, as no other does.
  bool TryElsewhere() { return ++attempts_ < servers_; }

 private:
  const size_t servers_;
  const std::function<double()> uniform_;
  Log* const log_;
  int64_t due_at_ = kNever;
  size_t attempts_ = 0;
};

}  // namespace entropyd
