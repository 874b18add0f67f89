#include "server/door/door.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/process/socket_address.h"
#include "server/door/peer_address.h"

namespace entropyd {
namespace {

// How long nobody looks whose sockets were closed. Closed ones take places until then.
constexpr int64_t kSweepNanos = kSecondNanos;
// How long a turn waits while new connections have to.
constexpr absl::Duration kCrowdedPatience = absl::Milliseconds(20);
// A connection whose peer does not acknowledge for so long is dead: as the keepalive's timeout.
constexpr unsigned kUnacknowledgedMillis = 10'000;

void Prepare(int connection) {
  const int on = 1;
  setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(connection, IPPROTO_TCP, TCP_USER_TIMEOUT, &kUnacknowledgedMillis,
             sizeof kUnacknowledgedMillis);
}

// The peer learns it at once, and nothing of the connection stays here.
void Reset(UniqueFd connection) {
  const linger now = {.l_onoff = 1, .l_linger = 0};
  setsockopt(connection.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

bool HasOne(int listener) {
  pollfd ready = {listener, POLLIN, 0};
  return poll(&ready, 1, 0) == 1;
}

bool LacksDescriptorOrMemory(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Door>> Door::Open(const Options& options, const Clock* clock,
                                                 Log* log, Metrics* metrics) {
  absl::StatusOr<ListenSockets> listening = ListenOn(options.address);
  if (!listening.ok()) return listening.status();
  UniqueFd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake) return ErrnoStatus(errno, "eventfd");
  UniqueFd spare(fcntl(wake.get(), F_DUPFD_CLOEXEC, 0));
  if (!spare) return ErrnoStatus(errno, "keep a descriptor in reserve");
  return std::unique_ptr<Door>(new Door(options, *std::move(listening), std::move(wake),
                                        std::move(spare), clock, log, metrics));
}

Door::Door(const Options& options, ListenSockets listening, UniqueFd wake, UniqueFd spare,
           const Clock* clock, Log* log, Metrics* metrics)
    : listening_(std::move(listening)),
      wake_(std::move(wake)),
      spare_(std::move(spare)),
      clock_(clock),
      report_(log, metrics),
      table_(options.limits) {}

void Door::Wake() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wake_.get(), &one, sizeof one);
}

std::vector<Door::Id> Door::Find(absl::string_view peer_uri, absl::string_view identity) const {
  std::vector<Id> found;
  const auto it = by_peer_.find(PeerKeyOfUri(peer_uri));
  if (it == by_peer_.end()) return found;
  for (auto id = it->second.rbegin(); id != it->second.rend(); ++id) {
    const Given& given = given_.find(*id)->second;
    // One that was closed may still be here, and its port be another's.
    if (given.identity == identity && given.socket.IsOpen()) found.push_back(*id);
  }
  return found;
}

absl::Status Door::Introduce(absl::string_view peer, absl::string_view identity) {
  absl::MutexLock lock(&mutex_);
  const std::vector<Id> found = Find(peer, identity);
  bool have_places = true;
  for (const Id id : found) have_places = table_.Introduce(id, identity) && have_places;
  strangers_ = table_.strangers();
  if (have_places) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat(identity,
                   " has as many connections as an identity may have "
                   "(max_connections_per_identity); close some, or raise it"));
}

void Door::Denied(absl::string_view peer, absl::string_view identity) {
  absl::MutexLock lock(&mutex_);
  for (const Id id : Find(peer, identity)) {
    if (table_.Deny(id)) Expel(id, Full::kDenials);
  }
}

void Door::Exceeded(absl::string_view peer, absl::string_view identity) {
  absl::MutexLock lock(&mutex_);
  for (const Id id : Find(peer, identity)) {
    if (table_.Exceed(id, clock_->NowNanos())) Expel(id, Full::kCalls);
  }
}

void Door::Expel(Id id, Full why) {
  expelled_.emplace_back(why, given_.find(id)->second.peer);
  AskToLeave(id);
}

void Door::Vouch(Id id, absl::string_view identity, std::function<bool()> holds) {
  absl::MutexLock lock(&mutex_);
  const auto it = given_.find(id);
  if (it == given_.end()) return;
  it->second.identity = std::string(identity);
  it->second.holds = std::move(holds);
}

void Door::Recheck() {
  std::vector<std::pair<Id, std::function<bool()>>> vouched;
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [id, given] : given_) {
      if (given.holds != nullptr) vouched.emplace_back(id, given.holds);
    }
  }
  std::vector<std::pair<Id, bool>> answers;
  answers.reserve(vouched.size());
  for (const auto& [id, holds] : vouched) answers.emplace_back(id, holds());
  absl::MutexLock lock(&mutex_);
  for (const auto& [id, may_stay] : answers) {
    const auto it = given_.find(id);
    if (it == given_.end()) continue;
    int64_t& end_nanos = it->second.end_nanos;
    if (may_stay) {
      end_nanos = kNever;
    } else if (end_nanos == kNever) {
      end_nanos = clock_->NowNanos() + kFarewellNanos;
      shut_out_.push_back(id);
    }
  }
}

