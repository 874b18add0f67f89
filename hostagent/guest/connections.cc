#include "hostagent/guest/connections.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "hostagent/endpoint/peer.h"

namespace entropyd {

absl::StatusOr<std::unique_ptr<Connections>> Connections::Create(const Parts& parts, size_t most,
                                                                 size_t most_of_guest) {
  auto staging = parts.arena->Allocate(Connection::kStagingBytes);
  if (!staging.ok()) return staging.status();
  return std::unique_ptr<Connections>(
      new Connections(parts, most, most_of_guest, *std::move(staging)));
}

Connections::Connections(const Parts& parts, size_t most, size_t most_of_guest, SecretBytes staging)
    : parts_(parts),
      most_(most),
      staging_(std::move(staging)),
      input_(Connection::kInputBytes),
      // Whom nobody can tell apart leave room for the others.
      guests_(most_of_guest, std::max<size_t>(most_of_guest, most / 2)) {
  host_.loop = parts.loop;
  host_.arena = parts.arena;
  host_.log = parts.log;
  host_.guests = &guests_;
  host_.staging = staging_.span();
  host_.input = absl::MakeSpan(input_);
  host_.replies = &replies_;
  host_.closed = [this](Connection* connection) { Closed(connection); };
  // Timers run before posts. So after the loop was busy the answer may be there already: this post
  // comes after it.
  host_.unidentified = [this](Connection* connection) {
    parts_.loop->Post([this, id = connection->options().id] { HoldEnded(id); });
  };
  for (ServedClass* served : parts_.classes) served->SetRefusalWatcher(this);
}

Connections::~Connections() {
  for (ServedClass* served : parts_.classes) served->SetRefusalWatcher(nullptr);
  host_.closed = [](Connection*) {};
}

bool Connections::HasRoom(Endpoints::Id endpoint) {
  if (all_.size() < most_) return true;
  parts_.counters->refused.Add(1);
  const LineCount count =
      host_.lines.Ask(absl::StrCat("refused ", endpoint), parts_.loop->now_nanos());
  if (count == 0) return false;
  parts_.log->Warning("guest.refused", {{"listener", parts_.endpoints->settings(endpoint).path},
                                        {"max_guests", most_},
                                        {"remedy", "raise max_guests"},
                                        {count.key(), count.events}});
  return false;
}

bool Connections::HasRoomFor(const GuestKey& guest, const Peer& peer, Endpoints::Id endpoint) {
  if (guests_.HasRoom(guest)) return true;
  parts_.counters->crowded.Add(1);
  const LineCount count =
      host_.lines.Ask(absl::StrCat("crowded ", guest.text()), parts_.loop->now_nanos());
  if (count == 0) return false;
  parts_.log->Warning("guest.crowded",
                      {{"listener", parts_.endpoints->settings(endpoint).path},
                       {"guest", guest.text()},
                       {"program", peer.program},
                       {"pid", peer.pid},
                       {"most", guests_.Most(guest)},
                       {"remedy", "raise max_connections_per_guest if the guest needs more"},
                       {count.key(), count.events}});
  return false;
}

// Where its process cannot be seen, nobody can tell whether it is QEMU, or which guest it is.
void Connections::TellUnseen(Endpoints::Id endpoint, const Peer& peer) {
  const EndpointSettings& from = parts_.endpoints->settings(endpoint);
  const bool looks =
      from.clients == config::v1::CLIENTS_AUTO || from.identify != config::v1::IDENTIFY_NONE;
  if (peer.pid != 0 || from.tcp || !from.guest.empty() || !looks) return;
  if (!unseen_told_.insert(endpoint).second) return;
  parts_.log->Warning(
      "guest.unseen",
      {{"listener", from.path},
       {"uid", peer.uid},
       {"reason",
        "its process is in another pid namespace: it is not primed, nor identified, and counts "
        "as its user"},
       {"remedy",
        "run the agent in the host's pid namespace (hostPID: true), or set clients: qemu for a "
        "listener that only QEMU uses, or clients: egd without identify"}});
}

void Connections::Accept(Endpoints::Id endpoint, UniqueFd socket) {
  if (!HasRoom(endpoint)) return;
  const EndpointSettings& from = parts_.endpoints->settings(endpoint);
  auto peer = IdentifyPeer(socket.get());
  Connection::Options options;
  options.id = TakeId();
  options.endpoint = endpoint;
  options.connected_at_nanos = parts_.loop->now_nanos();
  if (peer.ok()) options.peer = *peer;
  PeerPin pin = PinPeer(socket.get());
  if (options.peer.pid > 0) {
    options.peer.start_ticks = pin.pid > 0 ? pin.start_ticks : kProcessIsGone;
  }
  options.prime = from.clients == config::v1::CLIENTS_QEMU ||
                  (from.clients == config::v1::CLIENTS_AUTO && options.peer.qemu);
  GuestIdentity known;
  if (!from.guest.empty()) known = {IdentitySource::kSocket, from.guest, "", "", ""};
  if (!HasRoomFor(GuestKey::Of(known, options.peer), options.peer, endpoint)) return;
  if (peer.ok()) TellUnseen(endpoint, *peer);
  const bool ask = parts_.assignment->Asks(from.identify);
  auto owned = std::make_unique<Connection>(options, std::move(socket), &host_, ClassOf(endpoint));
  if (ask) owned->Hold();
  if (!from.guest.empty()) owned->Identify(std::move(known), 0);
  Connection* const connection = Add(std::move(owned));
  // Start() may close it already; then it waits in closed_ to be destroyed.
  if (auto status = connection->Start(); !status.ok()) {
    AcceptFailed(status);
    Closed(connection);
  } else if (ask && !connection->socket().closed()) {
    parts_.assignment->Ask(
        {connection->options().id, std::move(pin), from.identify, /*held=*/true});
  }
}

absl::Status Connections::Adopt(const handover::v1::Connection& saved, Endpoints::Id endpoint,
                                UniqueFd socket) {
  Connection::Options options;
  options.id = saved.id();
  options.endpoint = endpoint;
  options.peer.pid = saved.pid();
  options.peer.uid = saved.uid();
  options.peer.program = saved.program();
  options.peer.qemu = saved.qemu();
  options.peer.start_ticks =
      saved.start_ticks() != 0 ? saved.start_ticks() : StartTicks(saved.pid());
  if (saved.pid() == 0) options.peer.address = PeerAddress(socket.get());
  options.connected_at_nanos = parts_.loop->now_nanos() - saved.age_nanos();
  ServedClass* const served_in =
      Named(parts_.assignment->ClassAt(saved.identity().class_(), ClassOf(endpoint)->name()));
  auto connection = std::make_unique<Connection>(options, std::move(socket), &host_, served_in);
  if (auto status = connection->Resume(saved); !status.ok()) return status;
  Add(std::move(connection));
  return absl::OkStatus();
}

Connection* Connections::Add(std::unique_ptr<Connection> connection) {
  Connection* const added = connection.get();
  parts_.accounts->Join(added->account());
  ++counts_[added->options().endpoint];
  all_.emplace(added->options().id, std::move(connection));
  return added;
}

void Connections::Closed(Connection* connection) {
  const auto found = all_.find(connection->options().id);
  if (found == all_.end()) return;
  const auto count = counts_.find(connection->options().endpoint);
  if (--count->second == 0) counts_.erase(count);
  parts_.assignment->Withdraw(connection->options().id);
  parts_.accounts->Leave(connection->account(), connection->totals_here(),
                         parts_.loop->now_nanos());
  closed_.push_back(std::move(found->second));
  all_.erase(found);
}

void Connections::AcceptFailed(const absl::Status& why) {
  parts_.counters->accept_failures.Add(1);
  const LineCount count = host_.lines.Ask("paused", parts_.loop->now_nanos());
  if (count == 0) return;
  parts_.log->Error("listener.paused", {{"reason", why},
                                        {"remedy", "raise LimitNOFILE or max_guests"},
                                        {count.key(), count.events}});
}

void Connections::CloseFrom(Endpoints::Id endpoint, absl::string_view reason) {
  std::vector<Connection*> leaving;
  for (const auto& [id, connection] : all_) {
    if (connection->options().endpoint == endpoint) leaving.push_back(connection.get());
  }
  for (Connection* connection : leaving) connection->Close(reason);
}

void Connections::CloseAll(absl::string_view reason) {
  while (!all_.empty()) all_.begin()->second->Close(reason);
}

void Connections::Ask(const Connection& connection) {
  const EndpointSettings& from = parts_.endpoints->settings(connection.options().endpoint);
  if (!parts_.assignment->Asks(from.identify)) return;
  if (connection.who().start_ticks() == kProcessIsGone) return;  // its pid may be another's
  PeerPin pin;
  pin.pid = connection.options().peer.pid;
  pin.uid = connection.options().peer.uid;
  pin.start_ticks = connection.who().start_ticks();
  parts_.assignment->Ask(
      {connection.options().id, std::move(pin), from.identify, connection.who().held()});
}

void Connections::AskAgain() {
  for (const auto& [id, connection] : all_) {
    if (!connection->who().held()) continue;
    connection->Hold();
    Ask(*connection);
  }
  for (const auto& [id, connection] : all_) {
    if (!connection->who().held()) Ask(*connection);
  }
}

void Connections::OnIdentities(const std::vector<IdentityNews>& news) {
  absl::flat_hash_set<int32_t> changed;
  for (const IdentityNews& one : news) {
    if (one.connection == 0) {
      changed.insert(one.pid);
    } else {
      OnAnswer(one);
    }
  }
  if (changed.empty()) return;
  for (const auto& [id, connection] : all_) {
    if (!connection->who().held() && changed.contains(connection->options().peer.pid))
      Ask(*connection);
  }
}

void Connections::OnAnswer(const IdentityNews& answer) {
  const auto found = all_.find(answer.connection);
  if (found == all_.end()) return;  // it has gone meanwhile
  Connection* const connection = found->second.get();
  const bool first = connection->who().held();
  switch (
      parts_.assignment->Take(first ? nullptr : &connection->who().identity(), answer.identity)) {
    case ClassAssignment::Answer::kNobody:
      connection->Identify(connection->who().identity(), answer.start_ticks);
      if (first) Unidentified(connection);
      return;  // or its domain has gone, and the guest will go
    case ClassAssignment::Answer::kWorse:
      return;
    case ClassAssignment::Answer::kSame:
      connection->Identify(*answer.identity, answer.start_ticks);
      return PutInClass(connection, ClassFor(*connection, *answer.identity));
    case ClassAssignment::Answer::kNew:
      return Identify(connection, answer);
  }
}

void Connections::Identify(Connection* connection, const IdentityNews& answer) {
  const GuestIdentity& identity = *answer.identity;
  const GuestKey guest = GuestKey::Of(identity, connection->options().peer);
  if (guest != connection->guest() &&
      !HasRoomFor(guest, connection->options().peer, connection->options().endpoint)) {
    return connection->Close("its guest has too many connections");
  }
  ServedClass* const target = ClassFor(*connection, identity);
  parts_.accounts->Leave(connection->account(), connection->totals_here(),
                         parts_.loop->now_nanos());
  connection->Settle();
  connection->Identify(identity, answer.start_ticks);
  parts_.accounts->Join(connection->account());
  PutInClass(connection, target);
  parts_.log->Debug("guest.identified", {{"guest", connection->options().id},
                                         {"name", identity.name},
                                         {"uuid", identity.uuid},
                                         {"by", IdentitySourceName(identity.source)},
                                         {"class", target->name()}});
  connection->Release();
}

ServedClass* Connections::ClassFor(const Connection& connection, const GuestIdentity& identity) {
  return Named(
      parts_.assignment->ClassFor(identity, ClassOf(connection.options().endpoint)->name()));
}

ServedClass* Connections::Named(const std::string& class_name) const {
  return *std::find_if(parts_.classes.begin(), parts_.classes.end(),
                       [&](const ServedClass* one) { return one->name() == class_name; });
}

void Connections::PutInClass(Connection* connection, ServedClass* to) {
  if (to == connection->served_class()) return;
  if (!connection->who().held()) {
    parts_.log->Info("guest.moved", {{"guest", connection->options().id},
                                     {"name", connection->who().identity().name},
                                     {"from", connection->served_class()->name()},
                                     {"to", to->name()}});
  }
  parts_.accounts->Leave(connection->account(), connection->totals_here(),
                         parts_.loop->now_nanos());
  connection->Settle();
  connection->MoveTo(to);
  parts_.accounts->Join(connection->account());
}

void Connections::OnServerSaid(const ServedClass& served, const std::string& why) {
  if (!parts_.assignment->SetRefused(served.name(), why)) return;
  for (const auto& [id, connection] : all_) {
    const GuestIdentity& identity = connection->who().identity();
    if (connection->who().held() || identity.class_name != served.name()) continue;
    PutInClass(connection.get(), ClassFor(*connection, identity));
  }
}

void Connections::HoldEnded(uint64_t id) {
  const auto found = all_.find(id);
  if (found == all_.end() || !found->second->who().held())
    return;  // it has gone, or is known meanwhile
  parts_.counters->identity_timeouts.Add(1);
  Unidentified(found->second.get());
}

void Connections::Unidentified(Connection* connection) {
  const EndpointSettings& from = parts_.endpoints->settings(connection->options().endpoint);
  if (!from.refuse_unknown) return connection->Release();
  parts_.counters->unidentified_refused.Add(1);
  parts_.log->Debug("guest.unidentified", {{"guest", connection->options().id},
                                           {"pid", connection->options().peer.pid},
                                           {"program", connection->options().peer.program},
                                           {"listener", from.path}});
  connection->Close("its guest could not be identified");
}

uint32_t Connections::count(Endpoints::Id endpoint) const {
  const auto found = counts_.find(endpoint);
  return found == counts_.end() ? 0 : found->second;
}

bool Connections::undelivered() const {
  return std::any_of(all_.begin(), all_.end(),
                     [](const auto& entry) { return entry.second->undelivered(); });
}

void Connections::MeasureRates(double seconds) {
  for (const auto& [id, connection] : all_) connection->MeasureRate(seconds);
}

void Connections::SkipIdsTo(uint64_t next) { next_id_ = std::max(next_id_, next); }

}  // namespace entropyd
