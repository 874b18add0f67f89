// Everything between the class buffers and the guests: listeners, connections, feeds, and one
// FairQueue per class. It knows nothing of servers: whoever fills the buffers calls OnArrival().
//
//   auto service = GuestService::Create(settings, &loop, &arena, &log, &metrics).value();
//   service->SetDemandChanged([&](size_t c) { upstream->Kick(c); });
//   loop.SetAfterBatch([&] { service->ServeClasses(); });
//   service->Listen();
//
// Thread safety: none; belongs to the event loop's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/crypto/secret_bytes.h"
#include "base/process/log.h"
#include "hostagent/agent_config.h"
#include "hostagent/agent_metrics.h"
#include "hostagent/endpoint/listener.h"
#include "hostagent/feed/feed.h"
#include "hostagent/guest/connection.h"
#include "hostagent/guest/guest_accounts.h"
#include "hostagent/identity/identity_thread.h"
#include "hostagent/loop/event_loop.h"
#include "hostagent/serving/class_buffer.h"
#include "hostagent/serving/fair_queue.h"
#include "hostagent/serving/local_fallback.h"
#include "proto/agent_admin.pb.h"
#include "proto/guest_state.pb.h"

namespace entropyd {

class GuestService {
 public:
  // All outlive the service. Errors: RESOURCE_EXHAUSTED (arena).
  static absl::StatusOr<std::unique_ptr<GuestService>> Create(const AgentSettings& settings,
                                                              EventLoop* loop, SecretArena* arena,
                                                              Log* log, AgentMetrics* metrics);
  ~GuestService();

  // Address space for an arena that holds what these settings may ever need.
  static size_t ArenaBytes(const AgentSettings& settings);

  // Called from ServeClasses() when guests or what they wait for, or the level, has changed, and
  // either the buffer may want more or the number of guests is another.
  void SetDemandChanged(std::function<void(size_t class_index)> changed) {
    demand_changed_ = std::move(changed);
  }
  std::vector<ClassBuffer*> buffers() const;            // in the order of settings.classes
  std::vector<LocalFallback*> local_fallbacks() const;  // the same ones

  // REQUIRES: before Listen(). Listening sockets that the process manager made: each serves the
  // listener of its path, and its file stays the manager's. Errors: INVALID_ARGUMENT when no
  // listener has that path; of Listener::Adopt.
  absl::Status Inherit(std::vector<UniqueFd> sockets);
  // Opens every configured listener and feed, or none, and the listeners of single guests.
  absl::Status Listen();
  void StopListening();  // unlinks the sockets; pipes stay

  // Who tells which guests the peers of listeners with `identify` are; nullptr = nobody is asked.
  // Outlives the service, or is taken away again.
  void SetIdentifier(Identifier* identifier) { identifier_ = identifier; }
  // Answers and changes, in any order and as late as they come.
  void OnIdentities(const std::vector<IdentityNews>& news);

  // --- sockets for single guests: guest_service_sockets.cc ---
  // Those of an earlier process; before Listen() or AdoptNumbers(). One whose class is gone is
  // served in the first listener's.
  void RestoreGuestSockets(const config::v1::GuestState& state);
  // Opens a socket; what `asked` leaves out is filled in: the first listener's class and group,
  // mode 0660, guest_socket_dir/NAME.sock. Errors: INVALID_ARGUMENT, ALREADY_EXISTS (name or path),
  // NOT_FOUND (class, group), RESOURCE_EXHAUSTED, those of Listener.
  absl::StatusOr<config::v1::GuestSocket> AddGuestSocket(const config::v1::GuestSocket& asked);
  // Closes the socket and its connections. Errors: NOT_FOUND.
  absl::StatusOr<config::v1::GuestSocket> RemoveGuestSocket(const std::string& name);
  config::v1::GuestState GuestSockets() const;

  // Whoever fills a class's buffer says that it will not, and `why`; empty = it does. Meanwhile
  // guests whose metadata asks for that class are served in their listener's.
  void SetRefused(size_t class_index, absl::string_view why);

  void OnArrival(size_t class_index) { classes_[class_index]->due = true; }
  void ServeClasses();  // after each batch of events
  void Tick();          // about once a second: bytes age, targets shrink

  // --- handover: guest_service_handover.cc ---
  // Messages bear so many connections at most. The kernel passes 253 descriptors (SCM_MAX_FD).
  static constexpr int kBatch = 200;

  // What the classes need: for a successor that fills its buffers before it takes the guests.
  void SaveDemand(handover::v1::Offer* offer) const;
  // The other side of it: the buffers are filled as if the guests were here, until they are.
  void Expect(const handover::v1::Offer& offer);
  bool Filled() const;  // every buffer is above low water for what is expected

  // Everything but entropy. The service stays as it is; descriptors are lent.
  void SaveNumbers(handover::v1::Numbers* numbers, std::vector<int>* listeners) const;
  // Stops at the first error of `send`, and returns it.
  absl::Status SaveConnections(
      absl::FunctionRef<absl::Status(const handover::v1::Connections&, const std::vector<int>&)>
          send) const;

