// AgentAdmin over a host agent's control socket, one blocking call each.
//
// Errors of every call: UNAVAILABLE (no agent there, or the socket's mode forbids),
// DEADLINE_EXCEEDED, each naming call and socket.
//
// Thread safety: safe.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "proto/agent_admin.pb.h"

namespace entropyd {

class AgentAdminClient {
 public:
  // The agent answers from its event loop within milliseconds.
  static constexpr absl::Duration kDefaultTimeout = absl::Seconds(5);
  // The agent gives its successor a minute.
  static constexpr absl::Duration kUpgradeTimeout = absl::Seconds(75);

  // Does not connect yet.
  static std::unique_ptr<AgentAdminClient> Create(const std::string& control_socket,
                                                  absl::Duration timeout = kDefaultTimeout);
  virtual ~AgentAdminClient() = default;

  virtual absl::StatusOr<v1::GetStatusResponse> GetStatus() = 0;
  virtual absl::StatusOr<v1::ListGuestsResponse> ListGuests() = 0;
  // A socket for one guest. Errors: also the agent's, each with the remedy.
  virtual absl::StatusOr<v1::AddGuestResponse> AddGuest(const v1::AddGuestRequest& request) = 0;
  virtual absl::StatusOr<v1::RemoveGuestResponse> RemoveGuest(
      const v1::RemoveGuestRequest& request) = 0;
  // Waits for the outcome. Errors: also the agent's reason why its successor did not take over.
  virtual absl::StatusOr<v1::UpgradeResponse> Upgrade() = 0;
  // The same for a new configuration.
  virtual absl::StatusOr<v1::ReloadResponse> Reload() = 0;
};

}  // namespace entropyd
