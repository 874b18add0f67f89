#include "base/telemetry/http_front.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/ascii.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "base/process/fd.h"
#include "base/process/socket_address.h"
#include "base/process/thread.h"

namespace entropyd {
namespace {

// After a failed accept() without a descriptor to spare. Somebody may close one meanwhile.
constexpr absl::Duration kAcceptPause = absl::Milliseconds(100);
// At the end: a client that is there takes its reply at once.
constexpr absl::Duration kLastPatience = absl::Seconds(1);
// So that a flood of connections does not keep replies from being written.
constexpr int kAcceptsPerTurn = 64;

constexpr char kHeadEnd[] = "\r\n\r\n";

// For what cannot become a request, such as TLS. Its client then learns at once what this port is.
constexpr char kNoHttp[] =
    "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

// One connection, from its accept() to its end.
struct Client {
  enum class State { kReading, kAnswering, kWriting };

  UniqueFd socket;
  std::string group;  // AddressGroup() of its peer
  absl::Time deadline;
  State state = State::kReading;
  std::string head;
  std::string reply;
  size_t written = 0;
};

bool OutOfDescriptors(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

}  // namespace

struct HttpFront::Loop {
  using Clients = std::map<uint64_t, Client>;  // the oldest first

  Loop(ListenSockets s, const Limits& l)
      : sockets(std::move(s)),
        limits(l),
        wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
        spare(open("/dev/null", O_RDONLY | O_CLOEXEC)) {}

  void Run();
  void Wake() const;
  int Poll(std::vector<pollfd>* polled, std::vector<uint64_t>* ids) const;
  bool TakeMail();
  void Accept(int listener);
  bool MakeRoom();
  void Read(Clients::iterator at);
  void Write(Clients::iterator at);
  void Expire(absl::Time now);
  void BeginEnd();

  ListenSockets sockets;
  const Limits limits;
  // Constant once the thread runs.
  Requested requested;
  Refused refused;
  const UniqueFd wake;
  // Closed for a moment when there is no other descriptor for a connection.
  UniqueFd spare;

  // The thread's.
  Clients clients;
  uint64_t next_id = 1;
  absl::Time accept_again = absl::InfinitePast();
  absl::Time end = absl::InfiniteFuture();

