// One Get: it waits in its class until it was given all its bytes, or ends without.
//
// What it is given it holds in its reply, and counts as planned until the reply is whole.
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
#include "server/attach/reasons.h"
#include "server/dispatch/byte_budget.h"
#include "server/dispatch/claimant.h"
#include "server/dispatch/mailbox.h"
#include "server/dispatch/outlet.h"
#include "server/dispatch/writer.h"

namespace entropyd {

class PendingGet final : public MailNode, public Claimant {
 public:
  // What the transport posts.
  enum Event : uint32_t {
    kStart = 1 << 0,
    kCancelled = 1 << 1,  // the caller gave up, or its deadline has passed
    kDead = 1 << 2,       // the outlet's last word
  };

  // Who looks after Gets.
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual void OnGet(PendingGet* get, uint32_t events, int64_t now_nanos) = 0;
    // It has been granted bytes; said once until Fill().
    virtual void OnGranted(PendingGet* get) = 0;
  };

  struct Request {
    std::string identity;
    std::string name;  // POOL/CLASS
    uint32_t bytes = 0;
    v1::Quality min_quality = v1::QUALITY_UNSPECIFIED;
  };

  // Budget and owner outlive it.
  PendingGet(Request request, ByteBudget* planned, Owner* owner)
      : request_(std::move(request)), owner_(owner), granted_(planned) {}

  // Called once before kStart is posted. The outlet may hold a pointer back until kDead.
  void SetOutlet(std::unique_ptr<Outlet> outlet) { outlet_ = std::move(outlet); }

  // MailNode
  void OnMail(uint32_t events, int64_t now_nanos) override;
  // Claimant
  uint32_t Plan(uint32_t bytes) override;
  void OnPool(const PoolState& state, bool discard) override;
  void OnFigures(uint64_t, uint64_t) override {}  // it only waits longer or less long
  absl::string_view identity() const override { return request_.identity; }

  // It waits in the leaf, until `deadline_nanos` at most.
  void Wait(Leaf* leaf, int64_t now_nanos, int64_t deadline_nanos);
  bool Expired(int64_t now_nanos) const { return !done_ && now_nanos >= deadline_nanos_; }
  // Gets what was granted since the last call. Errors: as PoolReader::Read(). REQUIRES: not done.
  absl::Status Fill(Writer* writer);
  bool whole() const { return filled_ == request_.bytes; }
  // The whole reply; it leaves its class and is done. `seed_age_ms`: of the pool.
  MessageBuffer TakeReply(uint64_t seed_age_ms);
  // Wipes what it holds, gives it back, leaves its class and tells the caller. Nothing when done.
  void End(const GetEnd& end);

  const Request& request() const { return request_; }
  Outlet* outlet() const { return outlet_.get(); }
  bool done() const { return done_; }  // answered; only kDead is still to come

 private:
  const Request request_;
  Owner* const owner_;
  std::unique_ptr<Outlet> outlet_;
  ByteBudget::Reservation granted_;  // of it `filled_` are in the reply
  uint32_t filled_ = 0;
  uint64_t seed_generation_ = 0;  // of the newest bytes in the reply
  MessageBuffer reply_;           // made with the first grant
  int64_t deadline_nanos_ = kNever;
  bool done_ = false;
};

}  // namespace entropyd
