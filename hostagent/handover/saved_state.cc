#include "hostagent/handover/saved_state.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace entropyd {

ServedClass* SavedState::Named(const std::string& class_name) const {
  for (ServedClass* served : parts_.classes) {
    if (served->name() == class_name) return served;
  }
  return nullptr;
}

void SavedState::SaveFile(const SocketFile& file, handover::v1::SocketFile* saved) {
  saved->set_device(file.device);
  saved->set_inode(file.inode);
  saved->set_mode(file.mode);
  saved->set_group(file.group);
}

absl::optional<SocketFile> SavedState::RestoreFile(const handover::v1::SocketFile* saved) {
  if (saved == nullptr) return absl::nullopt;
  return SocketFile{saved->device(), saved->inode(), saved->mode(), saved->group()};
}

void SavedState::SaveDemand(handover::v1::Offer* offer) const {
  for (ServedClass* served : parts_.classes) {
    handover::v1::Demand* demand = offer->add_class_();
    demand->set_class_(served->name());
    demand->set_guests(served->queue()->members());
    demand->set_target(served->buffer()->target());
  }
}

void SavedState::Expect(const handover::v1::Offer& offer) {
  for (const handover::v1::Demand& demand : offer.class_()) {
    ServedClass* const served = Named(demand.class_());
    if (served != nullptr && demand.guests() > 0) served->Expect(demand.guests(), demand.target());
  }
}

bool SavedState::Filled() const {
  return std::all_of(parts_.classes.begin(), parts_.classes.end(),
                     [](const ServedClass* served) { return served->filled(); });
}

void SavedState::SaveClass(ServedClass* served, handover::v1::ClassNumbers* saved) const {
  const ClassCounters& counters = *served->counters();
  saved->set_class_(served->name());
  saved->set_delivered(counters.delivered_bytes.Get());
  saved->set_primed(counters.primed_bytes.Get());
  for (const LoopNumber& n : counters.requests) saved->add_requests(n.Get());
  saved->set_closed_unknown(counters.closed_unknown.Get());
  saved->set_closed_pending(counters.left_unread.Get());
  for (const LoopNumber& n : counters.waits) saved->add_waits(n.Get());
  saved->set_wait_sum_nanos(static_cast<int64_t>(counters.wait_sum_nanos.Get()));
  saved->set_throttled_nanos(served->throttled_nanos(parts_.loop->now_nanos()));
  saved->set_refused(parts_.assignment->refused(served->name()));
}

void SavedState::SaveAccounts(handover::v1::Numbers* numbers) const {
  const auto feeds = parts_.feeds->all();
  for (const auto& [key, account] : parts_.accounts->all()) {
    // A feed does not cross as connections do. Its accounts cross.
    GuestTotals departed = account.departed;
    for (const Feed* const feed : feeds) {
      if (feed->account() == key) departed += feed->totals();
    }
    if (departed == GuestTotals()) continue;
    handover::v1::Departed* saved = numbers->add_departed();
    saved->set_name(key.guest.name);
    saved->set_uuid(key.guest.uuid);
    saved->set_class_(key.class_name);
    departed.Save(saved->mutable_totals());
  }
}

void SavedState::SaveGuests(handover::v1::Numbers* numbers) const {
  const int64_t now = parts_.loop->now_nanos();
  parts_.connections->guests()->ForEachRemembered(
      [&](const GuestKey& key, const ServedClass& served, const GuestShare& share) {
        if (!served.queue().has_ceil()) return;
        handover::v1::GuestTokens* saved = numbers->add_guest();
        saved->set_name(key.name);
        saved->set_uuid(key.uuid);
        saved->set_pid(key.pid);
        saved->set_start_ticks(key.start_ticks);
        saved->set_uid(key.uid);
        saved->set_address(key.address);
        saved->set_class_(served.name());
        saved->set_ceil_tokens(share.nano_tokens(now));
      });
}

void SavedState::AdoptGuests(const handover::v1::Numbers& numbers) {
  // In the order in which they left, so that those that left first are forgotten first.
  for (int i = numbers.guest_size() - 1; i >= 0; --i) {
    const handover::v1::GuestTokens& saved = numbers.guest(i);
    ServedClass* const served = Named(saved.class_());
    if (served == nullptr) continue;
    GuestKey key = GuestKey::Named(saved.name(), saved.uuid());
    key.pid = saved.pid();
    key.start_ticks = saved.start_ticks();
    key.uid = saved.uid();
    key.address = saved.address();
    parts_.connections->guests()->Remember(key, served, saved.ceil_tokens(),
                                           parts_.loop->now_nanos());
  }
}

