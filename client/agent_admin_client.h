// Calls AgentAdmin on the control socket of a host agent; each function is one blocking call.
//
//   auto agent = AgentAdminClient::Create("/run/entropyd/agent.sock");
//   auto status = agent->GetStatus();
//
// Errors: of every call UNAVAILABLE (no agent there, or the mode of the socket forbids it),
// DEADLINE_EXCEEDED. Each names the call and the socket.
//
// Thread safety: safe.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/slow_call.h"
#include "proto/agent_admin.pb.h"

namespace entropyd {

class AgentAdminClient {
 public:
  // The agent answers from its event loop within milliseconds.
  static constexpr absl::Duration kDefaultTimeout = absl::Seconds(5);
  // The agent gives its successor a minute to take over.
  static constexpr absl::Duration kUpgradeTimeout = absl::Seconds(75);

  // Does not connect yet.
  static std::unique_ptr<AgentAdminClient> Create(const std::string& control_socket,
                                                  absl::Duration timeout = kDefaultTimeout,
                                                  SlowCall::Tell slow = nullptr);
  virtual ~AgentAdminClient() = default;

  virtual absl::StatusOr<v1::GetStatusResponse> GetStatus() = 0;
  virtual absl::StatusOr<v1::ListGuestsResponse> ListGuests() = 0;
  // Makes a socket for one guest. Errors: also those of the agent, each with the remedy.
  virtual absl::StatusOr<v1::AddGuestResponse> AddGuest(const v1::AddGuestRequest& request) = 0;
  virtual absl::StatusOr<v1::RemoveGuestResponse> RemoveGuest(
      const v1::RemoveGuestRequest& request) = 0;
  // Starts the program of the agent again and waits for the outcome. Errors: also the reason why
  // the successor did not take over.
  virtual absl::StatusOr<v1::UpgradeResponse> Upgrade() = 0;
  // The same, with the program that runs and a new configuration.
  virtual absl::StatusOr<v1::ReloadResponse> Reload() = 0;
};

}  // namespace entropyd