void Door::EndShutOut() {
  absl::MutexLock lock(&mutex_);
  ExpelShutOut(clock_->NowNanos());
  if (more_to_expel_) Wake();
}

bool Door::MayExpel() {
  if (leaving_.size() < kMaxLeaving) return true;
  more_to_expel_ = true;
  return false;
}

void Door::ExpelShutOut(int64_t now_nanos) {
  shut_out_.erase(std::remove_if(shut_out_.begin(), shut_out_.end(),
                                 [this, now_nanos](Id id) {
                                   mutex_.AssertHeld();
                                   const auto it = given_.find(id);
                                   if (it == given_.end() || leaving_.count(id) != 0) return true;
                                   if (it->second.end_nanos == kNever) return true;
                                   if (now_nanos < it->second.end_nanos) return false;
                                   if (!MayExpel()) return false;
                                   Expel(id, Full::kCertificate);
                                   return true;
                                 }),
                  shut_out_.end());
}

void Door::SetLimits(const ConnectionTable::Limits& limits) {
  absl::MutexLock lock(&mutex_);
  table_.SetLimits(limits);
}

void Door::Turn(const Receive& receive, absl::Duration patience) {
  std::vector<pollfd> ready = {{wake_.get(), POLLIN, 0}};
  {
    absl::MutexLock lock(&mutex_);
    const int64_t now_nanos = clock_->NowNanos();
    const bool waits = Waits(now_nanos);
    if (waits || more_to_expel_) patience = std::min(patience, kCrowdedPatience);
    if (!waits) {
      for (const UniqueFd& socket : listening_.sockets) ready.push_back({socket.get(), POLLIN, 0});
    }
  }
  poll(ready.data(), ready.size(), static_cast<int>(absl::ToInt64Milliseconds(patience)));
  if (ready[0].revents != 0) {
    uint64_t times = 0;
    [[maybe_unused]] const ssize_t got = read(wake_.get(), &times, sizeof times);
    for (UniqueFd& probe : knocks_.Take()) receive(std::move(probe), 0);
  }
  for (size_t i = 1; i < ready.size(); ++i) {
    if (ready[i].revents == 0) continue;
    int left = kAcceptsPerTurn;
    // accept(2) on an empty queue would fail for want of a descriptor, too.
    while (left-- > 0 && HasOne(ready[i].fd) && AcceptOne(ready[i].fd, receive)) {
    }
  }
  const int64_t now_nanos = clock_->NowNanos();
  {
    absl::MutexLock lock(&mutex_);
    Sweep(now_nanos);
    for (const auto& [why, peer] : expelled_) report_.Refused(why, peer);
    expelled_.clear();
    report_.Count(table_.connections(), table_.strangers());
  }
  report_.Tell(now_nanos);  // a log may be slow, and calls wait for the mutex
}

absl::StatusOr<UniqueFd> Door::Knock() {
  absl::StatusOr<UniqueFd> client = knocks_.Add();
  if (client.ok()) Wake();
  return client;
}

bool Door::Waits(int64_t now_nanos) {
  return now_nanos < retry_nanos_ || giving_way_.size() >= kMaxLeaving ||
         table_.MustWait(now_nanos);
}