void SavedState::SaveNumbers(handover::v1::Numbers* numbers, std::vector<int>* listeners) const {
  for (const Endpoints::Opened& opened : parts_.endpoints->opened()) {
    numbers->add_listener(opened.path);
    SaveFile(opened.file, numbers->add_file());
    listeners->push_back(opened.fd);
  }
  for (ServedClass* served : parts_.classes) SaveClass(served, numbers->add_class_());
  *numbers->mutable_guest_sockets() = parts_.endpoints->guest_sockets();
  SaveAccounts(numbers);
  SaveGuests(numbers);
  for (const Feed* const feed : parts_.feeds->all()) {
    const absl::optional<int64_t> tokens = feed->nano_tokens();
    if (!tokens.has_value()) continue;
    handover::v1::TapTokens* saved = numbers->add_tap();
    saved->set_name(feed->name());
    saved->set_class_(feed->served_class()->name());
    saved->set_ceil_tokens(*tokens);
  }
  for (const std::string& path : parts_.endpoints->activated()) numbers->add_activated(path);
  numbers->set_refused_guests(parts_.counters->refused.Get());
  numbers->set_crowded(parts_.counters->crowded.Get());
  numbers->set_accept_failures(parts_.counters->accept_failures.Get());
  numbers->set_next_guest(parts_.connections->next_id());
  numbers->set_connections(static_cast<uint32_t>(connections()));
}

absl::Status SavedState::SaveConnections(
    absl::FunctionRef<absl::Status(const handover::v1::Connections&, const std::vector<int>&)> send)
    const {
  std::map<Endpoints::Id, uint32_t> places;  // of each endpoint among those in Numbers
  for (const Endpoints::Opened& opened : parts_.endpoints->opened()) {
    places.emplace(opened.id, static_cast<uint32_t>(places.size()));
  }
  const auto& all = parts_.connections->all();
  handover::v1::Connections batch;
  std::vector<int> sockets;
  size_t bytes = 0;
  for (auto it = all.begin(); it != all.end();) {
    const Connection& connection = *it->second;
    handover::v1::Connection* saved = batch.add_connection();
    connection.Save(saved);
    saved->set_listener(places[connection.options().endpoint]);
    sockets.push_back(connection.socket().fd());
    bytes += saved->ByteSizeLong();
    const bool full = batch.connection_size() == kBatch || bytes >= kBatchBytes;
    if (++it != all.end() && !full) continue;
    if (auto status = send(batch, sockets); !status.ok()) return status;
    batch.Clear();
    sockets.clear();
    bytes = 0;
  }
  return absl::OkStatus();
}

void SavedState::AdoptClass(const handover::v1::ClassNumbers& saved, ServedClass* served) {
  ClassCounters* const counters = served->counters();
  counters->delivered_bytes.Add(saved.delivered());
  counters->primed_bytes.Add(saved.primed());
  for (size_t i = 0; i < counters->requests.size() && int(i) < saved.requests_size(); ++i) {
    counters->requests[i].Add(saved.requests(static_cast<int>(i)));
  }
  counters->closed_unknown.Add(saved.closed_unknown());
  counters->left_unread.Add(saved.closed_pending());
  for (size_t i = 0; i < counters->waits.size() && int(i) < saved.waits_size(); ++i) {
    counters->waits[i].Add(saved.waits(static_cast<int>(i)));
  }
  counters->wait_sum_nanos.Add(static_cast<uint64_t>(saved.wait_sum_nanos()));
  served->GoOnFrom(saved.throttled_nanos());
  parts_.assignment->AdoptRefused(served->name(), saved.refused());
}

void SavedState::AdoptFeeds(const handover::v1::Numbers& numbers) {
  for (const handover::v1::TapTokens& saved : numbers.tap()) {
    for (Feed* const feed : parts_.feeds->all()) {
      if (feed->name() != saved.name() || feed->served_class()->name() != saved.class_()) continue;
      feed->StartWith(saved.ceil_tokens());
    }
  }
}

