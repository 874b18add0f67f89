// The one HTTP port of a daemon: /metrics, /healthz and /readyz.
//
//   auto http = HttpServer::Start({.address = "[::1]:9743", .healthy = h, .ready = r}, &metrics);
//   if (!http.ok()) return http.status();
//
// Slow and hostile clients cost others nothing: see HttpFront. Health checks have a thread of their
// own, so pages that take long do not delay them.
//
// Errors: of Start().
//
// Thread safety: safe after Start(). The callbacks run on the server's threads.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/telemetry/http_front.h"
#include "base/telemetry/http_pages.h"
#include "base/telemetry/metrics.h"

namespace entropyd {

// Serves until it is destroyed.
class HttpServer {
 public:
  struct Options {
    std::string address;                    // HOST:PORT, [V6]:PORT; port 0 = any
    std::function<absl::Status()> healthy;  // /healthz: OK gives 200 "ok", else 503 and the reason
    std::function<absl::Status()> ready;    // /readyz, the same way
    // More pages of metrics, by path. Each returns its text; an error gives 503 and the reason.
    std::map<std::string, std::function<absl::StatusOr<std::string>()>> pages = {};
    HttpFront::Limits limits = {};
  };

  // Binds the address and serves on threads of its own. A wildcard serves IPv4 and IPv6. `metrics`
  // outlives the server; it counts connections that were closed for others or for slowness.
  // Errors: INVALID_ARGUMENT (address), UNAVAILABLE (bind).
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(const Options& options,
                                                           Metrics* metrics);
  // The same on sockets that somebody has opened. Errors: RESOURCE_EXHAUSTED (descriptors,
  // threads).
  static absl::StatusOr<std::unique_ptr<HttpServer>> StartOn(ListenSockets sockets,
                                                             const Options& options,
                                                             Metrics* metrics);
  // Waits for the requests that are being answered; afterwards no callback runs. A client that does
  // not take its reply delays it by a second.
  ~HttpServer();

  // The port that it really bound.
  int port() const { return port_; }

 private:
  // A thread or two that answer requests of one kind, and those that wait for them.
  class Answerers;

  HttpServer(const Options& options, Metrics* metrics);
  void Requested(uint64_t id, std::string head);
  void Refused(HttpFront::Refusal refusal);

  const HttpPages pages_;
  Metrics* const metrics_;
  int port_ = 0;
  std::unique_ptr<Answerers> probes_;
  std::unique_ptr<Answerers> others_;
  // The last to begin and the first to end.
  std::unique_ptr<HttpFront> front_;
};

}  // namespace entropyd
