// Get: small amounts for readers that ask once. Each call waits in its class as an agent's channel
// does, with the same share. Both their number and the time they wait have a limit.
//
//   GetProtocol gets(options, &access, &shares, &dispatcher, clock);
//   std::unique_ptr<PendingGet> get = gets.NewGet({identity, "default/gold", 100});
//   get->SetOutlet(...);
//   loop->Post(get.release(), PendingGet::kStart);   // from here on the protocol owns it
//
// Errors: a pending Get that fails ends with a GetEnd, which names its cause.
//
// Thread safety: NewGet() is safe; all else belongs to the dispatcher's owner.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/types/optional.h"
#include "base/process/clock.h"
#include "base/process/nanos.h"
#include "server/attach/class_access.h"
#include "server/attach/identity_shares.h"
#include "server/attach/pending_get.h"
#include "server/dispatch/dispatcher.h"
#include "server/dispatch/protocol.h"

namespace entropyd {

class GetProtocol final : public Protocol, public PendingGet::Owner {
 public:
  // The longest wait of a call. Callers that are less patient set a deadline of their own.
  static constexpr int64_t kTimeoutNanos = 30 * kSecondNanos;

  struct Options {
    // Pending Gets at the same time, of all identities. They hold kGetMaxBytes each at most. Beside
    // them there are answers that callers have not read: IdentityShares::Limits::kAnswersPerGet for
    // each.
    uint32_t max_waiting = 1024;
    // Whether the peer may ask by the rules of this moment. Empty = everybody may.
    std::function<absl::Status(const PeerCertificate&)> admission = nullptr;
  };

  // Numbers since start.
  struct Totals {
    uint64_t given_bytes = 0;
    // Calls refused because too many waited.
    uint64_t denied_capacity = 0;
    // Calls that new rules ended.
    uint64_t shut_out = 0;
  };

  // All arguments outlive the protocol. The protocol adds itself to the dispatcher
  // (Dispatcher::Add).
  GetProtocol(const Options& options, ClassAccess* access, IdentityShares* shares,
              Dispatcher* dispatcher, const Clock* clock);

  std::unique_ptr<PendingGet> NewGet(PendingGet::Request request);

  // This many may wait from now on. Those that wait already go on.
  void SetMaxWaiting(uint32_t max_waiting) { max_waiting_ = max_waiting; }

  // Refuses new calls from now on. Those that wait go on waiting.
  void Drain() { draining_ = true; }
  // Gets are answered again.
  void EndDrain() { draining_ = false; }

  // The rules have changed: ends the calls whose peer may not ask any more, or not for this class.
  void Recheck();

  const Totals& totals() const { return totals_; }
  // Counts also those that are done and whose outlet is still alive.
  size_t waiting() const { return gets_.size(); }

  // From Protocol.
  int64_t Sweep(int64_t now_nanos) override;
  void Flush(int64_t now_nanos) override;
  // From PendingGet::Owner.
  void OnGet(PendingGet* get, uint32_t events, int64_t now_nanos) override;
  void OnGranted(PendingGet* get) override { flush_.push_back(get); }

 private:
  // As options.admission. OK for a peer without a certificate.
  absl::Status Admission(const PendingGet& get) const;
  absl::optional<GetEnd> Start(PendingGet* get, int64_t now_nanos);
  void FlushGet(PendingGet* get);

  const Options options_;
  uint32_t max_waiting_;
  ClassAccess* const access_;
  IdentityShares* const shares_;
  Dispatcher* const dispatcher_;
  const Clock* const clock_;
  absl::flat_hash_map<PendingGet*, std::unique_ptr<PendingGet>> gets_;
  // Pending Gets that were granted bytes in this pass.
  std::vector<PendingGet*> flush_;
  Totals totals_;
  bool draining_ = false;
};

}  // namespace entropyd