bool Door::AcceptOne(int listener, const Receive& receive) {
  UniqueFd connection;
  Id id = 0;
  {
    absl::MutexLock lock(&mutex_);
    const int64_t now_nanos = clock_->NowNanos();
    if (Waits(now_nanos)) return false;
    sockaddr_storage address = {};
    socklen_t size = sizeof address;
    connection.reset(accept4(listener, reinterpret_cast<sockaddr*>(&address), &size,
                             SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!connection) {
      const int error = errno;
      if (LacksDescriptorOrMemory(error)) NoDescriptor(now_nanos);
      // Other errors are of this connection alone, which ended while it waited (accept(2)).
      return error != EAGAIN && !LacksDescriptorOrMemory(error);
    }
    const std::string group = AddressGroup(address);
    std::string peer = PeerKey(address);
    const ConnectionTable::Answer answer = table_.Ask(group, now_nanos);
    crowded_ = crowded_ || answer.full != Full::kNothing;
    if (answer.give_way != 0) {
      report_.Refused(answer.full, given_.find(answer.give_way)->second.peer);
      GiveWay(answer.give_way);
    }
    if (!answer.come) {
      report_.Refused(answer.full, peer);
      Reset(std::move(connection));
      return true;
    }
    Prepare(connection.get());
    id = ++last_id_;
    table_.Add(id, group, now_nanos);
    given_.emplace(id, Given{GivenSocket::Of(connection.get()), peer});
    by_peer_[std::move(peer)].push_back(id);
    strangers_ = table_.strangers();
    report_.Accepted();
  }
  receive(std::move(connection), id);
  return true;
}

// It is no stranger any more, since it has given its place away. Its socket is here until its owner
// has closed it.
void Door::AskToLeave(Id id) {
  const Given& given = given_.find(id)->second;
  given.socket.Shutdown(spare_.get(), wake_.get());
  table_.Dismiss(id);
  strangers_ = table_.strangers();
  ForgetPeer(id, given.peer);
  leaving_.insert(id);
}

void Door::GiveWay(Id id) {
  AskToLeave(id);
  giving_way_.insert(id);
}

void Door::NoDescriptor(int64_t now_nanos) {
  retry_nanos_ = now_nanos + kRetryNanos;
  const Id id = table_.Greediest();
  report_.Refused(Full::kDescriptors, id == 0 ? "" : given_.find(id)->second.peer);
  if (id != 0) GiveWay(id);
}

void Door::Sweep(int64_t now_nanos) {
  std::vector<Id> looked_at;
  if (now_nanos >= sweep_nanos_) {
    sweep_nanos_ = now_nanos + kSweepNanos;
    for (const auto& [id, given] : given_) looked_at.push_back(id);
  } else if (crowded_ || more_to_expel_ || Waits(now_nanos)) {
    looked_at.assign(leaving_.begin(), leaving_.end());
    const std::vector<Id> strangers = table_.Strangers();
    looked_at.insert(looked_at.end(), strangers.begin(), strangers.end());
  }
  crowded_ = false;
  for (const Id id : looked_at) {
    if (!given_.find(id)->second.socket.IsOpen()) Forget(id);
  }
  more_to_expel_ = false;
  ExpelShutOut(now_nanos);
  for (const Id id : table_.Silent(now_nanos)) {
    if (!MayExpel()) break;
    Expel(id, Full::kSilence);
  }
}

void Door::Forget(Id id) {
  const auto it = given_.find(id);
  ForgetPeer(id, it->second.peer);
  table_.Remove(id);
  strangers_ = table_.strangers();
  leaving_.erase(id);
  giving_way_.erase(id);
  given_.erase(it);
}

void Door::ForgetPeer(Id id, const std::string& peer) {
  const auto it = by_peer_.find(peer);
  if (it == by_peer_.end()) return;
  std::vector<Id>& ids = it->second;
  ids.erase(std::remove(ids.begin(), ids.end(), id), ids.end());
  if (ids.empty()) by_peer_.erase(it);
}

}  // namespace entropyd