  absl::Mutex mutex;
  std::vector<std::pair<uint64_t, std::string>> mail ABSL_GUARDED_BY(mutex);
  bool ending ABSL_GUARDED_BY(mutex) = false;
};

void HttpFront::Loop::Wake() const {
  const uint64_t one = 1;
  while (write(wake.get(), &one, sizeof one) < 0 && errno == EINTR) {
  }
}

void HttpFront::Loop::Run() {
  std::vector<pollfd> polled;
  std::vector<uint64_t> ids;
  while (end == absl::InfiniteFuture() || (!clients.empty() && absl::Now() < end)) {
    const int timeout = Poll(&polled, &ids);
    poll(polled.data(), polled.size(), timeout);
    if (TakeMail() && end == absl::InfiniteFuture()) {
      BeginEnd();
      continue;
    }
    for (size_t i = 1; i < polled.size(); ++i) {
      if (polled[i].revents == 0) continue;
      if (ids[i] == 0) {
        Accept(polled[i].fd);
        continue;
      }
      const auto at = clients.find(ids[i]);
      if (at == clients.end()) continue;
      if (at->second.state == Client::State::kReading) {
        Read(at);
      } else if (at->second.state == Client::State::kWriting) {
        Write(at);
      }
    }
    Expire(absl::Now());
  }
}

// Returns the timeout in milliseconds.
int HttpFront::Loop::Poll(std::vector<pollfd>* polled, std::vector<uint64_t>* ids) const {
  polled->assign(1, {wake.get(), POLLIN, 0});
  ids->assign(1, 0);
  const absl::Time now = absl::Now();
  absl::Time next = end;
  for (const auto& [id, client] : clients) {
    next = std::min(next, client.deadline);
    if (client.state == Client::State::kAnswering) continue;
    const bool reads = client.state == Client::State::kReading;
    polled->push_back({client.socket.get(), static_cast<short>(reads ? POLLIN : POLLOUT), 0});
    ids->push_back(id);
  }
  // Last: a request that has come is read before its connection could give way to a new one.
  if (now < accept_again) {
    next = std::min(next, accept_again);
  } else {
    for (const UniqueFd& listener : sockets.sockets) {
      polled->push_back({listener.get(), POLLIN, 0});
      ids->push_back(0);
    }
  }
  if (next == absl::InfiniteFuture()) return -1;
  // Rounded up, or poll() would return again and again just before the time.
  return static_cast<int>(std::max<int64_t>(0, absl::ToInt64Milliseconds(next - now) + 1));
}

// Sends what others have answered. True = the end has been asked for.
bool HttpFront::Loop::TakeMail() {
  uint64_t count = 0;
  while (read(wake.get(), &count, sizeof count) < 0 && errno == EINTR) {
  }
  std::vector<std::pair<uint64_t, std::string>> taken;
  bool over = false;
  {
    absl::MutexLock lock(&mutex);
    taken.swap(mail);
    over = ending;
  }
  for (auto& [id, text] : taken) {
    const auto at = clients.find(id);
    if (at == clients.end()) continue;
    at->second.state = Client::State::kWriting;
    at->second.reply = std::move(text);
    at->second.deadline = absl::Now() + limits.patience;
    Write(at);
  }
  return over;
}

void HttpFront::Loop::Accept(int listener) {
  if (!spare) spare.reset(open("/dev/null", O_RDONLY | O_CLOEXEC));
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    sockaddr_storage peer = {};
    socklen_t size = sizeof peer;
    UniqueFd socket(
        accept4(listener, reinterpret_cast<sockaddr*>(&peer), &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!socket) {
      if (errno == EAGAIN) return;
      if (!OutOfDescriptors(errno)) continue;
      if (spare) {
        spare.reset();
        continue;
      }
      // Not after one that was let in just now: it has not been read yet.
      if (i > 0) return;
      if (MakeRoom()) continue;
      accept_again = absl::Now() + kAcceptPause;
      return;
    }
    if (clients.size() >= limits.connections && !MakeRoom()) {
      refused(Refusal::kFull);
      continue;
    }
    Client client;
    client.socket = std::move(socket);
    client.group = AddressGroup(peer);
    client.deadline = absl::Now() + limits.patience;
    clients.emplace(next_id++, std::move(client));
  }
}

// Closes a connection for which nobody works now. False = there is none.
bool HttpFront::Loop::MakeRoom() {
  std::map<absl::string_view, size_t> counts;
  for (const auto& [id, client] : clients) {
    if (client.state != Client::State::kAnswering) ++counts[client.group];
  }
  auto oldest = clients.end();
  size_t most = 0;
  for (auto at = clients.begin(); at != clients.end(); ++at) {
    if (at->second.state == Client::State::kAnswering) continue;
    const size_t count = counts[at->second.group];
    if (count <= most) continue;
    most = count;
    oldest = at;
  }
  if (oldest == clients.end()) return false;
  clients.erase(oldest);
  refused(Refusal::kFull);
  return true;
}

void HttpFront::Loop::Read(Clients::iterator at) {
  Client& client = at->second;
  char buffer[4096];
  const ssize_t n = recv(client.socket.get(), buffer, sizeof buffer, 0);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) {
    clients.erase(at);
    return;
  }
  // The end may have begun in what came before.
  const size_t from = client.head.size() < 3 ? 0 : client.head.size() - 3;
  client.head.append(buffer, static_cast<size_t>(n));
  if (!absl::ascii_isupper(static_cast<unsigned char>(client.head[0]))) {
    client.state = Client::State::kWriting;
    client.reply = kNoHttp;
    return Write(at);
  }
  const size_t found = client.head.find(kHeadEnd, from);
  if (found == std::string::npos) {
    if (client.head.size() >= limits.head_bytes) clients.erase(at);
    return;
  }
  client.head.resize(found + sizeof kHeadEnd - 1);
  client.state = Client::State::kAnswering;
  client.deadline = absl::InfiniteFuture();
  requested(at->first, std::exchange(client.head, {}));
}

void HttpFront::Loop::Write(Clients::iterator at) {
  Client& client = at->second;
  while (client.written < client.reply.size()) {
    const ssize_t n = send(client.socket.get(), client.reply.data() + client.written,
                           client.reply.size() - client.written, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n < 0) break;
    client.written += static_cast<size_t>(n);
  }
  clients.erase(at);
}

void HttpFront::Loop::Expire(absl::Time now) {
  for (auto at = clients.begin(); at != clients.end();) {
    if (now < at->second.deadline) {
      ++at;
      continue;
    }
    refused(Refusal::kLate);
    at = clients.erase(at);
  }
}

// What has no reply yet is no longer waited for.
void HttpFront::Loop::BeginEnd() {
  end = absl::Now() + kLastPatience;
  sockets.sockets.clear();
  for (auto at = clients.begin(); at != clients.end();) {
    at = at->second.state == Client::State::kReading ? clients.erase(at) : std::next(at);
  }
}

absl::StatusOr<std::unique_ptr<HttpFront>> HttpFront::Create(ListenSockets sockets,
                                                             const Limits& limits) {
  auto loop = std::make_unique<Loop>(std::move(sockets), limits);
  if (!loop->wake) return ErrnoStatus(errno, "create eventfd");
  return std::unique_ptr<HttpFront>(new HttpFront(std::move(loop)));
}

absl::Status HttpFront::Start(Requested requested, Refused refused) {
  loop_->requested = std::move(requested);
  loop_->refused = std::move(refused);
  absl::StatusOr<std::thread> thread = StartThread([loop = loop_.get()] { loop->Run(); });
  if (!thread.ok()) return thread.status();
  thread_ = *std::move(thread);
  return absl::OkStatus();
}

HttpFront::HttpFront(std::unique_ptr<Loop> loop) : loop_(std::move(loop)) {}

HttpFront::~HttpFront() { End(); }

void HttpFront::End() {
  if (!thread_.joinable()) return;
  {
    absl::MutexLock lock(&loop_->mutex);
    loop_->ending = true;
  }
  loop_->Wake();
  thread_.join();
}

void HttpFront::Reply(uint64_t id, std::string text) {
  {
    absl::MutexLock lock(&loop_->mutex);
    loop_->mail.emplace_back(id, std::move(text));
  }
  loop_->Wake();
}

}  // namespace entropyd
