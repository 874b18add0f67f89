// The agent's side of Attach. It dials servers, keeps one live stream, opens a channel per class,
// turns what buffers want into credit and arriving grants into buffered bytes. It runs on the event
// loop's thread; gRPC's threads only wake it.
//
//   auto upstream = Upstream::Create(options, classes, &clock, &log, &metrics).value();
//   // wake_fd() is readable, or next_deadline_nanos() has passed:
//   upstream->Process();
//
// Between upstream and the classes are the calls of hostagent/serving/class_filler.h. Upstream
// fills each class and tells its state. A class says when its demand has changed, or that the
// machine was resumed. They are called from Process(), Suspend() and OnDemand(). In the state that
// a class is told, lost_at is
//   ClassReports::kGonePatienceNanos after the class lost its stream, or the server SUSPENDED it,
//   Attachment::kSilencePatienceNanos after the last message of a server that promised heartbeats.
// Until then lost_at is kNever. A class that gets no bytes for a long time is not lost: it waits
// for its rate. A server that promises no heartbeats is lost only with its stream, which gRPC ends
// when pings are not answered.
//
// It tries servers in the host's rendezvous order, with full-jitter back-off. It makes a new stream
// with a new connection and the certificate as it is on disk by then. When a server drains, it
// first attaches to another one, which takes the classes over one by one: the buffers are credited
// all the while.
//
// Errors: of Create(). Later faults are retried, and FillStatus() reports them.
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
#include "base/telemetry/log.h"
#include "base/telemetry/metrics.h"
#include "hostagent/serving/class_filler.h"
#include "hostagent/upstream/dial.h"
#include "proto/agent_admin.pb.h"
#include "proto/agent_config.pb.h"

namespace entropyd {

class Upstream {
 public:
  struct Options {
    // HOST:PORT.
    std::vector<std::string> servers;
    config::v1::ClientTls tls;
    // 16 bytes.
    std::string host_id;
    // Absent = GrpcDial. After an error Upstream tries again, as after a stream that ended.
    StreamDial dial;
    // Gives numbers in [0, 1), for all delays. Absent = a generator of its own.
    std::function<double()> uniform;
  };
  // Is the filler of `classes` until it ends. Errors: INVALID_ARGUMENT (no server, host_id not 16
  // bytes). Classes outlive the upstream.
  static absl::StatusOr<std::unique_ptr<Upstream>> Create(const Options& options,
                                                          const std::vector<FilledClass*>& classes,
                                                          const Clock* clock, Log* log,
                                                          Metrics* metrics);
  virtual ~Upstream() = default;

  virtual int wake_fd() const = 0;
  // Handles what has arrived, but only a few messages, so that guests are served in between. When
  // more wait, wake_fd() stays readable.
  virtual void Process() = 0;
  // When to call Process(); kNever = no deadline.
  virtual int64_t next_deadline_nanos() const = 0;
  // Whether the deadline may be another one than at the last call of this.
  virtual bool DeadlineMoved() = 0;

  // Leaves the server in good order and stays away. It still takes promised bytes for a second.
  // Another process of this host attaches meanwhile.
  virtual void Suspend() = 0;
  // Comes back to a server.
  virtual void Resume() = 0;

  // The certificate's files are new. A server may now accept what it refused, so nothing waits.
  virtual void CertificateRenewed() = 0;

  virtual bool connected() const = 0;
  // Fills in server, connected, last_error, next_attempt_seconds, reconnects and, per class (in the
  // order of the classes), phase, reason, remedy, quality, degraded, received, rate, ceil.
  virtual void FillStatus(v1::GetStatusResponse* status) const = 0;
};

}  // namespace entropyd
