// The processes behind `entropyctl demo`: a server and an agent that know only one another.
//
// Thread safety: belongs to the thread that started it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/demo/demo_plan.h"
#include "client/process/child_process.h"

namespace entropyd {

class DemoStack {
 public:
  // Makes certificates, writes the configuration files, starts both daemons and waits until they
  // say that they are ready. `cancelled` is asked meanwhile.
  // Errors: NOT_FOUND (a program is missing), INTERNAL (one died: with its last words),
  // DEADLINE_EXCEEDED, CANCELLED.
  static absl::StatusOr<std::unique_ptr<DemoStack>> Start(const DemoPaths& paths,
                                                          const DemoSources& sources,
                                                          const std::function<bool()>& cancelled);

  uint16_t server_grpc_port() const { return server_grpc_port_; }
  uint16_t server_http_port() const { return server_http_port_; }
  uint16_t agent_http_port() const { return agent_http_port_; }

  // INTERNAL with its last messages when one of the daemons has ended.
  absl::Status Check();
  // The last messages of both daemons, for the end of an error.
  std::string LastWords() const;
  // Agent first, so that it does not mourn its server. INTERNAL when one did not end as it should.
  absl::Status Stop();

 private:
  struct Daemon {
    const char* program;
    std::string log;
    std::unique_ptr<ChildProcess> child;
  };

  explicit DemoStack(const DemoPaths& paths)
      : server_{"entropyd", paths.server_log, nullptr},
        agent_{"entropyd-hostagent", paths.agent_log, nullptr} {}

  // Starts one with --config and --ports-file, and gives the text of the latter.
  absl::StatusOr<std::string> StartDaemon(Daemon& daemon, const std::string& config,
                                          const std::string& ports,
                                          const std::function<bool()>& cancelled);
  static absl::Status CheckDaemon(Daemon& daemon);
  static std::string LastWordsOf(const Daemon& daemon);

  Daemon server_;
  Daemon agent_;
  uint16_t server_grpc_port_ = 0;
  uint16_t server_http_port_ = 0;
  uint16_t agent_http_port_ = 0;
};

}  // namespace entropyd
