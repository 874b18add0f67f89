// Calls Admin of a server; each function is one blocking call. The certificate must have the role
// `operator`.
//
//   auto admin = AdminClient::Create(config.server(), config.tls(), absl::Now());
//   auto pools = (*admin)->ListPools();
//
// Errors: of every call UNAVAILABLE (nobody answers), PERMISSION_DENIED (role), DEADLINE_EXCEEDED.
// Each names the call and the server. proto/admin.proto lists what else each call may say.
//
// Thread safety: safe.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/slow_call.h"
#include "proto/admin.pb.h"
#include "proto/agent_config.pb.h"

namespace entropyd {

class AdminClient {
 public:
  // An operator waits at a screen: after this time an error is more useful.
  static constexpr absl::Duration kDefaultTimeout = absl::Seconds(10);
  // The slowest source (1 KiB/s, 8-byte words) needs 8 s for its start-up tests.
  static constexpr absl::Duration kTestTimeout = absl::Seconds(60);

  // Does not connect yet. Errors: those of MakeChannel (client/grpc_channel.h).
  static absl::StatusOr<std::unique_ptr<AdminClient>> Create(
      const std::string& server, const config::v1::ClientTls& tls, absl::Time now,
      absl::Duration timeout = kDefaultTimeout, SlowCall::Tell slow = nullptr);
  virtual ~AdminClient() = default;

  virtual absl::StatusOr<v1::ListSourcesResponse> ListSources() = 0;
  virtual absl::StatusOr<v1::ListPoolsResponse> ListPools() = 0;
  // Both wait for the start-up tests of the source, up to kTestTimeout.
  virtual absl::StatusOr<v1::TestSourceResponse> TestSource(const std::string& name) = 0;
  virtual absl::StatusOr<v1::ResetSourceResponse> ResetSource(const std::string& name) = 0;
  // Gives the samples to `take` as they come, in order and without a time limit. The recording ends
  // when `take` returns false.
  virtual absl::Status RecordSource(
      const v1::RecordSourceRequest& request,
      const std::function<bool(const std::string& samples)>& take) = 0;
  virtual absl::StatusOr<v1::SelfTestResponse> SelfTest() = 0;
  // `pool` empty = all pools.
  virtual absl::StatusOr<v1::ListClassesResponse> ListClasses(const std::string& pool) = 0;
  virtual absl::StatusOr<v1::SetClassResponse> SetClass(const v1::SetClassRequest& request) = 0;
  virtual absl::StatusOr<v1::ResetClassResponse> ResetClass(
      const v1::ResetClassRequest& request) = 0;
  virtual absl::StatusOr<v1::ListClassDifferencesResponse> ListClassDifferences() = 0;
  virtual absl::StatusOr<v1::ListAgentsResponse> ListAgents() = 0;
  virtual absl::StatusOr<v1::DrainResponse> Drain(const v1::DrainRequest& request) = 0;
  virtual absl::StatusOr<v1::ReloadServerResponse> Reload() = 0;
};

}  // namespace entropyd
