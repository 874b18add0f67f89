// Asks the demo's server and agent how they are.
//
// Thread safety: belongs to one thread.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "client/admin_client.h"
#include "client/agent_admin_client.h"
#include "client/demo/demo_plan.h"
#include "client/demo/demo_view.h"

namespace entropyd {

class DemoWatch {
 public:
  // Errors: those of reading DIR/client.yaml and its certificate.
  static absl::StatusOr<std::unique_ptr<DemoWatch>> Create(const DemoPaths& paths);

  // Who does not answer in time is absent from the snapshot.
  DemoSnapshot Look();

 private:
  DemoWatch(std::unique_ptr<AdminClient> admin, std::unique_ptr<AgentAdminClient> agent)
      : admin_(std::move(admin)), agent_(std::move(agent)) {}

  const std::unique_ptr<AdminClient> admin_;
  const std::unique_ptr<AgentAdminClient> agent_;
};

}  // namespace entropyd
