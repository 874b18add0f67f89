// Where operators and Prometheus come in: the control socket and HTTP. While the control socket is
// open, state_dir belongs to this process.
//
//   OperatorPorts ports(options, &loop, subject, &metrics, &log);
//   if (absl::Status status = ports.OpenControl(); !status.ok()) return status;
//   ports.OpenInTheEnd([] { … });   // where guests are served meanwhile
//
// Errors: OpenControl() and CheckHttp() return them. OpenInTheEnd() logs each once and tries again.
//
// Thread safety: none; belongs to the event loop's thread. The subject is called on that thread.
// The functions of `http` are called on HTTP's own threads until the ports are closed.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/process/fd.h"
#include "base/process/listen_socket.h"
#include "base/process/nanos.h"
#include "base/telemetry/http_server.h"
#include "base/telemetry/log.h"
#include "base/telemetry/metrics.h"
#include "hostagent/control/control_server.h"
#include "hostagent/loop/event_loop.h"
#include "hostagent/loop/timer.h"

namespace entropyd {

class OperatorPorts {
 public:
  // An address in use is tried again after this time. Only an operator waits for it.
  static constexpr int64_t kRetryNanos = kSecondNanos;

  struct Options {
    // The path of the control socket.
    std::string control;
    // See ControlServer::Start.
    std::string state_dir;
    // An empty address = no HTTP.
    HttpServer::Options http;
    // Opens the sockets of HTTP. It may take long where the address has a name.
    std::function<absl::StatusOr<ListenSockets>(const std::string& address)> listen_on = ListenOn;
  };

  // All pointers outlive the ports.
  OperatorPorts(Options options, EventLoop* loop, ControlServer::Subject* subject, Metrics* metrics,
                Log* log);
  ~OperatorPorts();

  // Opens the control socket, of which there is one on a host: another agent that runs is an
  // error. Errors: of ControlServer::Start and LockStateDir.
  absl::Status OpenControl();
  // Opens each of the two that is closed at once, or tries again until it works: at boot the
  // address of HTTP may come later than the agent. Calls `opened` when both are open. The log says
  // of failures, of each new reason once, and of their end.
  void OpenInTheEnd(std::function<void()> opened);
  // Why OpenInTheEnd() still tries; OK = it does not.
  const absl::Status& problem() const { return told_; }

  // Whether HTTP could open its address now, except that a process that is about to end has that
  // port (0 = it has none). A name that is not known within a second counts as one that could.
  // Errors: INVALID_ARGUMENT (address), UNAVAILABLE (in use, or not this machine's).
  absl::Status CheckHttp(int freed_port) const;

  // OpenInTheEnd() tries no more. Open ports stay open.
  void GiveUp();
  // Gives up, and closes what is open. Waits for calls that are being answered.
  void Close();
  // As Close(), but HTTP stays open.
  void CloseControl();

  // Makes the file of the control socket again when somebody has removed or replaced it. True = it
  // was not lost before. Call it about once a second.
  bool MakeLostAnew() { return control_ != nullptr && control_->MakeLostAnew(log_); }

  // The port of HTTP; 0 = no HTTP.
  int http_port() const { return http_ == nullptr ? 0 : http_->port(); }

 private:
  // An attempt to open the sockets of HTTP, on a thread of its own.
  struct Attempt;

  absl::Status OpenHttp();
  // Errors: of StartThread().
  absl::StatusOr<std::shared_ptr<Attempt>> Begin(const std::string& address) const;
  // Whether it could; also OK when the name service does not say within a second.
  absl::Status TryToListen(const std::string& address) const;
  absl::StatusOr<ListenSockets> ListenForHttp();
  void TryToOpen();
  void KeepGuestSockets();

  const Options options_;
  EventLoop* const loop_;
  ControlServer::Subject* const subject_;
  Metrics* const metrics_;
  Log* const log_;
  // What OpenInTheEnd() will call.
  std::function<void()> opened_;
  // What was logged last; OK = nothing.
  absl::Status told_;
  int64_t told_at_ = 0;
  Timer retry_;
  std::unique_ptr<ControlServer> control_;
  // The lock of state_dir. The control server writes there.
  UniqueFd state_dir_;
  std::unique_ptr<HttpServer> http_;
  // Under way, or not looked at yet; its thread may outlive the ports.
  std::shared_ptr<Attempt> attempt_;
};

}  // namespace entropyd
