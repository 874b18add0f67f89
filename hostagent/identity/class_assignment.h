// Who a connection's guest is, and which class follows from that. It knows nothing of connections.
// Its caller gives it what was known and what the answer is.
//
//   if (assignment.Asks(how)) assignment.Ask({connection_id, PinPeer(socket), how});
//   switch (assignment.Take(known, news.identity)) { … }
//   std::string served_in = assignment.ClassFor(identity, class_of_its_listener);
//
// Classes are given as names, POOL/CLASS.
//
// When metadata asks for a class that the guest cannot have, the log and
// entropyd_agent_class_refused_total say so, once for each guest. Meanwhile the guest gets the
// listener's class.
//
// Errors: none.
//
// Thread safety: none; belongs to the event loop's thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "base/telemetry/log.h"
#include "hostagent/identity/guest_identity.h"
#include "hostagent/identity/identity_thread.h"
#include "hostagent/loop/loop_number.h"

namespace entropyd {

struct IdentityCounters {
  static constexpr size_t kSources = 4;
  // Answers, by IdentitySource; kNone = the peer could not be identified.
  std::array<LoopNumber, kSources> identified;
  // Guests whose metadata asks for a class not served here.
  LoopNumber class_refused;
};

class ClassAssignment {
 public:
  // `classes`: the agent's. Log and counters outlive it.
  ClassAssignment(const std::vector<std::string>& classes, Log* log, IdentityCounters* counters);
  ClassAssignment(const ClassAssignment&) = delete;
  ClassAssignment& operator=(const ClassAssignment&) = delete;

  // Sets who answers questions; nullptr = nobody is asked. It outlives the assignment, or is taken
  // away again.
  void SetIdentifier(Identifier* identifier) { identifier_ = identifier; }
  bool Asks(config::v1::Identify how) const {
    return identifier_ != nullptr && how != config::v1::IDENTIFY_NONE;
  }
  // REQUIRES: Asks(question.how).
  void Ask(IdentityQuestion question);
  // The connection has gone: nobody needs to find out who it was.
  void Withdraw(uint64_t connection);

  enum class Answer {
    // The peer could not be identified. An earlier answer, if there is one, stays.
    kNobody,
    // Less than was known before: forget the answer.
    kWorse,
    // As before.
    kSame,
    // The guest is somebody else than was known.
    kNew,
  };
  // Counts and judges an answer. `known`: what was known of the connection's guest; nullptr = this
  // is the first answer.
  Answer Take(const GuestIdentity* known, const absl::optional<GuestIdentity>& answer);

  // Where a guest is served whose metadata asks for `asked`: there, unless the agent does not have
  // that class, or its server refuses it.
  std::string ClassAt(const std::string& asked, const std::string& of_listener) const;
  // The same for a guest whose identity is new, or whose class has changed. It logs and counts a
  // class that the guest does not get.
  std::string ClassFor(const GuestIdentity& identity, const std::string& of_listener);
  // The class that the guest asks for and does not get; empty = it gets what it asks for.
  static std::string NotGiven(const GuestIdentity& identity, const std::string& served_in);

  // Upstream does not serve that class, and `why`; empty = it does. True: assign the guests that
  // ask for it again. REQUIRES of all below: the agent has that class.
  bool SetRefused(const std::string& class_name, absl::string_view why);
  // What the server of another process said. It counts until a server of this process has spoken.
  void AdoptRefused(const std::string& class_name, absl::string_view why);
  const std::string& refused(const std::string& class_name) const {
    return classes_.at(class_name).refused;
  }

 private:
  // The agent remembers this many guests, so that it logs each once. Beyond that it logs everybody
  // again.
  static constexpr size_t kMaxComplaints = 10'000;

  // What servers have said of a class.
  struct Class {
    // Why it is refused; empty = it is not.
    std::string refused;
    // A server of this process has spoken.
    bool heard = false;
  };

  void Complain(const GuestIdentity& identity, const std::string& of_listener);

  Log* const log_;
  IdentityCounters* const counters_;
  Identifier* identifier_ = nullptr;
  // Of these the names never change.
  std::map<std::string, Class> classes_;
  // By guest: the class that was logged last.
  std::map<std::string, std::string> complaints_;
};

}  // namespace entropyd
