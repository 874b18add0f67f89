// Where operators and Prometheus come in: the control socket and HTTP. Both are open, or neither.
//
//   Doors doors(options, &loop, subject, &metrics, &log);
//   if (absl::Status status = doors.Open(); !status.ok()) return status;
//   …or doors.OpenInTheEnd([] { … });   // where guests are served meanwhile
//
// Thread safety: none; belongs to the event loop's thread. The subject is called on that thread,
// the functions of `http` on threads of HTTP's own, until the doors are closed.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "base/process/http_server.h"
#include "base/process/log.h"
#include "base/process/metrics.h"
#include "base/process/nanos.h"
#include "hostagent/control/control_server.h"
#include "hostagent/loop/event_loop.h"
#include "hostagent/loop/timer.h"

namespace entropyd {

class Doors {
 public:
  // How often an address that is in use is tried again. Nobody but an operator waits for it.
  static constexpr int64_t kRetryNanos = kSecondNanos;

  struct Options {
    std::string control;       // path of the control socket
    std::string state_dir;     // see ControlServer::Start
    HttpServer::Options http;  // an empty address = no HTTP
  };

  // All outlive the doors.
  Doors(Options options, EventLoop* loop, ControlServer::Subject* subject, Metrics* metrics,
        Log* log);
  ~Doors();

  // Errors: of ControlServer::Start and HttpServer::Start; then both stay closed.
  absl::Status Open();
  // Opens at once, or tries again until it works; calls `opened` then. The log tells of failures.
  void OpenInTheEnd(std::function<void()> opened);

  // OpenInTheEnd() tries no more; what is open stays so.
  void GiveUp() { retry_.Set(kNever); }
  // Gives up, and ends what is open. Waits for calls that are being answered.
  void Close();
  // The same, but HTTP stays open.
  void CloseControl();

  int http_port() const { return http_ == nullptr ? 0 : http_->port(); }  // 0 = no HTTP

 private:
  void TryToOpen();

  const Options options_;
  EventLoop* const loop_;
  ControlServer::Subject* const subject_;
  Metrics* const metrics_;
  Log* const log_;
  std::function<void()> opened_;  // see OpenInTheEnd()
  Timer retry_;
  std::unique_ptr<ControlServer> control_;
  std::unique_ptr<HttpServer> http_;
};

}  // namespace entropyd
