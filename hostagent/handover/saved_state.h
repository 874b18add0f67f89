// All that crosses a handover, but for the messages about it. It reads the objects of the giver,
// and builds those of the taker from what was read. No entropy crosses.
//
//   giver                              taker
//   SaveDemand(&offer)            ->   Expect(offer), until Filled()
//   SaveNumbers, SaveConnections  ->   AdoptNumbers, AdoptConnections
//   GiveAway()                         Own()
//
// Until Own() the taker reads from nobody, writes to nobody, accepts nobody, writes to no pipe and
// owns no socket file. Until GiveAway() the giver has given up nothing.
//
// Errors: of SaveConnections(), AdoptNumbers() and AdoptConnections(); see there.
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
  // The most connections in one message. The kernel passes 253 descriptors (SCM_MAX_FD).
  static constexpr int kBatch = 200;
  // A message that has this many bytes gets no further connection. Most have 300; one that owes as
  // many replies as it may (EgdSession::kMaxRuns) has up to 2 MB.
  static constexpr size_t kBatchBytes = 128 * 1024;

  // What it reads and builds; all outlive it.
  struct Parts {
    std::vector<ServedClass*> classes;
    Endpoints* endpoints = nullptr;
    Connections* connections = nullptr;
    Feeds* feeds = nullptr;
    // The feeds of this process's configuration.
    Feeds::Options feeds_wanted;
    GuestAccounts* accounts = nullptr;
    ClassAssignment* assignment = nullptr;
    ConnectionCounters* counters = nullptr;
    EventLoop* loop = nullptr;
  };
  explicit SavedState(Parts parts) : parts_(std::move(parts)) {}

  size_t connections() const { return parts_.connections->size(); }

  // How the file of a socket crosses. `saved` = nullptr: the giver did not tell.
  static void SaveFile(const SocketFile& file, handover::v1::SocketFile* saved);
  static absl::optional<SocketFile> RestoreFile(const handover::v1::SocketFile* saved);

  // What the classes need, for a taker that fills its buffers before it takes the guests.
  void SaveDemand(handover::v1::Offer* offer) const;
  // The taker's side: fills the buffers as if the guests were here, until they are.
  void Expect(const handover::v1::Offer& offer);
  // Every buffer is above low water for what is expected.
  bool Filled() const;

  // Everything but connections and entropy. Descriptors are lent.
  void SaveNumbers(handover::v1::Numbers* numbers, std::vector<int>* listeners) const;
  // Stops at the first error of `send`, and returns it.
  absl::Status SaveConnections(
      absl::FunctionRef<absl::Status(const handover::v1::Connections&, const std::vector<int>&)>
          send) const;

  // Takes over listeners and counters, and opens those listeners that only this configuration has.
  // Own() closes a listener that this configuration lacks. Errors: those of Listener and Feeds.
  // REQUIRES: nothing listens yet.
  absl::Status AdoptNumbers(const handover::v1::Numbers& numbers, std::vector<UniqueFd> listeners);
  // Errors: FAILED_PRECONDITION when a connection came in by a listener that this configuration
  // lacks: a reload drops nobody. INVALID_ARGUMENT, and of the loop's watches.
  absl::Status AdoptConnections(const handover::v1::Connections& connections,
                                std::vector<UniqueFd> sockets);

  // The handover is final: the guests are this process's.
  void Own();
  // The guests are another process's. Lets go of all, and removes no file.
  void GiveAway();

 private:
  void SaveClass(ServedClass* served, handover::v1::ClassNumbers* saved) const;
  void AdoptClass(const handover::v1::ClassNumbers& saved, ServedClass* served);
  void SaveAccounts(handover::v1::Numbers* numbers) const;
  void SaveGuests(handover::v1::Numbers* numbers) const;
  void AdoptGuests(const handover::v1::Numbers& numbers);
  void AdoptFeeds(const handover::v1::Numbers& numbers);
  // nullptr = not one of this process's.
  ServedClass* Named(const std::string& class_name) const;

  const Parts parts_;
  // Of each listener that was handed over, where its connections belong; nullopt = nowhere.
  std::vector<absl::optional<Endpoints::Id>> adopted_;
};

}  // namespace entropyd
