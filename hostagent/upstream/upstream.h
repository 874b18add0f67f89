// The agent's side of Attach: dials servers, keeps one live stream, opens a channel per class,
// turns buffers' wants into credit and arriving grants into buffered bytes. Runs on the event
// loop's thread; gRPC's threads only wake it.
//
// Servers are tried in the host's rendezvous order, with full-jitter back-off; a new stream is made
// with a new connection and the certificate as it is on disk by then. When a server drains, another
// is attached first and takes the classes over one by one: the buffers are credited all the while.
//
// The loop polls wake_fd() for reading and calls Process(); it also calls Process() when
// next_deadline_nanos() has passed, and Kick() after guests' demand changed.
//
// Thread safety: none but what wake_fd() implies.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/process/clock.h"
#include "base/process/log.h"
#include "base/process/metrics.h"
#include "base/process/nanos.h"
#include "client/entropy_stream.h"
#include "hostagent/serving/class_buffer.h"
#include "hostagent/serving/upstream_state.h"
#include "proto/agent_admin.pb.h"
#include "proto/agent_config.pb.h"

namespace entropyd {

class Upstream {
 public:
  // Starts a stream to a server (HOST:PORT). Errors are retried like a stream that ended.
  using Dial = std::function<absl::StatusOr<std::unique_ptr<EntropyStream>>(
      const std::string& server, std::function<void()> wake)>;

  struct Options {
    std::vector<std::string> servers;  // HOST:PORT
    config::v1::ClientTls tls;
    std::string host_id;              // 16 bytes
    Dial dial;                        // absent = gRPC over mTLS as `tls` says
    std::function<double()> uniform;  // in [0, 1), for all delays; absent = a generator of its own
  };
  // What classes are told; either may be absent. From there only Kick() may be called.
  struct Told {
    // Bytes were appended to buffers[i]; from Process().
    std::function<void(size_t i)> arrival;
    // What upstream is to the class of buffers[i] has changed; from Process(), Kick() and
    // Suspend(). UpstreamState::lost_at is
    //   kGonePatienceNanos after the class had no stream any more, or was SUSPENDED by the server,
    //   kSilencePatienceNanos after the whole stream fell silent while its guests get nothing.
    std::function<void(size_t i, const UpstreamState& state)> state;
  };
  // Errors: INVALID_ARGUMENT (no server, host_id not 16 bytes). Buffers outlive the upstream.
  static absl::StatusOr<std::unique_ptr<Upstream>> Create(const Options& options,
                                                          std::vector<ClassBuffer*> buffers,
                                                          Told told, const Clock* clock, Log* log,
                                                          Metrics* metrics);
  virtual ~Upstream() = default;

  virtual int wake_fd() const = 0;
  // Handles what has arrived, but a few messages at most, so that guests are served in between;
  // when more wait, wake_fd() stays readable.
  virtual void Process() = 0;
  virtual void Kick(size_t buffer) = 0;             // demand of buffers[i] changed
  virtual int64_t next_deadline_nanos() const = 0;  // kNever = none

  // Longer than a change of servers takes, and short enough that with `local` nobody waits for
  // longer than QEMU's reconnect timer has a guest wait for a new agent.
  static constexpr int64_t kGonePatienceNanos = kSecondNanos;
  // A server answers credit within a round trip and a pass of its scheduler, unless the class's
  // rate is used up; any message shows that it lives.
  static constexpr int64_t kSilencePatienceNanos = 5 * kSecondNanos;

  // Leaves the server in good order and stays away: bytes promised are still taken for a second.
  // Another process of this host attaches meanwhile.
  virtual void Suspend() = 0;
  virtual void Resume() = 0;

  // The files of the certificate are new: what was refused may be granted now, so nothing waits.
  virtual void CertificateRenewed() = 0;

  virtual bool connected() const = 0;
  // Fills server, connected, last_error, next_attempt_seconds, reconnects and, per class (in the
  // order of the buffers), phase, reason, quality, degraded, received, rate, ceil.
  virtual void FillStatus(v1::GetStatusResponse* status) const = 0;
};

}  // namespace entropyd
