#include "base/telemetry/http_server.h"

#include <deque>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "base/process/listen_socket.h"
#include "base/process/thread.h"

namespace entropyd {
namespace {

// A health check may wait for a probe of its own, and answers all who ask meanwhile.
constexpr size_t kProbeThreads = 1;
// A scraper, and a person.
constexpr size_t kOtherThreads = 2;
// A client that asks for more at a time is no scraper. There is still room for new connections then
// (HttpFront::Limits). Health checks wait without a bound of their own: one host that asks for many
// must not get the others a 503, which would look as if the process were ill.
constexpr size_t kOtherRequests = 64;

HttpReply CheckReply(const std::function<absl::Status()>& check) {
  const absl::Status status = check ? check() : absl::OkStatus();
  if (status.ok()) return {200, kHttpText, "ok\n"};
  return {503, kHttpText, absl::StrCat(status.message(), "\n")};
}

HttpReply PageReply(const std::function<absl::StatusOr<std::string>()>& page) {
  const absl::StatusOr<std::string> text = page();
  if (text.ok()) return {200, kHttpMetrics, *text};
  return {503, kHttpText, absl::StrCat(text.status().message(), "\n")};
}

std::map<std::string, HttpPages::Page> PagesOf(const HttpServer::Options& options,
                                               Metrics* metrics) {
  std::string index =
      "/metrics  Prometheus text format\n"
      "/healthz  200 when the process works, else 503 and the reason\n"
      "/readyz   200 when it can serve, else 503 and the reason\n";
  std::map<std::string, HttpPages::Page> pages;
  for (const auto& [path, page] : options.pages) {
    absl::StrAppend(&index, path, "  Prometheus text format\n");
    pages[path] = [page = page] { return PageReply(page); };
  }
  pages["/"] = [index] { return HttpReply{200, kHttpText, index}; };
  pages["/healthz"] = [check = options.healthy] { return CheckReply(check); };
  pages["/readyz"] = [check = options.ready] { return CheckReply(check); };
  pages["/metrics"] = [metrics] { return HttpReply{200, kHttpMetrics, metrics->Serialize()}; };
  return pages;
}

}  // namespace

class HttpServer::Answerers {
 public:
  using Answer = std::function<std::string(const std::string& head)>;
  using Reply = std::function<void(uint64_t id, std::string text)>;

  // More than `most` requests do not wait.
  Answerers(size_t most, Answer answer, Reply reply)
      : most_(most), answer_(std::move(answer)), reply_(std::move(reply)) {}
  ~Answerers() { End(); }

  // Errors: of StartThread().
  absl::Status Start(size_t threads) {
    for (size_t i = 0; i < threads; ++i) {
      absl::StatusOr<std::thread> thread = StartThread([this] { Run(); });
      if (!thread.ok()) return thread.status();
      threads_.push_back(*std::move(thread));
    }
    return absl::OkStatus();
  }

  void Add(uint64_t id, std::string head) {
    absl::string_view why = "too many requests at a time";
    {
      absl::MutexLock lock(&mutex_);
      if (!ending_ && waiting_.size() < most_) {
        waiting_.emplace_back(id, std::move(head));
        return;
      }
      if (ending_) why = "shutting down";
    }
    reply_(id, HttpPages::Unavailable(why));
  }

  // Waits for the requests that are being answered. The others are told that it ends.
  void End() {
    {
      absl::MutexLock lock(&mutex_);
      ending_ = true;
    }
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    std::deque<std::pair<uint64_t, std::string>> left;
    {
      absl::MutexLock lock(&mutex_);
      left.swap(waiting_);
    }
    for (const auto& [id, head] : left) reply_(id, HttpPages::Unavailable("shutting down"));
  }

 private:
  bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return ending_ || !waiting_.empty();
  }

  void Run() {
    while (true) {
      std::pair<uint64_t, std::string> request;
      {
        absl::MutexLock lock(&mutex_);
        mutex_.Await(absl::Condition(this, &Answerers::HasWork));
        if (ending_) return;
        request = std::move(waiting_.front());
        waiting_.pop_front();
      }
      reply_(request.first, answer_(request.second));
    }
  }

  const size_t most_;
  const Answer answer_;
  const Reply reply_;
  absl::Mutex mutex_;
  std::deque<std::pair<uint64_t, std::string>> waiting_ ABSL_GUARDED_BY(mutex_);
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

HttpServer::HttpServer(const Options& options, Metrics* metrics)
    : pages_(PagesOf(options, metrics)), metrics_(metrics) {
  const auto answer = [this](const std::string& head) { return pages_.Answer(head); };
  const auto reply = [this](uint64_t id, std::string text) { front_->Reply(id, std::move(text)); };
  probes_ = std::make_unique<Answerers>(options.limits.connections, answer, reply);
  others_ = std::make_unique<Answerers>(kOtherRequests, answer, reply);
}

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(const Options& options,
                                                              Metrics* metrics) {
  absl::StatusOr<ListenSockets> sockets = ListenOn(options.address);
  if (!sockets.ok()) return sockets.status();
  return StartOn(*std::move(sockets), options, metrics);
}

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::StartOn(ListenSockets sockets,
                                                                const Options& options,
                                                                Metrics* metrics) {
  std::unique_ptr<HttpServer> server(new HttpServer(options, metrics));
  HttpServer* const raw = server.get();
  raw->port_ = sockets.port;
  absl::StatusOr<std::unique_ptr<HttpFront>> front =
      HttpFront::Create(std::move(sockets), options.limits);
  if (!front.ok()) return front.status();
  raw->front_ = *std::move(front);
  absl::Status started = raw->probes_->Start(kProbeThreads);
  if (started.ok()) started = raw->others_->Start(kOtherThreads);
  if (started.ok()) {
    started = raw->front_->Start(
        [raw](uint64_t id, std::string head) { raw->Requested(id, std::move(head)); },
        [raw](HttpFront::Refusal refusal) { raw->Refused(refusal); });
  }
  if (!started.ok()) return started;
  return server;
}

HttpServer::~HttpServer() {
  probes_->End();
  others_->End();
  if (front_ != nullptr) front_->End();
}

void HttpServer::Requested(uint64_t id, std::string head) {
  const absl::string_view path = HttpPages::PathOf(head);
  const bool probe = path == "/healthz" || path == "/readyz";
  (probe ? probes_ : others_)->Add(id, std::move(head));
}

void HttpServer::Refused(HttpFront::Refusal refusal) {
  metrics_
      ->AddCounter("entropyd_http_refused_total",
                   "Connections to the HTTP port that were closed without a reply: late (no whole "
                   "request, or a reply that was not taken, in time), full (gave way to another).",
                   {{"reason", refusal == HttpFront::Refusal::kLate ? "late" : "full"}})
      ->Increment();
}

}  // namespace entropyd
