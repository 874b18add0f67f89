// How the guests of an agent get their names, and their class from those who own them.
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "hostagent/guest_service.h"

namespace entropyd {
namespace {

// Guests that have been complained of; beyond that everybody is told of again.
constexpr size_t kMostBadClasses = 10'000;

}  // namespace

bool GuestService::Identifies(size_t listener) const {
  return identifier_ != nullptr &&
         settings_.listeners[listener].identify != config::v1::IDENTIFY_NONE;
}

void GuestService::Ask(const Connection& guest, PeerPin pin) {
  identifier_->Ask(
      {guest.options().id, std::move(pin), settings_.listeners[guest.options().listener].identify});
}

void GuestService::AskAgain(const Connection& guest) {
  if (!Identifies(guest.options().listener)) return;
  PeerPin pin;
  pin.pid = guest.options().peer.pid;
  pin.uid = guest.options().peer.uid;
  pin.start_ticks = guest.start_ticks();
  Ask(guest, std::move(pin));
}

void GuestService::OnIdentities(const std::vector<IdentityNews>& news) {
  absl::flat_hash_set<int32_t> changed;
  for (const IdentityNews& one : news) {
    if (one.guest == 0) {
      changed.insert(one.pid);
    } else {
      OnAnswer(one);
    }
  }
  if (changed.empty()) return;
  for (const auto& [id, guest] : guests_) {
    if (!guest->held() && changed.contains(guest->options().peer.pid)) AskAgain(*guest);
  }
}

void GuestService::OnAnswer(const IdentityNews& answer) {
  const auto found = guests_.find(answer.guest);
  if (found == guests_.end()) return;  // it has gone meanwhile
  Connection* const guest = found->second.get();
  const bool first = guest->held();
  if (!answer.identity.has_value()) {
    guest->Identify(guest->identity(), answer.start_ticks);
    if (first) {
      metrics_->identified[0].Add(1);
      Unidentified(guest);
    }
    return;  // or its domain has gone, and the guest is about to
  }
  const GuestIdentity& identity = *answer.identity;
  if (first) metrics_->identified[static_cast<size_t>(identity.source)].Add(1);
  // A cgroup knows less than libvirt did, whose file is gone while the domain ends.
  if (!first && identity.source == IdentitySource::kCgroup &&
      guest->identity().source == IdentitySource::kLibvirt) {
    return;
  }
  const bool known = !first && identity == guest->identity();
  const size_t target = ClassFor(*guest, identity);
  if (!known) {
    accounts_.Leave(KeyOf(*guest), guest->totals_here());
    guest->Settle();
  }
  guest->Identify(identity, answer.start_ticks);
  if (!known) accounts_.Join(KeyOf(*guest));
  PutInClass(guest, target);
  if (!known) {
    log_->Debug("guest.identified", {{"guest", guest->options().id},
                                     {"name", identity.name},
                                     {"uuid", identity.uuid},
                                     {"by", IdentitySourceName(identity.source)},
                                     {"class", settings_.classes[target].name}});
  }
  guest->Release();
}

void GuestService::PutInClass(Connection* guest, size_t target) {
  if (target == guest->class_index()) return;
  if (!guest->held()) {
    log_->Info("guest.moved", {{"guest", guest->options().id},
                               {"name", guest->identity().name},
                               {"from", settings_.classes[guest->class_index()].name},
                               {"to", settings_.classes[target].name}});
  }
  accounts_.Leave(KeyOf(*guest), guest->totals_here());
  guest->Settle();
  guest->MoveTo(ClassOf(target));
  accounts_.Join(KeyOf(*guest));
}

void GuestService::SetRefused(size_t class_index, absl::string_view why) {
  std::string& refused = classes_[class_index]->refused;
  if (refused == why) return;
  const bool moves = refused.empty() != why.empty();
  refused = std::string(why);
  if (!moves) return;
  for (const auto& [id, guest] : guests_) {
    if (guest->held() || guest->identity().class_name != settings_.classes[class_index].name) {
      continue;
    }
    PutInClass(guest.get(), ClassFor(*guest, guest->identity()));
  }
}

// Where a guest that came in by `listener` is served when its metadata asks for `asked`: there,
// unless the agent does not have that class, or it is refused. A frozen guest serves nobody's
// policy.
size_t GuestService::ClassAt(size_t listener, const std::string& asked) const {
  for (size_t i = 0; i < settings_.classes.size(); ++i) {
    if (settings_.classes[i].name == asked && classes_[i]->refused.empty()) return i;
  }
  return settings_.listeners[listener].class_index;
}

size_t GuestService::ClassFor(const Connection& guest, const GuestIdentity& identity) {
  const size_t target = ClassAt(guest.options().listener, identity.class_name);
  const bool asks = !identity.class_name.empty() || !identity.class_error.empty();
  if (asks && settings_.classes[target].name != identity.class_name) {
    ComplainOfClass(guest, identity);
  } else if (const auto before = bad_classes_.find(identity.name);
             before != bad_classes_.end() && (!asks || before->second != identity.class_name)) {
    // One that is served again was refused for a while, and is not complained of each time.
    bad_classes_.erase(before);
  }
  return target;
}

std::string GuestService::ClassRefused(const Connection& guest) const {
  const GuestIdentity& identity = guest.identity();
  if (identity.class_name.empty()) return identity.class_error;
  return identity.class_name == settings_.classes[guest.class_index()].name ? ""
                                                                            : identity.class_name;
}

void GuestService::ComplainOfClass(const Connection& guest, const GuestIdentity& identity) {
  const std::string& what =
      identity.class_name.empty() ? identity.class_error : identity.class_name;
  if (bad_classes_.size() >= kMostBadClasses) bad_classes_.clear();
  std::string& before = bad_classes_[identity.name];
  if (before == what) return;
  before = what;
  metrics_->class_refused.Add(1);
  const AgentSettings::Socket& listener = settings_.listeners[guest.options().listener];
  std::string reason = "the agent does not have it";
  std::string remedy =
      "name one of the agent's classes in the domain's metadata, or add this one to the agent's "
      "`classes`";
  for (size_t i = 0; i < settings_.classes.size(); ++i) {
    if (settings_.classes[i].name != identity.class_name) continue;
    reason = absl::StrCat("the server refuses it: ", classes_[i]->refused);
    remedy = "allow it to this host in `policy` of the server; it is asked for again by itself";
  }
  log_->Warning("guest.class_refused", {{"guest", identity.name},
                                        {"uuid", identity.uuid},
                                        {"asked", what},
                                        {"reason", reason},
                                        {"served_in", settings_.classes[listener.class_index].name},
                                        {"remedy", remedy}});
}

void GuestService::Unidentified(Connection* guest) {
  const AgentSettings::Socket& listener = settings_.listeners[guest->options().listener];
  if (!listener.refuse_unknown) return guest->Release();
  metrics_->unidentified_refused.Add(1);
  log_->Debug("guest.unidentified", {{"guest", guest->options().id},
                                     {"pid", guest->options().peer.pid},
                                     {"program", guest->options().peer.program},
                                     {"listener", listener.path}});
  guest->Close("nobody knows it");
}

}  // namespace entropyd
