// How the guests of one agent process come to the next.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "hostagent/guest_service.h"

namespace entropyd {

void GuestService::SaveDemand(handover::v1::Offer* offer) const {
  for (const std::unique_ptr<ServedClass>& c : classes_) {
    handover::v1::Demand* demand = offer->add_class_();
    demand->set_class_(c->buffer->class_name());
    demand->set_guests(c->tree->guests());
    demand->set_target(c->buffer->target());
  }
}

void GuestService::Expect(const handover::v1::Offer& offer) {
  for (const handover::v1::Demand& demand : offer.class_()) {
    for (const std::unique_ptr<ServedClass>& c : classes_) {
      if (c->buffer->class_name() != demand.class_() || demand.guests() == 0) continue;
      c->expected_guests = demand.guests();
      c->expected_bytes = std::min<uint64_t>(demand.target(), c->buffer->size());
      c->due = true;
    }
  }
}

bool GuestService::Filled() const {
  return std::all_of(classes_.begin(), classes_.end(),
                     [](const auto& c) { return c->buffer->level() >= c->expected_bytes / 2; });
}

void GuestService::SaveNumbers(handover::v1::Numbers* numbers, std::vector<int>* listeners) const {
  for (const std::unique_ptr<Listener>& listener : listeners_) {
    if (listener == nullptr) continue;
    numbers->add_listener(listener->path());
    listeners->push_back(listener->fd());
  }
  for (const std::unique_ptr<ServedClass>& c : classes_) {
    handover::v1::ClassNumbers* saved = numbers->add_class_();
    saved->set_class_(c->buffer->class_name());
    saved->set_delivered(c->counters->delivered_bytes.Get());
    saved->set_primed(c->counters->primed_bytes.Get());
    for (const LoopNumber& n : c->counters->requests) saved->add_requests(n.Get());
    saved->set_closed_unknown(c->counters->closed_unknown.Get());
    saved->set_closed_pending(c->counters->closed_pending.Get());
    for (const LoopNumber& n : c->counters->waits) saved->add_waits(n.Get());
    saved->set_wait_sum_nanos(static_cast<int64_t>(c->counters->wait_sum_nanos.Get()));
    saved->set_throttled_nanos(static_cast<int64_t>(c->throttled_before) +
                               c->tree->throttled_nanos_until(loop_->now_nanos()));
    saved->set_refused(c->refused);
  }
  *numbers->mutable_guest_sockets() = GuestSockets();
  for (const auto& [key, account] : accounts_.all()) {
    // A feed does not cross as connections do, what it has had does.
    GuestTotals departed = account.departed;
    for (const std::unique_ptr<Feed>& feed : feeds_) {
      if (KeyOf(*feed) == key) departed += feed->totals();
    }
    if (departed == GuestTotals()) continue;
    handover::v1::Departed* saved = numbers->add_departed();
    saved->set_name(key.name);
    saved->set_uuid(key.uuid);
    saved->set_class_(settings_.classes[key.class_index].name);
    departed.Save(saved->mutable_totals());
  }
  for (const std::unique_ptr<Feed>& feed : feeds_) {
    const absl::optional<int64_t> tokens = feed->nano_tokens();
    if (!tokens.has_value()) continue;
    handover::v1::TapTokens* saved = numbers->add_tap();
    saved->set_name(feed->name());
    saved->set_class_(settings_.classes[feed->class_index()].name);
    saved->set_ceil_tokens(*tokens);
  }
  for (const std::string& path : activated_) numbers->add_activated(path);
  numbers->set_refused_guests(metrics_->refused_guests.Get());
  numbers->set_accept_failures(metrics_->accept_failures.Get());
  numbers->set_next_guest(next_guest_);
  numbers->set_connections(static_cast<uint32_t>(guests_.size()));
}

absl::Status GuestService::SaveConnections(
    absl::FunctionRef<absl::Status(const handover::v1::Connections&, const std::vector<int>&)> send)
    const {
  std::vector<uint32_t> places;  // of each listener among those in Numbers
  uint32_t next = 0;
  for (const std::unique_ptr<Listener>& listener : listeners_) {
    places.push_back(listener == nullptr ? next : next++);
  }
  handover::v1::Connections batch;
  std::vector<int> sockets;
  for (auto it = guests_.begin(); it != guests_.end();) {
    handover::v1::Connection* saved = batch.add_connection();
    it->second->Save(saved);
    saved->set_listener(places[saved->listener()]);
    sockets.push_back(it->second->fd());
    if (++it != guests_.end() && batch.connection_size() < kBatch) continue;
    if (auto status = send(batch, sockets); !status.ok()) return status;
    batch.Clear();
    sockets.clear();
  }
  return absl::OkStatus();
}

absl::Status GuestService::AdoptListener(const std::string& path, UniqueFd socket) {
  const auto place = std::find_if(settings_.listeners.begin(), settings_.listeners.end(),
                                  [&](const auto& one) { return one.path == path; });
  const bool dropped = place == settings_.listeners.end();
  const size_t index =
      dropped ? kDropped : static_cast<size_t>(place - settings_.listeners.begin());
  auto listener =
      Listener::Adopt(path, std::move(socket), loop_, dropped ? [](UniqueFd) {} : AcceptOn(index),
                      [this](const absl::Status& why) { AcceptFailed(why); });
  if (!listener.ok()) return listener.status();
  (dropped ? dropped_.emplace_back() : listeners_[index]) = *std::move(listener);
  adopted_listeners_.push_back(index);
  return absl::OkStatus();
}

absl::Status GuestService::AdoptNumbers(const handover::v1::Numbers& numbers,
                                        std::vector<UniqueFd> listeners) {
  if (listeners.size() != static_cast<size_t>(numbers.listener_size())) {
    return absl::InvalidArgumentError(absl::StrCat("adopt listeners: ", listeners.size(),
                                                   " descriptors came for ",
                                                   numbers.listener_size(), " sockets"));
  }
  // Sockets of single guests are as the predecessor has them, whatever the file said at start.
  const config::v1::GuestState stale = GuestSockets();
  for (const config::v1::GuestSocket& socket : stale.guests()) VacateSocket(socket.name());
  RestoreGuestSockets(numbers.guest_sockets());
  listeners_.resize(settings_.listeners.size());
  activated_.insert(numbers.activated().begin(), numbers.activated().end());
  for (int i = 0; i < numbers.listener_size(); ++i) {
    auto status = AdoptListener(numbers.listener(i), std::move(listeners[static_cast<size_t>(i)]));
    if (!status.ok()) return status;
  }
  for (const handover::v1::ClassNumbers& saved : numbers.class_()) {
    for (const std::unique_ptr<ServedClass>& c : classes_) {
      if (c->buffer->class_name() != saved.class_()) continue;
      c->counters->delivered_bytes.Add(saved.delivered());
      c->counters->primed_bytes.Add(saved.primed());
      for (size_t i = 0; i < EgdSession::kCommands && int(i) < saved.requests_size(); ++i) {
        c->counters->requests[i].Add(saved.requests(static_cast<int>(i)));
      }
      c->counters->closed_unknown.Add(saved.closed_unknown());
      c->counters->closed_pending.Add(saved.closed_pending());
      for (size_t i = 0; i < kWaitBuckets && int(i) < saved.waits_size(); ++i) {
        c->counters->waits[i].Add(saved.waits(static_cast<int>(i)));
      }
      c->counters->wait_sum_nanos.Add(static_cast<uint64_t>(saved.wait_sum_nanos()));
      c->throttled_before = static_cast<uint64_t>(saved.throttled_nanos());
      if (c->refused.empty()) c->refused = saved.refused();  // until this process is told
      c->rated_bytes = c->counters->delivered_bytes.Get();
    }
  }
  for (const handover::v1::Departed& saved : numbers.departed()) {
    for (size_t i = 0; i < settings_.classes.size(); ++i) {
      if (settings_.classes[i].name != saved.class_()) continue;
      accounts_.Restore({saved.name(), saved.uuid(), i}, GuestTotals::Restore(saved.totals()));
    }
  }
  metrics_->refused_guests.Add(numbers.refused_guests());
  metrics_->accept_failures.Add(numbers.accept_failures());
  next_guest_ = std::max(next_guest_, numbers.next_guest());
  if (auto status = OpenListeners(); !status.ok()) return status;
  if (auto status = OpenFeeds(); !status.ok()) return status;
  for (const handover::v1::TapTokens& saved : numbers.tap()) {
    for (const std::unique_ptr<Feed>& feed : feeds_) {
      if (feed->name() != saved.name()) continue;
      if (settings_.classes[feed->class_index()].name != saved.class_()) continue;
      feed->StartWith(saved.ceil_tokens());
    }
  }
  return absl::OkStatus();
}

absl::Status GuestService::AdoptConnections(const handover::v1::Connections& connections,
                                            std::vector<UniqueFd> sockets) {
  if (sockets.size() != static_cast<size_t>(connections.connection_size())) {
    return absl::InvalidArgumentError(absl::StrCat("adopt connections: ", sockets.size(),
                                                   " descriptors came for ",
                                                   connections.connection_size()));
  }
  for (size_t i = 0; i < sockets.size(); ++i) {
    const handover::v1::Connection& saved = connections.connection(static_cast<int>(i));
    if (saved.listener() >= adopted_listeners_.size() || saved.id() >= next_guest_ ||
        guests_.contains(saved.id())) {
      return absl::InvalidArgumentError(
          absl::StrCat("adopt connection ", saved.id(), ": of no listener, or seen before"));
    }
    Connection::Options options;
    options.id = saved.id();
    options.listener = adopted_listeners_[saved.listener()];
    if (options.listener == kDropped) {
      return absl::FailedPreconditionError(absl::StrCat(
          "adopt connection ", saved.id(), " of pid ", saved.pid(),
          ": it came in by a listener that "
          "this configuration lacks; keep the listener until its guests have gone, or restart"));
    }
    options.peer = {saved.pid(), saved.uid(), saved.program(), saved.qemu()};
    options.age_nanos = saved.age_nanos();
    auto guest = MakeGuest(options, std::move(sockets[i]),
                           ClassAt(options.listener, saved.identity().class_()));
    if (auto status = guest->Resume(saved); !status.ok()) return status;
    accounts_.Join(KeyOf(*guest));
    guests_.emplace(options.id, std::move(guest));
    ++connections_[options.listener];
  }
  return absl::OkStatus();
}

void GuestService::Own() {
  for (size_t i = 0; i < listeners_.size(); ++i) {
    if (listeners_[i] == nullptr) continue;  // vacant
    const AgentSettings::Socket& wanted = settings_.listeners[i];
    if (wanted.tcp || activated_.contains(wanted.path)) continue;
    listeners_[i]->Own();
    if (auto status = listeners_[i]->SetAccess(wanted.mode, wanted.group); !status.ok()) {
      log_->Error("listener.access", {{"path", wanted.path}, {"reason", status}});
    }
  }
  for (const std::unique_ptr<Listener>& listener : dropped_) {
    log_->Info("listener.closed", {{"path", listener->path()}});
    if (!activated_.contains(listener->path())) listener->Own();
  }
  dropped_.clear();
  for (const std::unique_ptr<ServedClass>& c : classes_) {
    c->expected_guests = 0;
    c->expected_bytes = 0;
    c->due = true;
  }
  for (const std::unique_ptr<Feed>& feed : feeds_) {
    if (auto status = StartFeed(feed.get()); !status.ok()) {
      log_->Error("tap.closed", {{"tap", feed->name()}, {"reason", status}});
    }
  }
  accounts_.EndRestore();
  // What has changed of them while nobody watched.
  for (const auto& [id, guest] : guests_) AskAgain(*guest);
}

void GuestService::GiveAway() {
  for (const std::unique_ptr<Listener>& listener : listeners_) {
    if (listener != nullptr) listener->Disown();
  }
  StopListening();
  while (!guests_.empty()) guests_.begin()->second->Close("handed over");
  closed_.clear();
}

}  // namespace entropyd
