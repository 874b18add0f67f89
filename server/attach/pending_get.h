// One pending Get: it waits in its class until it has all its bytes, or ends without them.
//
// It holds the bytes that it was given in its reply. They count as planned, in all and in the share
// of its identity, until the reply is whole.
//
//   PendingGet get({identity, "default/gold", 100}, &budgets->planned, owner);
//   get.Wait(leaf, now, deadline);                 // grants follow; the owner hears OnGranted()
//   if (get.Fill(writer).ok() && get.whole()) Send(get.outlet(), get.TakeReply(seed_age_ms));
//
// Errors: End() tells the caller why it gets nothing (GetEnd).
//
// Thread safety: belongs to the dispatcher's owner once kStart has been posted.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "base/process/nanos.h"
#include "base/wire/attach_limits.h"
#include "proto/entropy.pb.h"
#include "server/attach/identity_shares.h"
#include "server/attach/reasons.h"
#include "server/dispatch/byte_budget.h"
#include "server/dispatch/claimant.h"
#include "server/dispatch/mailbox.h"
#include "server/dispatch/outlet.h"
#include "server/dispatch/writer.h"

namespace entropyd {

// What a certificate is worth (server/access/). This room keeps it for the gate, and never looks
// into it.
class PeerCertificate;

class PendingGet final : public MailNode, public Claimant {
 public:
  // What the transport posts.
  enum Event : uint32_t {
    kStart = 1 << 0,
    // The caller gave up, or its deadline has passed.
    kCancelled = 1 << 1,
    // The outlet's last word.
    kDead = 1 << 2,
  };

  // The object that looks after pending Gets.
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual void OnGet(PendingGet* get, uint32_t events, int64_t now_nanos) = 0;
    // The Get was granted bytes. Called once until the next Fill().
    virtual void OnGranted(PendingGet* get) = 0;
  };

  struct Request {
    std::string identity;
    // POOL/CLASS, or an excerpt of what the peer wrote instead.
    std::string name;
    uint32_t bytes = 0;
    v1::Quality min_quality = v1::QUALITY_UNSPECIFIED;
    std::shared_ptr<const PeerCertificate> certificate = nullptr;
  };

  // The budget and the owner outlive it.
  PendingGet(Request request, ByteBudget* planned, Owner* owner)
      : request_(std::move(request)), owner_(owner), planned_(planned) {}

  // Called once before kStart is posted. The outlet may hold a pointer back until kDead.
  void SetOutlet(std::unique_ptr<Outlet> outlet) { outlet_ = std::move(outlet); }

  // From MailNode.
  void OnMail(uint32_t events, int64_t now_nanos) override;
  // From Claimant.
  uint32_t Plan(uint32_t bytes) override;
  void OnPool(const PoolState& state, bool discard) override;
  // Other figures only change how long it waits.
  void OnFigures(uint64_t, uint64_t) override {}
  void OnRemoval() override;
  absl::string_view identity() const override { return request_.identity; }

  // The place of its identity that it takes: as a Get that waits until it is done, and from then on
  // as an answer until it is destroyed. Its bytes count there. REQUIRES: nothing is granted yet.
  void Hold(IdentityShares::Place place);
  // Begins to wait in the leaf, until `deadline_nanos` at most.
  void Wait(Leaf* leaf, int64_t now_nanos, int64_t deadline_nanos);
  bool Expired(int64_t now_nanos) const { return !done_ && now_nanos >= deadline_nanos_; }
  // Reads the bytes granted since the last call into the reply. Errors: as PoolReader::Read().
  // REQUIRES: not done.
  absl::Status Fill(Writer* writer);
  bool whole() const { return filled_ == request_.bytes; }
  // Returns the whole reply. The Get leaves its class and is done. `seed_age_ms` is the age of the
  // pool's seed.
  MessageBuffer TakeReply(uint64_t seed_age_ms);
  // Wipes the bytes that it holds, gives them back to the budget, leaves its class and tells the
  // caller. Does nothing when the Get is done.
  void End(const GetEnd& end);

  const Request& request() const { return request_; }
  Outlet* outlet() const { return outlet_.get(); }
  // True once it is answered: only kDead is still to come.
  bool done() const { return done_; }

 private:
  const Request request_;
  Owner* const owner_;
  std::unique_ptr<Outlet> outlet_;
  // Before all that counts in it.
  IdentityShares::Place place_;
  // Its part of all that is planned.
  ByteBudget planned_;
  // The bytes granted. `filled_` of them are in the reply.
  ByteBudget::Reservation granted_{&planned_};
  uint32_t filled_ = 0;
  // The seed generation of the newest bytes in the reply.
  uint64_t seed_generation_ = 0;
  // Allocated at the first grant.
  MessageBuffer reply_;
  int64_t deadline_nanos_ = kNever;
  bool done_ = false;
};

}  // namespace entropyd
