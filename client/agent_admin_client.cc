#include "client/agent_admin_client.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "client/blocking_call.h"
#include "client/grpc_channel.h"
#include "grpcpp/channel.h"
#include "proto/agent_admin.grpc.pb.h"

namespace entropyd {
namespace {

class AgentAdminClientImpl final : public AgentAdminClient {
 public:
  AgentAdminClientImpl(const std::string& control_socket, absl::Duration timeout,
                       SlowCall::Tell slow)
      : what_(absl::StrCat("the agent at ", control_socket)),
        timeout_(timeout),
        slow_(std::move(slow)),
        stub_(v1::AgentAdmin::NewStub(MakeUnixChannel(control_socket))) {}

  absl::StatusOr<v1::GetStatusResponse> GetStatus() override {
    return BlockingCall(stub_.get(), &v1::AgentAdmin::Stub::GetStatus, v1::GetStatusRequest(),
                        timeout_, "get status", " of " + what_, slow_, what_);
  }
  absl::StatusOr<v1::ListGuestsResponse> ListGuests() override {
    return BlockingCall(stub_.get(), &v1::AgentAdmin::Stub::ListGuests, v1::ListGuestsRequest(),
                        timeout_, "list guests", " of " + what_, slow_, what_);
  }

  absl::StatusOr<v1::AddGuestResponse> AddGuest(const v1::AddGuestRequest& request) override {
    return BlockingCall(stub_.get(), &v1::AgentAdmin::Stub::AddGuest, request, timeout_,
                        "add guest", " to " + what_, slow_, what_);
  }
  absl::StatusOr<v1::RemoveGuestResponse> RemoveGuest(
      const v1::RemoveGuestRequest& request) override {
    return BlockingCall(stub_.get(), &v1::AgentAdmin::Stub::RemoveGuest, request, timeout_,
                        "remove guest", " from " + what_, slow_, what_);
  }

  absl::StatusOr<v1::UpgradeResponse> Upgrade() override {
    return BlockingCall(stub_.get(), &v1::AgentAdmin::Stub::Upgrade, v1::UpgradeRequest(),
                        kUpgradeTimeout, "upgrade", " " + what_, slow_, what_);
  }

  absl::StatusOr<v1::ReloadResponse> Reload() override {
    return BlockingCall(stub_.get(), &v1::AgentAdmin::Stub::Reload, v1::ReloadRequest(),
                        kUpgradeTimeout, "reload", " " + what_, slow_, what_);
  }

 private:
  const std::string what_;
  const absl::Duration timeout_;
  const SlowCall::Tell slow_;
  const std::unique_ptr<v1::AgentAdmin::Stub> stub_;
};

}  // namespace

std::unique_ptr<AgentAdminClient> AgentAdminClient::Create(const std::string& control_socket,
                                                           absl::Duration timeout,
                                                           SlowCall::Tell slow) {
  return std::make_unique<AgentAdminClientImpl>(control_socket, timeout, std::move(slow));
}

}  // namespace entropyd
