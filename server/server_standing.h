// The server's condition, as others see it: a manager that restarts a server that hangs, a load
// balancer that sends clients, an operator who reads one line.
//
//   ServerStanding standing(parts, clock);
//   if (!standing.Alive().ok()) ...      // its process is stuck
//   options.healthy = [&] { return standing.Healthy(); };
//   options.ready = [&] { return standing.Ready(); };
//
//   alive     the dispatcher runs; nothing else in the server can hang for long
//   healthy   it is alive, and a connection through the door gets an answer
//   ready     it is to be sent clients: it neither drains nor stops, its certificate is valid, and
//             a pool serves
//
// It keeps nothing: each answer is of the moment. It asks for no more than the answer needs, so
// that a part that hangs does not hide what another one says.
//
// Errors: INTERNAL when the server is not alive, UNAVAILABLE when nobody answers or it is not
// ready. The message says why, for an operator.
//
// Thread safety: safe, as its parts are.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/process/clock.h"
#include "base/process/nanos.h"
#include "proto/admin.pb.h"
#include "server/attach/protocols.h"

namespace entropyd {

class ServerStanding {
 public:
  // A process whose dispatcher has not run for so long is stuck: an idle dispatcher runs once a
  // second.
  static constexpr int64_t kStalledNanos = 10 * kSecondNanos;

  // What it asks. Each is set, safe, and valid as long as this object.
  struct Parts {
    // When the dispatcher ran last, by the clock.
    std::function<int64_t()> last_step_nanos;
    std::function<Protocols::Standing()> protocols;
    // The end of the server's own certificate, by the clock on the wall.
    std::function<absl::Time()> certificate_end;
    std::function<std::vector<v1::Pool>()> pools;
    // Why what is on disk is not in use; "" when it is.
    std::function<std::string()> reload_problem;
    // Comes in by the door. It may take seconds.
    std::function<absl::Status()> knock;
  };

  // The clock outlives it.
  ServerStanding(Parts parts, const Clock* clock);

  absl::Status Alive() const;
  absl::Status Healthy() const;
  // One pool that serves is enough. The message says of each of the others what it lacks.
  absl::Status Ready() const;
  // One line: whether it hangs, drains or stops, the pools, a reload that failed.
  std::string Summary() const;

 private:
  const Parts parts_;
  const Clock* const clock_;
};

}  // namespace entropyd