absl::Status SavedState::AdoptNumbers(const handover::v1::Numbers& numbers,
                                      std::vector<UniqueFd> listeners) {
  if (listeners.size() != static_cast<size_t>(numbers.listener_size())) {
    return absl::InvalidArgumentError(absl::StrCat("adopt listeners: ", listeners.size(),
                                                   " descriptors came for ",
                                                   numbers.listener_size(), " sockets"));
  }
  // The ages that cross are as of now. The last turn of this loop was before the giver's turn.
  parts_.loop->ReadClock();
  // The predecessor knows the sockets of single guests better than the file at start.
  parts_.endpoints->Restore(numbers.guest_sockets());
  for (const std::string& path : numbers.activated()) parts_.endpoints->AddActivated(path);
  for (int i = 0; i < numbers.listener_size(); ++i) {
    const auto* const file = i < numbers.file_size() ? &numbers.file(i) : nullptr;
    auto adopted = parts_.endpoints->Adopt(
        numbers.listener(i), {std::move(listeners[static_cast<size_t>(i)]), RestoreFile(file)});
    if (!adopted.ok()) return adopted.status();
    adopted_.push_back(*adopted);
  }
  for (const handover::v1::ClassNumbers& saved : numbers.class_()) {
    if (ServedClass* const served = Named(saved.class_())) AdoptClass(saved, served);
  }
  for (const handover::v1::Departed& saved : numbers.departed()) {
    const ServedClass* const served = Named(saved.class_());
    if (served == nullptr) continue;
    parts_.accounts->Restore({GuestKey::Named(saved.name(), saved.uuid()), served->name()},
                             GuestTotals::Restore(saved.totals()));
  }
  parts_.counters->refused.Add(numbers.refused_guests());
  parts_.counters->crowded.Add(numbers.crowded());
  parts_.counters->accept_failures.Add(numbers.accept_failures());
  parts_.connections->SkipIdsTo(numbers.next_guest());
  if (auto status = parts_.endpoints->Open(); !status.ok()) return status;
  if (auto status = parts_.feeds->Open(parts_.feeds_wanted); !status.ok()) return status;
  AdoptFeeds(numbers);
  AdoptGuests(numbers);
  return absl::OkStatus();
}

absl::Status SavedState::AdoptConnections(const handover::v1::Connections& connections,
                                          std::vector<UniqueFd> sockets) {
  if (sockets.size() != static_cast<size_t>(connections.connection_size())) {
    return absl::InvalidArgumentError(absl::StrCat("adopt connections: ", sockets.size(),
                                                   " descriptors came for ",
                                                   connections.connection_size()));
  }
  for (size_t i = 0; i < sockets.size(); ++i) {
    const handover::v1::Connection& saved = connections.connection(static_cast<int>(i));
    if (saved.listener() >= adopted_.size() || saved.id() >= parts_.connections->next_id() ||
        parts_.connections->all().contains(saved.id())) {
      return absl::InvalidArgumentError(
          absl::StrCat("adopt connection ", saved.id(), ": of no listener, or seen before"));
    }
    const absl::optional<Endpoints::Id> endpoint = adopted_[saved.listener()];
    if (!endpoint.has_value()) {
      return absl::FailedPreconditionError(absl::StrCat(
          "adopt connection ", saved.id(), " of pid ", saved.pid(),
          ": it came in by a listener that "
          "this configuration lacks; keep the listener until its guests have gone, or restart"));
    }
    auto status = parts_.connections->Adopt(saved, *endpoint, std::move(sockets[i]));
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

void SavedState::Own() {
  parts_.endpoints->Own();
  for (ServedClass* served : parts_.classes) served->Expect(0, 0);  // they are here
  parts_.feeds->StartWhatCan();
  parts_.accounts->EndRestore(parts_.loop->now_nanos());
  parts_.connections->AskAgain();
}

void SavedState::GiveAway() {
  parts_.endpoints->Disown();
  parts_.endpoints->Close();
  parts_.feeds->Close();
  // Requests answered in this turn are not counted yet. So connections are destroyed after it.
  parts_.connections->CloseAll("handed over");
  // They go on in the taker's figures.
  parts_.accounts->Clear();
}

}  // namespace entropyd
