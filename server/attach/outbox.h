// What a session sends: the message that is planned, and the one that is on its way.
//
//   Plan(), Tell() --StartMessage()--> MoveToMessage() --Seal()--> outstanding --WriteEnded()--> …
//
// A plan is a count of bytes for one channel, held as a reservation; the bytes are drawn when the
// message is built. While a message is on its way the next one is planned. All of them count in the
// server's budget and in the share of the session's identity.
//
//   Outbox outbox(limits.max_payload, budgets, owner);
//   ByteBudget::Reservation plan = outbox.NewPlan();
//   outbox.Plan(&plan, 1024, Outbox::kMaxAhead);   // the owner hears OnSomethingToSend()
//   if (!outbox.StartMessage()) return;
//   … head with outbox.seq() and what outbox.telling() names; the bytes of each plan …
//   outbox.MoveToMessage(&plan);
//   if (outbox.Seal(now)) transport->Send(...);
//   outbox.WriteEnded(now);                        // the owner hears OnRoom()
//
// Errors: none. What finds no room is not planned, and OnRoom() follows.
//
// Thread safety: none; belongs to the dispatcher's owner.
#pragma once

#include <cstdint>

#include "base/process/nanos.h"
#include "base/wire/attach_limits.h"
#include "server/attach/identity_shares.h"
#include "server/dispatch/byte_budget.h"

namespace entropyd {

class Outbox final : public ByteBudget::Waiter {
 public:
  // Whose outbox it is.
  class Owner {
   public:
    virtual ~Owner() = default;
    // Something is planned or to be told, and no write is outstanding. Called once until
    // StartMessage().
    virtual void OnSomethingToSend() = 0;
    // Those who could not plan may try again.
    virtual void OnRoom(int64_t now_nanos) = 0;
  };

  // What a message says besides grants. It goes out for each of these, even without a grant.
  enum News : uint32_t {
    kWelcome = 1 << 0,
    kStates = 1 << 1,
    kDrain = 1 << 2,
    kHeartbeat = 1 << 3,
  };

  // This many bytes may be planned for the next message while a write is outstanding. Without this
  // a session would get only what flows in at the moment when a write ends. Its share of a scarce
  // class would then depend on the speed of its peer's machine. A session that has stalled keeps at
  // most this many bytes from others.
  static constexpr uint32_t kMaxAhead = 64 * 1024;
  // A peer that does not take a write for this long has stopped reading.
  static constexpr int64_t kWriteTimeoutNanos = kMinuteNanos;
  // A session that has sent nothing for this long owes a heartbeat. The sweep notices it within a
  // second, so kServerHeartbeatNanos is kept.
  static constexpr int64_t kHeartbeatAfterNanos = kServerHeartbeatNanos - kSecondNanos;

  // `max_payload`: bytes of grants in a message. The budgets and the owner outlive it.
  Outbox(uint32_t max_payload, PayloadBudgets* budgets, Owner* owner);

  // From now on all counts in the share of that identity, too. The place outlives the outbox.
  // REQUIRES: nothing is planned.
  void CountIn(const IdentityShares::Place* place);

  // For one channel. The outbox outlives it.
  ByteBudget::Reservation NewPlan() { return ByteBudget::Reservation(&planned_); }
  // Takes up to `bytes` into the plan and returns how many. It takes 0 when the message, the budget
  // or the share of the identity is full, and when the outbox is closed. It also takes 0 when a
  // write is outstanding and `max_ahead` bytes are planned already.
  uint32_t Plan(ByteBudget::Reservation* plan, uint32_t bytes, uint32_t max_ahead);
  // What is planned for all channels together.
  uint64_t planned() const { return planned_.used(); }
  // The next message tells of this.
  void Tell(News news);
  uint32_t news() const { return news_; }

  // Begins a message of all that is planned and to be told. False: there is nothing to send, or a
  // write is outstanding, whose end announces what there is.
  bool StartMessage();
  // Its number, from 1.
  uint64_t seq() const { return seq_; }
  // What the message that was begun says.
  bool telling(News news) const { return (telling_ & news) != 0; }
  // The one after it tells of this, too, because this one has no room for all.
  void TellNext(News news) { news_ |= news; }
  // The message holds the bytes of the plan now. Returns how many these are.
  uint32_t MoveToMessage(ByteBudget::Reservation* plan) { return plan->MoveTo(&written_); }
  // Ends the message. True: it must be sent now, and WriteEnded() follows. False: it has no byte
  // and no news, because pools refused what was planned, and nothing is sent. OnRoom() came.
  bool Seal(int64_t now_nanos);
  // The transport has taken the message, or has failed.
  void WriteEnded(int64_t now_nanos);
  bool outstanding() const { return outstanding_; }

  // Nothing was sent for long, and nothing else is to be sent now.
  bool HeartbeatDue(int64_t now_nanos) const;
  // The peer does not read: it has not taken a message in time. Once the outbox is closed, the
  // limit is the deadline of its end.
  bool Stuck(int64_t now_nanos) const;

  // Nothing is planned or told from now on. A message on its way has time until the deadline.
  void Close(int64_t deadline_nanos);
  int64_t end_deadline_nanos() const { return end_deadline_nanos_; }
  // True once: when the outbox is closed and nothing is on its way any more.
  bool TakeFinish();

 private:
  // From ByteBudget::Waiter.
  void OnRoom(int64_t now_nanos) override { owner_->OnRoom(now_nanos); }
  // True when there is no room for a grant, in all or in the share of the identity. Then OnRoom()
  // follows, or the end of a write.
  bool Full();
  void Announce();

  const uint32_t max_payload_;
  ByteBudget* const all_;
  Owner* const owner_;
  // nullptr = no identity's share is to be asked.
  const IdentityShares::Place* place_ = nullptr;
  ByteBudget planned_;
  ByteBudget in_flight_;
  // The payload of the message that is built, or on its way.
  ByteBudget::Reservation written_;
  uint64_t seq_ = 1;
  uint32_t news_ = 0;
  uint32_t telling_ = 0;
  bool announced_ = false;
  bool outstanding_ = false;
  bool closed_ = false;
  bool finished_ = false;
  // When the last message was sent.
  int64_t sent_nanos_ = 0;
  int64_t end_deadline_nanos_ = kNever;
};

}  // namespace entropyd
