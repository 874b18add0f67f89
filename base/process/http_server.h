// The one HTTP port of a daemon: /metrics, /healthz and /readyz.
//
//   auto http = HttpServer::Start({.address = "[::1]:9743", .healthy = h, .ready = r}, &metrics);
//   if (!http.ok()) return http.status();
//
// Only http_server.cc includes cpp-httplib.
//
// Thread safety: safe after Start(). The callbacks run on the server's threads.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/process/metrics.h"

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
  };

  // Binds the address and serves on threads of its own. `metrics` outlives the server.
  // Errors: INVALID_ARGUMENT (address), UNAVAILABLE (bind).
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(const Options& options,
                                                           Metrics* metrics);
  // Waits for the requests that are being answered; afterwards no callback runs. A connection that
  // sends nothing delays it by a second, one that sends byte by byte by two.
  ~HttpServer();

  // The port that it really bound.
  int port() const;

 private:
  struct Impl;
  explicit HttpServer(std::shared_ptr<Impl> impl);
  const std::shared_ptr<Impl> impl_;
  std::thread thread_;
};

}  // namespace entropyd
