// The agent's control socket: gRPC AgentAdmin for root on this host (mode 0600).
//
//   auto server = ControlServer::Start(path, state_dir, &loop, agent).value();
//
// A call posts a request to the event loop and waits for its snapshot. So it shares no lock with
// the loop.
//
// Errors: of Start().
//
// Thread safety: none; belongs to the event loop's thread. Calls are answered on gRPC's threads.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/optional.h"
#include "base/telemetry/log.h"
#include "hostagent/loop/event_loop.h"
#include "proto/agent_admin.pb.h"
#include "proto/guest_state.pb.h"

namespace entropyd {

class ControlServer {
 public:
  // What a call asks for. It runs on the event loop's thread.
  class Subject {
   public:
    virtual void FillStatus(v1::GetStatusResponse* status) const = 0;
    virtual void FillGuests(v1::ListGuestsResponse* guests) const = 0;
    // `group` is the number of its group, if it names one.
    virtual absl::StatusOr<config::v1::GuestSocket> AddGuestSocket(
        const config::v1::GuestSocket& asked, absl::optional<gid_t> group) = 0;
    virtual absl::StatusOr<config::v1::GuestSocket> RemoveGuestSocket(const std::string& name) = 0;
    virtual config::v1::GuestState GuestSockets() const = 0;
    // Called once: with the successor's version when it has the guests, or with the reason why not.
    using Upgraded = std::function<void(const absl::Status& status, const std::string& version)>;
    virtual void Upgrade(Upgraded done) = 0;
    virtual void Reload(Upgraded done) = 0;
    virtual std::string ConfigPath() const = 0;
    // What the last Reload() has changed, if it succeeded.
    virtual std::vector<std::string> ReloadChanges() const = 0;

   protected:
    ~Subject() = default;
  };

  // `state_dir` keeps the guests' sockets. The thread that answers the call writes there, not the
  // loop. Loop and subject outlive the server; the loop may have stopped by then. The loop accepts
  // connections. Errors: of Listener::Create and StartThread(), UNAVAILABLE when gRPC does not
  // start.
  static absl::StatusOr<std::unique_ptr<ControlServer>> Start(const std::string& path,
                                                              const std::string& state_dir,
                                                              EventLoop* loop, Subject* subject);
  // Ends calls, and removes the socket.
  ~ControlServer();

  // Makes the socket file again when somebody has removed or replaced it; as
  // Endpoints::MakeLostAnew(). True = it was not lost before.
  bool MakeLostAnew(Log* log);

  // Writes the file of the guests' sockets when it does not hold those that the loop has, as after
  // a handover from a process that could not write it. A thread of its own does so, and then calls
  // `done`: whether it has written, or why it could not. Where none can be started, `done` is
  // called at once. REQUIRES: called once at most.
  void KeepGuestSockets(const std::function<void(const absl::StatusOr<bool>& written)>& done);

 private:
  struct Impl;
  explicit ControlServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace entropyd
