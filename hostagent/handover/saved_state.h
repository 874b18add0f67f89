// All that crosses a handover, but for the messages about it: reads the objects of the running
// agent, and builds those of its successor from what was read. No entropy crosses.
//
//   running agent                      successor
//   SaveDemand(&offer)            ->   Expect(offer), until Filled()
//   SaveNumbers, SaveConnections  ->   AdoptNumbers, AdoptConnections
//   GiveAway()                         Own()
//
// Until Own() nobody is read from, written to or accepted, no socket file is the successor's, and
// no pipe has been written to; until GiveAway() the running agent has given up nothing.
//
// Thread safety: none; belongs to the event loop's thread.
#pragma once

#include <cstddef>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/types/optional.h"
#include "base/process/fd.h"
#include "hostagent/endpoint/endpoints.h"
#include "hostagent/feed/feeds.h"
#include "hostagent/guest/connections.h"
#include "hostagent/guest/guest_accounts.h"
#include "hostagent/identity/class_assignment.h"
#include "hostagent/serving/served_class.h"
#include "proto/agent_handover.pb.h"

namespace entropyd {

class SavedState {
 public:
  // Messages bear so many connections at most. The kernel passes 253 descriptors (SCM_MAX_FD).
  static constexpr int kBatch = 200;

  // What it reads and builds; all outlive it.
  struct Parts {
    std::vector<ServedClass*> classes;
    Endpoints* endpoints = nullptr;
    Connections* connections = nullptr;
    Feeds* feeds = nullptr;
    Feeds::Options feeds_wanted;  // by this configuration
    GuestAccounts* accounts = nullptr;
    ClassAssignment* assignment = nullptr;
    ConnectionCounters* counters = nullptr;
    const EventLoop* loop = nullptr;
  };
  explicit SavedState(Parts parts) : parts_(std::move(parts)) {}

  size_t guests() const { return parts_.connections->size(); }

  // What the classes need: for a successor that fills its buffers before it takes the guests.
  void SaveDemand(handover::v1::Offer* offer) const;
  // The other side of it: the buffers are filled as if the guests were here, until they are.
  void Expect(const handover::v1::Offer& offer);
  bool Filled() const;  // every buffer is above low water for what is expected

  // Everything but connections and entropy. Descriptors are lent.
  void SaveNumbers(handover::v1::Numbers* numbers, std::vector<int>* listeners) const;
  // Stops at the first error of `send`, and returns it.
  absl::Status SaveConnections(
      absl::FunctionRef<absl::Status(const handover::v1::Connections&, const std::vector<int>&)>
          send) const;

  // REQUIRES: nothing listens yet. Takes over listeners and counters, and opens those listeners
  // that only this configuration has. A listener that this configuration lacks is closed by Own().
  // Errors: those of Listener and Feeds.
  absl::Status AdoptNumbers(const handover::v1::Numbers& numbers, std::vector<UniqueFd> listeners);
  // Errors: FAILED_PRECONDITION when a connection came in by a listener that this configuration
  // lacks: reconfiguring drops nobody. INVALID_ARGUMENT, and of the loop's watches.
  absl::Status AdoptConnections(const handover::v1::Connections& connections,
                                std::vector<UniqueFd> sockets);

  void Own();       // the handover is final: the guests are this process's
  void GiveAway();  // ... or another's: lets go of all, removes no file

 private:
  void SaveClass(ServedClass* served, handover::v1::ClassNumbers* saved) const;
  void AdoptClass(const handover::v1::ClassNumbers& saved, ServedClass* served);
  void SaveAccounts(handover::v1::Numbers* numbers) const;
  void AdoptFeeds(const handover::v1::Numbers& numbers);
  ServedClass* Named(const std::string& class_name) const;  // nullptr = not one of this process's

  const Parts parts_;
  // Of each listener that was handed over, where its connections belong; nullopt = nowhere.
  std::vector<absl::optional<Endpoints::Id>> adopted_;
};

}  // namespace entropyd
