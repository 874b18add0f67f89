// The connections of an agent. It accepts them up to a limit, gives them ids and has their guests
// identified. Then it moves them to the class of their guest, and again when a server refuses that
// class or serves it again. It destroys closed connections when nobody refers to them any more.
//
//   auto connections = Connections::Create(parts, /*most=*/10'000, /*most_of_guest=*/16).value();
//   connections->Accept(endpoint, std::move(socket));
//   connections->OnIdentities(news);
//   connections->DestroyClosed();   // after each turn's events, when the classes were served
//
// Errors: of Create() and Adopt(). What goes wrong with one connection is counted and logged.
//
// Thread safety: none; belongs to the event loop's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/crypto/secret_bytes.h"
#include "base/process/fd.h"
#include "base/telemetry/log.h"
#include "hostagent/endpoint/endpoints.h"
#include "hostagent/guest/connection.h"
#include "hostagent/guest/guest_accounts.h"
#include "hostagent/guest/guest_key.h"
#include "hostagent/guest/guests.h"
#include "hostagent/identity/class_assignment.h"
#include "hostagent/loop/event_loop.h"
#include "hostagent/loop/loop_number.h"
#include "hostagent/serving/served_class.h"
#include "proto/agent_handover.pb.h"

namespace entropyd {

struct ConnectionCounters {
  // Connections beyond the limit.
  LoopNumber refused;
  // Out of descriptors or memory.
  LoopNumber accept_failures;
  // Guests for whom no answer came in time.
  LoopNumber identity_timeouts;
  // Closed because their peer could not be identified.
  LoopNumber unidentified_refused;
  // Closed because their guest had as many connections as a guest may have.
  LoopNumber crowded;
};

class Connections final : public RefusalWatcher {
 public:
  // All outlive the connections. The loop does not turn any more when they have ended.
  struct Parts {
    std::vector<ServedClass*> classes;
    const Endpoints* endpoints = nullptr;
    ClassAssignment* assignment = nullptr;
    GuestAccounts* accounts = nullptr;
    ConnectionCounters* counters = nullptr;
    EventLoop* loop = nullptr;
    SecretArena* arena = nullptr;
    Log* log = nullptr;
  };
  // `most`: connections of all guests; `most_of_guest`: of one.
  // Errors: RESOURCE_EXHAUSTED (arena).
  static absl::StatusOr<std::unique_ptr<Connections>> Create(const Parts& parts, size_t most,
                                                             size_t most_of_guest);
  // What it uses of an arena: the staging area, and for each connection what a full socket may
  // leave behind.
  static size_t ArenaBytes(size_t most) { return (most + 1) * Connection::kStagingBytes; }
  ~Connections() override;

  // Takes a new connection. Closes it when there are `most` already, or its guest is at its limit.
  void Accept(Endpoints::Id endpoint, UniqueFd socket);
  // Counts and logs it: connections wait in the backlog, or one could not be served.
  void AcceptFailed(const absl::Status& why);
  // Takes a connection that another process had. Errors: INVALID_ARGUMENT (the saved state is
  // impossible), of the loop's watches.
  absl::Status Adopt(const handover::v1::Connection& saved, Endpoints::Id endpoint,
                     UniqueFd socket);

  // Closes the connections that came in there.
  void CloseFrom(Endpoints::Id endpoint, absl::string_view reason);
  void CloseAll(absl::string_view reason);
  // REQUIRES: the classes have been served since the connections closed.
  void DestroyClosed() { closed_.clear(); }

  // Takes answers and changes, in any order and as late as they come.
  void OnIdentities(const std::vector<IdentityNews>& news);
  // Asks for all guests again: something may have changed while nobody watched. Begins with those
  // who are held, and their time begins again.
  void AskAgain();
  // Guests that ask for the class are assigned again.
  void OnServerSaid(const ServedClass& served, const std::string& why) override;

  // By id.
  const std::map<uint64_t, std::unique_ptr<Connection>>& all() const { return all_; }
  size_t size() const { return all_.size(); }
  // The connections that came in there.
  uint32_t count(Endpoints::Id endpoint) const;
  // Some peer has not read its replies yet.
  bool undelivered() const;
  void MeasureRates(double seconds);
  // Call it about once a second: guests that left a while ago are forgotten.
  void ForgetGuests(int64_t now_nanos) { guests_.Tick(now_nanos); }
  Guests* guests() { return &guests_; }

  // An id for a feed, which is listed among connections.
  uint64_t TakeId() { return next_id_++; }
  uint64_t next_id() const { return next_id_; }
  // Smaller ids are another process's.
  void SkipIdsTo(uint64_t next);

  // Shared with feeds.
  ConnectionHost* host() { return &host_; }

 private:
  Connections(const Parts& parts, size_t most, size_t most_of_guest, SecretBytes staging);
  // False when there are `most`. Logs that from time to time.
  bool HasRoom(Endpoints::Id endpoint);
  // False when the guest has too many for one more. Logs that from time to time.
  bool HasRoomFor(const GuestKey& guest, const Peer& peer, Endpoints::Id endpoint);
  // Logs once for each endpoint that its peers cannot be seen.
  void TellUnseen(Endpoints::Id endpoint, const Peer& peer);
  Connection* Add(std::unique_ptr<Connection> connection);
  void Closed(Connection* connection);
  void Ask(const Connection& connection);
  void OnAnswer(const IdentityNews& answer);
  void Identify(Connection* connection, const IdentityNews& answer);
  void PutInClass(Connection* connection, ServedClass* to);
  // No answer has come in time, unless one was on its way to the loop.
  void HoldEnded(uint64_t id);
  void Unidentified(Connection* connection);
  // The class of those that come in there, unless metadata says otherwise.
  ServedClass* ClassOf(Endpoints::Id endpoint) const {
    return parts_.classes[parts_.endpoints->settings(endpoint).class_index];
  }
  // Where that guest is served from now on (ClassAssignment::ClassFor).
  ServedClass* ClassFor(const Connection& connection, const GuestIdentity& identity);
  // REQUIRES: the agent has that class.
  ServedClass* Named(const std::string& class_name) const;

  const Parts parts_;
  const size_t most_;
  SecretBytes staging_;
  std::vector<uint8_t> input_;
  std::vector<StagedReply> replies_;
  ConnectionHost host_;
  Guests guests_;
  std::map<uint64_t, std::unique_ptr<Connection>> all_;
  std::map<Endpoints::Id, uint32_t> counts_;
  std::vector<std::unique_ptr<Connection>> closed_;
  std::set<Endpoints::Id> unseen_told_;
  uint64_t next_id_ = 1;
};

}  // namespace entropyd
