// Everything that peers can say: Attach and Get on one dispatcher, with one policy.
//
//   Protocols protocols(options, &dispatcher, clock, log);
//   loop->Post(protocols.attach()->NewSession(peer).release(), Session::kStart);
//
// Errors: each protocol tells its own peers.
//
// Thread safety: attach(), get() and standing() are safe; all else belongs to the dispatcher's
// owner.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "base/process/clock.h"
#include "base/telemetry/log.h"
#include "server/attach/attach_protocol.h"
#include "server/attach/class_access.h"
#include "server/attach/get_protocol.h"
#include "server/attach/identity_shares.h"
#include "server/dispatch/dispatch_loop.h"
#include "server/dispatch/dispatcher.h"

namespace entropyd {

class Protocols {
 public:
  struct Options {
    AttachProtocol::Options attach = {};
    GetProtocol::Options get = {};
    IdentityShares::Limits shares = {};
    // REQUIRES: set.
    ClassAccess::Policy allow = nullptr;
  };

  // What may change while peers are there.
  struct Limits {
    Session::Limits session = {};
    uint32_t max_agents = 10'000;
    uint32_t max_gets = 1024;
    IdentityShares::Limits shares = {};
  };

  // Dispatcher, clock and log outlive the protocols.
  Protocols(Options options, Dispatcher* dispatcher, const Clock* clock, Log* log);

  AttachProtocol* attach() { return &attach_; }
  const AttachProtocol* attach() const { return &attach_; }
  GetProtocol* get() { return &get_; }
  const GetProtocol* get() const { return &get_; }
  const ClassAccess& access() const { return access_; }
  const IdentityShares& shares() const { return shares_; }

  // What the server as a whole does.
  enum class Standing {
    kServing,
    // It refuses streams and Gets until somebody ends the drain.
    kDraining,
    // It refuses them because it ends. Nothing undoes that.
    kStopping,
  };

  // As AttachProtocol::Drain(); an empty identity also refuses Gets from now on. A server that
  // stops goes on stopping.
  uint32_t Drain(absl::string_view identity, absl::string_view reason, int64_t now_nanos,
                 int64_t deadline_nanos);
  // The same for all, because the server ends.
  void Stop(int64_t now_nanos, int64_t deadline_nanos);
  // Undoes a drain of the whole server. Returns what it was before; only kDraining is undone.
  Standing EndDrain();
  // Why the whole server drains or stops; "" when it serves.
  const std::string& drain_reason() const { return drain_reason_; }
  // Safe.
  Standing standing() const { return standing_; }
  // The rules have changed: ends what the peers may not do any more. With thousands of streams this
  // takes several turns: call RecheckSome() again until it returns false; between the calls
  // claimants get bytes. RecheckPeers() does both.
  void BeginRecheck() {
    attach_.BeginRecheck();
    get_.Recheck();
  }
  bool RecheckSome(int64_t now_nanos) { return attach_.RecheckSome(now_nanos); }
  // New limits from now on. Nobody who is there has to go.
  void SetLimits(const Limits& limits);
  // True when nobody is attached and no call waits.
  bool idle() const { return attach_.registry().sessions().empty() && get_.waiting() == 0; }

 private:
  ClassAccess access_;
  IdentityShares shares_;
  AttachProtocol attach_;
  GetProtocol get_;
  std::atomic<Standing> standing_{Standing::kServing};
  std::string drain_reason_;
};

// Returns when all have been asked about again. Must not be called from a thread that the transport
// needs.
void RecheckPeers(DispatchLoop* loop, Protocols* protocols);

}  // namespace entropyd