  // REQUIRES: not yet listening. Takes over listeners and counters, opens those listeners that only
  // this configuration has, and finds places for the connections to come. Nobody is read from,
  // written to or accepted before the loop turns, and no socket file is this process's before
  // Own(), nor has any pipe been written to. A listener that this configuration lacks is closed by
  // Own(). Errors: those of Listener.
  absl::Status AdoptNumbers(const handover::v1::Numbers& numbers, std::vector<UniqueFd> listeners);
  // Errors: FAILED_PRECONDITION when a connection came in by a listener that this configuration
  // lacks: reconfiguring drops nobody. INVALID_ARGUMENT, and of the loop's watches.
  absl::Status AdoptConnections(const handover::v1::Connections& connections,
                                std::vector<UniqueFd> sockets);
  void Own();       // the handover is final: the socket files are this process's
  void GiveAway();  // ... or another's: lets go of all, removes no file

  // A new connection on a listener. Closes it when there are max_guests already.
  void Accept(size_t listener, UniqueFd socket);

  size_t guests() const { return guests_.size(); }
  bool undelivered() const;  // somebody has replies that he has not read yet

  // Adds the listeners, and one entry per class with all but what Upstream knows.
  void FillStatus(v1::GetStatusResponse* status) const;
  void FillGuests(v1::ListGuestsResponse* response) const;
  std::vector<GuestSeries> Series() const;  // every guest once, however many connections it has

 private:
  struct ServedClass {
    std::unique_ptr<LocalFallback> buffer;
    std::unique_ptr<FairQueue> tree;
    ClassCounters* counters = nullptr;
    std::vector<int64_t> completed;
    std::vector<Connection*> completed_by;
    uint64_t throttled_before = 0;  // by an earlier process
    double rate = 0;                // bytes/s delivered, an average over a few seconds
    uint64_t rated_bytes = 0;
    bool due = false;          // serve it although no guest was touched
    uint32_t guests_told = 0;  // by demand_changed_
    uint32_t waiting_told = 0;
    uint32_t expected_guests = 0;  // see Expect()
    uint64_t expected_bytes = 0;
    EventLoop::TimerId timer = EventLoop::kNoTimer;  // the next guest's ceiling
    std::string refused;                             // see SetRefused()
  };

  GuestService(const AgentSettings& settings, EventLoop* loop, SecretArena* arena, Log* log,
               AgentMetrics* metrics, SecretBytes staging);
  Listener::Accept AcceptOn(size_t listener);
  absl::Status OpenListeners();
  absl::Status OpenListener(size_t listener);
  void Serve(size_t class_index);
  void ObserveWaits(ServedClass* c);
  void ScheduleCeiling(size_t class_index);
  void Closed(Connection* guest);
  static GuestAccounts::Key KeyOf(const Connection& guest);
  void MeasureRates();
  GuestClass ClassOf(size_t class_index);
  std::unique_ptr<Connection> MakeGuest(Connection::Options options, UniqueFd socket,
                                        size_t class_index);

  // guest_service_sockets.cc
  absl::StatusOr<size_t> ClassNamed(const std::string& name) const;
  config::v1::GuestSocket Complete(config::v1::GuestSocket socket) const;
  size_t PlaceSocket(const config::v1::GuestSocket& socket, size_t class_index);
  void VacateSocket(const std::string& name);

  // guest_service_feeds.cc
  absl::Status OpenFeeds();  // gives nothing to anybody yet
  absl::Status StartFeed(Feed* feed);
  static GuestAccounts::Key KeyOf(const Feed& feed);

  // guest_service_identity.cc
  bool Identifies(size_t listener) const;
  void Ask(const Connection& guest, PeerPin pin);
  void AskAgain(const Connection& guest);
  void OnAnswer(const IdentityNews& answer);
  void PutInClass(Connection* guest, size_t target);
  size_t ClassFor(const Connection& guest, const GuestIdentity& identity);
  size_t ClassAt(size_t listener, const std::string& asked) const;
  std::string ClassRefused(const Connection& guest) const;
  void Unidentified(Connection* guest);
  void ComplainOfClass(const Connection& guest, const GuestIdentity& identity);
  void AcceptFailed(const absl::Status& why);
  absl::Status AdoptListener(const std::string& path, UniqueFd socket);

  AgentSettings settings_;  // constant but for listeners of single guests; an empty path = vacant
  std::map<std::string, config::v1::GuestSocket> guest_sockets_;  // by name
  EventLoop* const loop_;
  Log* const log_;
  AgentMetrics* const metrics_;
  SecretBytes staging_;
  std::vector<uint8_t> input_;
  ConnectionHost host_;
  std::function<void(size_t)> demand_changed_;
  Identifier* identifier_ = nullptr;
  GuestAccounts accounts_;
  int64_t rated_at_;
  std::map<std::string, std::string> bad_classes_;  // by guest: the class complained of last
  std::vector<std::unique_ptr<ServedClass>> classes_;
  std::vector<std::unique_ptr<Listener>> listeners_;  // as settings_.listeners
  static constexpr size_t kDropped = SIZE_MAX;
  std::vector<size_t> adopted_listeners_;           // index there of each that was handed over
  std::vector<std::unique_ptr<Listener>> dropped_;  // ... but is not wanted any more
  std::set<std::string> activated_;                 // paths whose files are the process manager's
  std::vector<std::unique_ptr<Feed>> feeds_;
  std::vector<EgdSession::Reply> replies_;
  std::vector<uint32_t> connections_;                       // by listener
  std::map<uint64_t, std::unique_ptr<Connection>> guests_;  // by id
  std::vector<std::unique_ptr<Connection>> closed_;         // to be destroyed after the batch
  uint64_t next_guest_ = 1;
  int64_t refusal_logged_at_;
};

}  // namespace entropyd
