#include "base/process/http_server.h"

#include <errno.h>
#include <sys/socket.h>

#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "base/process/fd.h"
#include "base/process/host_port.h"
#include "httplib.h"

namespace entropyd {
namespace {

// For a scraper, two probes and a person. httplib gives each connection a thread.
constexpr size_t kThreads = 4;
// How long a connection may send nothing. It also bounds how long the destructor waits for it.
constexpr time_t kPatienceSeconds = 1;
// A client that sends byte by byte can hold its thread for longer than kPatienceSeconds. The
// destructor does not wait for it any longer than this.
constexpr absl::Duration kJoinPatience = absl::Seconds(2);

constexpr char kText[] = "text/plain; charset=utf-8";
constexpr char kMetrics[] = "text/plain; version=0.0.4";
constexpr char kIndex[] =
    "/metrics  Prometheus text format\n"
    "/healthz  200 when the process works, else 503 and the reason\n"
    "/readyz   200 when it can serve, else 503 and the reason\n";

// httplib's default adds SO_REUSEPORT, which would let a second daemon share the port unnoticed.
void SetSocketOptions(int socket) {
  const int on = 1;
  setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
}

}  // namespace

// Shared with the serving threads. One of them may outlive the HttpServer (see kJoinPatience), so
// it may use what others own only while `open`.
struct HttpServer::Impl {
  Impl(const Options& o, Metrics* m) : metrics(m), options(o) {}

  void InstallHandlers();
  void InstallPage(const std::string& path, std::function<absl::StatusOr<std::string>()> page);
  void Answer(httplib::Response* response, const std::function<absl::Status()>& check);
  absl::Status Bind(const HostPort& address);

  httplib::Server server;
  int port = 0;
  absl::Notification finished;  // the serving thread has nothing more to do

  absl::Mutex mutex;  // a request holds it while it uses what others own
  bool open ABSL_GUARDED_BY(mutex) = true;
  Metrics* const metrics;
  const Options options;

  static void Serve(std::shared_ptr<Impl> impl) {
    impl->server.listen_after_bind();
    impl->finished.Notify();
  }
};

void HttpServer::Impl::Answer(httplib::Response* response,
                              const std::function<absl::Status()>& check) {
  absl::Status status = absl::UnavailableError("shutting down");
  {
    absl::ReaderMutexLock lock(&mutex);
    if (open) status = check ? check() : absl::OkStatus();
  }
  response->status = status.ok() ? 200 : 503;
  response->set_content(status.ok() ? "ok\n" : absl::StrCat(status.message(), "\n"), kText);
}

void HttpServer::Impl::InstallPage(const std::string& path,
                                   std::function<absl::StatusOr<std::string>()> page) {
  server.Get(path, [this, page](const httplib::Request&, httplib::Response& response) {
    absl::StatusOr<std::string> text = absl::UnavailableError("shutting down");
    {
      absl::ReaderMutexLock lock(&mutex);
      if (open) text = page();
    }
    response.status = text.ok() ? 200 : 503;
    response.set_content(text.ok() ? *text : absl::StrCat(text.status().message(), "\n"),
                         text.ok() ? kMetrics : kText);
  });
}

void HttpServer::Impl::InstallHandlers() {
  server.Get("/", [this](const httplib::Request&, httplib::Response& response) {
    std::string index = kIndex;
    for (const auto& [path, page] : options.pages) {
      absl::StrAppend(&index, path, "  Prometheus text format\n");
    }
    response.set_content(index, kText);
  });
  for (const auto& [path, page] : options.pages) InstallPage(path, page);
  server.Get("/healthz", [this](const httplib::Request&, httplib::Response& response) {
    Answer(&response, options.healthy);
  });
  server.Get("/readyz", [this](const httplib::Request&, httplib::Response& response) {
    Answer(&response, options.ready);
  });
  server.Get("/metrics", [this](const httplib::Request&, httplib::Response& response) {
    absl::ReaderMutexLock lock(&mutex);
    if (!open) {
      response.status = 503;
      return;
    }
    response.set_content(metrics->Serialize(), kMetrics);
  });
  server.set_pre_routing_handler([](const httplib::Request& request, httplib::Response& response) {
    if (request.method == "GET" || request.method == "HEAD") {
      return httplib::Server::HandlerResponse::Unhandled;
    }
    response.status = 405;
    response.set_header("Allow", "GET, HEAD");
    response.set_content("only GET and HEAD\n", kText);
    return httplib::Server::HandlerResponse::Handled;
  });
  server.set_error_handler([](const httplib::Request&, httplib::Response& response) {
    if (response.status == 404) response.set_content("not here; see /\n", kText);
  });
}

absl::Status HttpServer::Impl::Bind(const HostPort& address) {
  server.new_task_queue = [] { return new httplib::ThreadPool(kThreads); };
  server.set_socket_options(SetSocketOptions);
  // Each connection has a thread, and four idle scrapers must not lock out a probe.
  server.set_keep_alive_max_count(1);
  server.set_keep_alive_timeout(kPatienceSeconds);
  server.set_read_timeout(kPatienceSeconds);
  server.set_write_timeout(kPatienceSeconds);
  server.set_payload_max_length(0);
  errno = 0;
  port = address.port;
  const bool bound = address.port == 0 ? (port = server.bind_to_any_port(address.host)) > 0
                                       : server.bind_to_port(address.host, address.port);
  if (bound) return absl::OkStatus();
  const int error = errno;
  const std::string what = absl::StrCat("listen on ", options.address);
  return absl::UnavailableError(error == 0 ? absl::StrCat(what, ": no such host")
                                           : ErrnoStatus(error, what).message());
}

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(const Options& options,
                                                              Metrics* metrics) {
  absl::StatusOr<HostPort> address = ParseHostPort(options.address);
  if (!address.ok()) return address.status();
  auto impl = std::make_shared<Impl>(options, metrics);
  impl->InstallHandlers();
  absl::Status bound = impl->Bind(*address);
  if (!bound.ok()) return bound;
  auto http = std::unique_ptr<HttpServer>(new HttpServer(impl));
  http->thread_ = std::thread(Impl::Serve, impl);
  // stop() does nothing to a server that does not run yet, and the destructor may come at once.
  while (!impl->server.is_running() &&
         !impl->finished.WaitForNotificationWithTimeout(absl::Milliseconds(1))) {
  }
  return http;
}

HttpServer::HttpServer(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

HttpServer::~HttpServer() {
  if (!thread_.joinable()) return;
  impl_->server.stop();
  {
    absl::MutexLock lock(&impl_->mutex);  // waits for requests that are being answered
    impl_->open = false;
  }
  if (impl_->finished.WaitForNotificationWithTimeout(kJoinPatience)) {
    thread_.join();
  } else {
    thread_.detach();  // keeps `impl_` alive
  }
}

int HttpServer::port() const { return impl_->port; }

}  // namespace entropyd
