// Who a connection is, and which class that gives it. Knows nothing of connections: it is told what
// was known and what has been answered, and says what follows.
//
//   if (assignment.Asks(how)) assignment.Ask({connection_id, PinPeer(socket), how});
//   switch (assignment.Take(known, news.identity)) { … }
//   size_t served_in = assignment.ClassFor(identity, class_of_its_listener);
//
// A class that metadata asks for and that is not to be had is complained of once for each guest:
// in the log, and in entropyd_agent_class_refused_total. Meanwhile the listener's class serves.
//
// Thread safety: none; belongs to the event loop's thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/process/log.h"
#include "hostagent/identity/guest_identity.h"
#include "hostagent/identity/identity_thread.h"
#include "hostagent/loop/loop_number.h"

namespace entropyd {

struct IdentityCounters {
  static constexpr size_t kSources = 4;
  // Answers, by IdentitySource; kNone = nobody knows the peer.
  std::array<LoopNumber, kSources> identified;
  LoopNumber class_refused;  // guests whose metadata asks for a class not served here
};

class ClassAssignment {
 public:
  // `classes`: the agent's, in its order. Log and counters outlive it.
  ClassAssignment(std::vector<std::string> classes, Log* log, IdentityCounters* counters);
  ClassAssignment(const ClassAssignment&) = delete;
  ClassAssignment& operator=(const ClassAssignment&) = delete;

  // Who answers questions; nullptr = nobody is asked. Outlives the assignment, or is taken away
  // again.
  void SetIdentifier(Identifier* identifier) { identifier_ = identifier; }
  bool Asks(config::v1::Identify how) const {
    return identifier_ != nullptr && how != config::v1::IDENTIFY_NONE;
  }
  void Ask(IdentityQuestion question);  // REQUIRES: Asks(question.how)

  enum class Answer {
    kNobody,  // nobody knows it; what was known before, if anything, stays
    kWorse,   // less than was known before: forget the answer
    kSame,    // as before
    kNew,     // the guest is somebody else than was known
  };
  // `known`: what the connection is known as; nullptr = this is its first answer. Counts it.
  Answer Take(const GuestIdentity* known, const std::optional<GuestIdentity>& answer);

  // Where a guest is served whose metadata asks for `asked`: there, unless the agent does not have
  // that class, or its server refuses it.
  size_t ClassAt(const std::string& asked, size_t of_listener) const;
  // The same for a guest that has just been told, or whose class has changed; complains.
  size_t ClassFor(const GuestIdentity& identity, size_t of_listener);
  // The class, or what stands in its place, that the guest asks for and does not get; empty = it
  // gets what it asks for.
  std::string NotGiven(const GuestIdentity& identity, size_t served_in) const;

  // Upstream does not serve that class, and `why`; empty = it does. True: guests that ask for it
  // are to be assigned anew.
  bool SetRefused(size_t class_index, absl::string_view why);
  const std::string& refused(size_t class_index) const { return refused_[class_index]; }
  const std::string& class_name(size_t class_index) const { return classes_[class_index]; }

 private:
  // Guests that have been complained of; beyond that everybody is told of again.
  static constexpr size_t kMostComplaints = 10'000;

  void Complain(const GuestIdentity& identity, size_t of_listener);

  const std::vector<std::string> classes_;
  Log* const log_;
  IdentityCounters* const counters_;
  Identifier* identifier_ = nullptr;
  std::vector<std::string> refused_;               // by class: why; empty = it is not
  std::map<std::string, std::string> complaints_;  // by guest: the class complained of last
};

}  // namespace entropyd
