// All that serves the guests of one host, put together: the objects in the order of their
// construction, and what ties them to each other. What each of them does stands in its own header.
//
//   auto host = ServedHost::Create(settings, &loop, &arena, &log, &metrics).value();
//   loop.SetAfterBatch([&] { host->Serve([&](size_t i) { upstream->Kick(i); }); });
//   if (auto status = host->Listen(); !status.ok()) return status;
//
// Thread safety: none; belongs to the event loop's thread.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/crypto/secret_bytes.h"
#include "base/process/log.h"
#include "hostagent/agent_config.h"
#include "hostagent/agent_metrics.h"
#include "hostagent/control/status.h"
#include "hostagent/endpoint/endpoints.h"
#include "hostagent/feed/feeds.h"
#include "hostagent/guest/connections.h"
#include "hostagent/guest/guest_accounts.h"
#include "hostagent/handover/saved_state.h"
#include "hostagent/identity/class_assignment.h"
#include "hostagent/loop/timer.h"
#include "hostagent/serving/served_class.h"
#include "hostagent/serving/upstream_state.h"

namespace entropyd {

class ServedHost {
 public:
  // All outlive the host. Errors: RESOURCE_EXHAUSTED (arena), INTERNAL (a DRBG that fails its
  // known answers is not to serve anybody).
  static absl::StatusOr<std::unique_ptr<ServedHost>> Create(const AgentSettings& settings,
                                                            EventLoop* loop, SecretArena* arena,
                                                            Log* log, AgentMetrics* metrics);
  // Address space for an arena that holds what these settings may ever need.
  static size_t ArenaBytes(const AgentSettings& settings);

  absl::Status Listen();  // opens every endpoint and feed, or none
  void StopListening();   // socket files go, pipes stay

  // After each batch of events. `credit_due(i)`: the buffer of that class may want more, or another
  // number of guests is there.
  void Serve(absl::FunctionRef<void(size_t class_index)> credit_due);
  void Tick();  // about once a second: bytes age, rates are measured

  // What upstream is to a class has changed: also for guests that ask for it.
  void OnUpstream(size_t class_index, const UpstreamState& state);
  // Closes the socket and its connections. Errors: NOT_FOUND.
  absl::StatusOr<config::v1::GuestSocket> RemoveGuestSocket(const std::string& name);

  ServedClass* of_class(size_t index) { return classes_[index].get(); }
  std::vector<ServedClass*> classes() const;
  std::vector<ClassBuffer*> buffers() const;  // of the classes
  Endpoints* endpoints() const { return endpoints_.get(); }
  Connections* connections() const { return connections_.get(); }
  ClassAssignment* assignment() { return &assignment_; }
  SavedState* state() { return &*state_; }
  const AgentStatus& status() const { return *status_; }

 private:
  ServedHost(const AgentSettings& settings, EventLoop* loop, Log* log, AgentMetrics* metrics);
  absl::Status MakeClasses(const AgentSettings& settings, SecretArena* arena, Log* log,
                           AgentMetrics* metrics);
  void PutTogether(const AgentSettings& settings, AgentMetrics* metrics);

  EventLoop* const loop_;
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
  Timer next_;  // its batch serves
  int64_t rated_at_;
};

}  // namespace entropyd
