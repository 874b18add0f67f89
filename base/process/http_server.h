// The one HTTP port of a daemon: /metrics, /healthz, /readyz (cpp-httplib, fenced in
// http_server.cc).
//
// Thread safety: safe after Start().
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

class HttpServer {
 public:
  struct Options {
    std::string address;                    // HOST:PORT, [V6]:PORT; port 0 = any
    std::function<absl::Status()> healthy;  // /healthz: 200 "ok", else 503 and the reason
    std::function<absl::Status()> ready;    // /readyz, likewise
    // More pages of metrics, by path: the text, or an error: 503 and the reason.
    std::map<std::string, std::function<absl::StatusOr<std::string>()>> pages = {};
  };

  // Binds and serves on threads of its own. Errors: INVALID_ARGUMENT (address), UNAVAILABLE (bind).
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(const Options& options,
                                                           Metrics* metrics);
  // Waits for requests being answered and calls back no more. A connection that says nothing delays
  // it by a second, one that drips bytes by two.
  ~HttpServer();

  int port() const;

 private:
  struct Impl;
  explicit HttpServer(std::shared_ptr<Impl> impl);
  const std::shared_ptr<Impl> impl_;
  std::thread thread_;
};

}  // namespace entropyd
