// Keeps the calls that may last long. When a peer loses its right to come in, its calls are ended.
//
//   open_calls.Add(gate, {certificate, "RecordSource", {config::v1::ROLE_OPERATOR}}, reactor);
//   ... the rules have changed ...
//   open_calls.Recheck(gate);            // reactor->ShutOut(status)
//
// Attach streams and Gets are not here: their protocols know them.
//
// Errors: none.
//
// Thread safety: safe.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "proto/server_config.pb.h"
#include "server/access/gate.h"

namespace entropyd {

// A call that can be ended from outside.
class OpenCall {
 public:
  virtual ~OpenCall() = default;
  // Its peer may not go on; `status` says why. Comes again until the call has ended, and then it
  // need not be polite. Comes without locks held.
  virtual void ShutOut(const absl::Status& status) = 0;
};

class OpenCalls {
 public:
  struct Caller {
    std::shared_ptr<const PeerCertificate> certificate;
    std::string call;
    // One of them is enough.
    std::vector<config::v1::Role> roles;
    // What else must hold, by the configuration. Empty = nothing. Comes without locks held.
    std::function<absl::Status()> also = nullptr;
  };

  // The call ends with its last owner. Shuts it out at once when the rules have changed since the
  // gate let it in.
  void Add(const Gate& gate, const Caller& caller, const std::shared_ptr<OpenCall>& call);

  // Ends the calls of peers that may not come in by the present rules, and calls that the
  // configuration no longer allows.
  void Recheck(const Gate& gate);

  // Entries of calls that have ended may be as many, or as many as those that are open.
  static constexpr size_t kFewestSwept = 64;
  // Those that have ended, too, as long as they are here. For tests.
  size_t entries() const {
    absl::MutexLock lock(&mutex_);
    return entries_.size();
  }

 private:
  struct Entry {
    Caller caller;
    std::weak_ptr<OpenCall> call;
  };

  mutable absl::Mutex mutex_;
  std::vector<Entry> entries_ ABSL_GUARDED_BY(mutex_);
  // When there are this many, those that have ended go. It is twice what was left the last time, so
  // that a call costs the same, however many are open.
  size_t sweep_at_ ABSL_GUARDED_BY(mutex_) = kFewestSwept;
};

}  // namespace entropyd
