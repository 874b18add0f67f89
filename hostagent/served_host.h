// All that serves the guests of one host, put together: the objects in the order of their
// construction, and how they are joined. Each object's own header says what it does.
//
//   auto host = ServedHost::Create(settings, &loop, &arena, &log, &metrics).value();
//   loop.SetAfterTurn([&] { host->Serve(); });
//   if (auto status = host->Listen(); !status.ok()) return status;
//
// Errors: of Create(), Listen() and StartIdentities(); see there.
//
// Thread safety: none; belongs to the event loop's thread.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/crypto/secret_bytes.h"
#include "base/telemetry/log.h"
#include "hostagent/agent_config.h"
#include "hostagent/agent_metrics.h"
#include "hostagent/control/status.h"
#include "hostagent/endpoint/endpoints.h"
#include "hostagent/feed/feeds.h"
#include "hostagent/guest/connections.h"
#include "hostagent/guest/guest_accounts.h"
#include "hostagent/handover/saved_state.h"
#include "hostagent/identity/class_assignment.h"
#include "hostagent/identity/identity_thread.h"
#include "hostagent/loop/timer.h"
#include "hostagent/serving/clone_guard.h"
#include "hostagent/serving/served_class.h"

namespace entropyd {

class ServedHost {
 public:
  // All pointers outlive the host. Errors: RESOURCE_EXHAUSTED (arena), INTERNAL (a DRBG that fails
  // its known answers must not serve anybody).
  static absl::StatusOr<std::unique_ptr<ServedHost>> Create(const AgentSettings& settings,
                                                            EventLoop* loop, SecretArena* arena,
                                                            Log* log, AgentMetrics* metrics);
  // The address space of an arena that holds all that these settings may ever need.
  static size_t ArenaBytes(const AgentSettings& settings);

  // Opens every endpoint and feed, or none. Those that may come later are tried again by Tick():
  // Endpoints::OpenOrWait(), Feeds::OpenOrWait().
  absl::Status Listen();
  // Removes the socket files. Pipes stay.
  void StopListening();

  // Begins to find out who guests are, if one of the listeners of `settings` wants to know.
  // `libvirt_dir`: where libvirt's status files are. Errors: of IdentityThread::Start().
  absl::Status StartIdentities(const AgentSettings& settings, const std::string& libvirt_dir);
  // Nobody is asked any more.
  void StopIdentities();

  // From now on all bytes leave through `guard`.
  void SetCloneGuard(std::unique_ptr<CloneGuard> guard);

  // Call it after each turn's events.
  void Serve();
  // Call it about once a second: bytes age, and rates are measured.
  void Tick();

  // Closes the socket and its connections. Errors: NOT_FOUND.
  absl::StatusOr<config::v1::GuestSocket> RemoveGuestSocket(const std::string& name);

  std::vector<ServedClass*> classes() const;
  // The same classes as upstream sees them, in the same order.
  std::vector<FilledClass*> filled() const;
  Endpoints* endpoints() const { return endpoints_.get(); }
  Connections* connections() const { return connections_.get(); }
  ClassAssignment* assignment() { return &assignment_; }
  SavedState* state() { return &*state_; }
  const AgentStatus& status() const { return *status_; }

 private:
  ServedHost(const AgentSettings& settings, EventLoop* loop, Log* log, AgentMetrics* metrics);
  void LookForLost();
  void CountWaiting();
  void EndTurn();
  absl::Status MakeClasses(const AgentSettings& settings, SecretArena* arena, Log* log,
                           AgentMetrics* metrics);
  void PutTogether(const AgentSettings& settings, AgentMetrics* metrics);

  EventLoop* const loop_;
  Log* const log_;
  AgentMetrics* const metrics_;
  // nullptr = bytes leave as they came.
  std::unique_ptr<CloneGuard> guard_;
  // Of these all classes know.
  uint64_t resumes_ = 0;
  // In the order of construction: each may use those before it.
  std::vector<std::unique_ptr<ServedClass>> classes_;
  GuestAccounts accounts_;
  ClassAssignment assignment_;
  std::unique_ptr<Endpoints> endpoints_;
  std::unique_ptr<Connections> connections_;
  std::unique_ptr<Feeds> feeds_;
  Feeds::Options feeds_wanted_;
  absl::optional<SavedState> state_;
  absl::optional<AgentStatus> status_;
  // Starts a turn, which serves.
  Timer next_;
  // Goes on with LookForLost().
  Timer look_;
  int64_t rated_at_;
  // nullptr = nobody asks. Its thread ends first.
  std::unique_ptr<IdentityThread> identities_;
  // What its thread has posted asks whether somebody still wants it.
  std::shared_ptr<const bool> news_wanted_;
};

}  // namespace entropyd
