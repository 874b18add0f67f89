#include "hostagent/identity/class_assignment.h"

#include "absl/strings/str_cat.h"
#include "absl/types/optional.h"

namespace entropyd {

ClassAssignment::ClassAssignment(const std::vector<std::string>& classes, Log* log,
                                 IdentityCounters* counters)
    : log_(log), counters_(counters) {
  for (const std::string& name : classes) classes_[name];
}

void ClassAssignment::Ask(IdentityQuestion question) { identifier_->Ask(std::move(question)); }

void ClassAssignment::Withdraw(uint64_t connection) {
  if (identifier_ != nullptr) identifier_->Withdraw(connection);
}

ClassAssignment::Answer ClassAssignment::Take(const GuestIdentity* known,
                                              const absl::optional<GuestIdentity>& answer) {
  if (known == nullptr) {
    const IdentitySource source = answer.has_value() ? answer->source : IdentitySource::kNone;
    counters_->identified[static_cast<size_t>(source)].Add(1);
  }
  if (!answer.has_value()) return Answer::kNobody;
  if (known == nullptr) return Answer::kNew;
  // libvirt's file is gone while the domain ends. The cgroup that is left knows less.
  if (answer->source == IdentitySource::kCgroup && known->source == IdentitySource::kLibvirt) {
    return Answer::kWorse;
  }
  return *answer == *known ? Answer::kSame : Answer::kNew;
}

std::string ClassAssignment::ClassAt(const std::string& asked,
                                     const std::string& of_listener) const {
  const auto found = classes_.find(asked);
  // A refused class does not count: it would freeze the guest, which serves nobody's policy.
  return found != classes_.end() && found->second.refused.empty() ? asked : of_listener;
}

std::string ClassAssignment::ClassFor(const GuestIdentity& identity,
                                      const std::string& of_listener) {
  std::string target = ClassAt(identity.class_name, of_listener);
  const bool asks = !identity.class_name.empty() || !identity.class_error.empty();
  if (asks && target != identity.class_name) {
    Complain(identity, of_listener);
  } else if (const auto before = complaints_.find(identity.name);
             before != complaints_.end() && (!asks || before->second != identity.class_name)) {
    // A server may refuse a class for a while and serve it again. That is not logged each time.
    complaints_.erase(before);
  }
  return target;
}

std::string ClassAssignment::NotGiven(const GuestIdentity& identity, const std::string& served_in) {
  if (identity.class_name.empty()) return identity.class_error;
  return identity.class_name == served_in ? "" : identity.class_name;
}

bool ClassAssignment::SetRefused(const std::string& class_name, absl::string_view why) {
  Class& of = classes_.at(class_name);
  of.heard = true;
  const bool moves = of.refused.empty() != why.empty();
  if (of.refused != why) of.refused = std::string(why);
  return moves;
}

void ClassAssignment::AdoptRefused(const std::string& class_name, absl::string_view why) {
  Class& of = classes_.at(class_name);
  if (!of.heard) of.refused = std::string(why);
}

void ClassAssignment::Complain(const GuestIdentity& identity, const std::string& of_listener) {
  const std::string& what =
      identity.class_name.empty() ? identity.class_error : identity.class_name;
  if (complaints_.size() >= kMaxComplaints) complaints_.clear();
  std::string& before = complaints_[identity.name];
  if (before == what) return;
  before = what;
  counters_->class_refused.Add(1);
  std::string reason = "the agent does not have it";
  std::string remedy =
      "name one of the agent's classes in the domain's metadata, or add this one to the agent's "
      "`classes`";
  if (const auto of = classes_.find(identity.class_name); of != classes_.end()) {
    reason = absl::StrCat("the server refuses it: ", of->second.refused);
    remedy = "allow it to this host in `policy` of the server; it is asked for again by itself";
  }
  log_->Warning("guest.class_refused", {{"guest", identity.name},
                                        {"uuid", identity.uuid},
                                        {"asked", what},
                                        {"reason", reason},
                                        {"served_in", of_listener},
                                        {"remedy", remedy}});
}

}  // namespace entropyd
