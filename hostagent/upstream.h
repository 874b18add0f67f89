// The agent's side of Attach: dials servers, keeps one live stream, opens a channel per class, turns
// buffers' wants into credit and arriving grants into buffered bytes. Runs on the event loop's
// thread; gRPC's threads only wake it.
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
#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "hostagent/class_buffer.h"
#include "proto/agent_admin.pb.h"
#include "proto/agent_config.pb.h"

namespace entropyd {

class Upstream {
 public:
  struct Options {
    std::vector<std::string> servers;  // HOST:PORT
    config::v1::ClientTls tls;
    std::string host_id;               // 16 bytes
  };
  // Buffers outlive the upstream. `on_arrival(i)` is called from Process() after bytes were appended
  // to buffers[i].
  static absl::StatusOr<std::unique_ptr<Upstream>> Create(const Options& options,
                                                          std::vector<ClassBuffer*> buffers,
                                                          std::function<void(size_t)> on_arrival,
                                                          const Clock* clock, Log* log,
                                                          Metrics* metrics);
  virtual ~Upstream() = default;

  virtual int wake_fd() const = 0;
  virtual void Process() = 0;
  virtual void Kick(size_t buffer) = 0;              // demand of buffers[i] changed
  virtual int64_t next_deadline_nanos() const = 0;   // INT64_MAX = none

  virtual bool connected() const = 0;
  // Fills server, connected, last_error, next_attempt_seconds, reconnects and, per class (in the
  // order of the buffers), phase, reason, quality, degraded, received, rate, ceil.
  virtual void FillStatus(v1::GetStatusResponse* status) const = 0;
};

}  // namespace entropyd
