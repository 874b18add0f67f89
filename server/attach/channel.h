// One class of one agent's stream: what the server owes the peer, what it has sent, and what is
// planned for it.
//
// Its credit says what it may send (server/attach/channel_credit.h). It wants that, less what is
// planned for it already.
//
//   channel->Join(leaf);
//   channel->Credit(line, max_credit);
//   channel->Want(channel->want(), now);   // Plan() follows, and the outbox announces it
//   channel->Drawn();                      // or DrawFailed(now)
//
// Errors: a line that breaks the rules is a status, which the owner ends the stream with.
//
// Thread safety: belongs to the dispatcher's owner.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/types/optional.h"
#include "base/wire/attach_limits.h"
#include "proto/entropy.pb.h"
#include "server/attach/channel_credit.h"
#include "server/attach/deliveries.h"
#include "server/attach/outbox.h"
#include "server/attach/reasons.h"
#include "server/dispatch/byte_budget.h"
#include "server/dispatch/claimant.h"

namespace entropyd {

class Channel final : public Claimant {
 public:
  enum class Phase { kOpen, kSuspended, kClosed };

  // `name`: POOL/CLASS, or an excerpt of what the peer wrote instead. Identity, outbox and sum are
  // those of its session, and outlive the channel. It waits in no leaf yet, and the peer is to be
  // told its state.
  Channel(uint32_t number, std::string name, const std::string& identity, Outbox* outbox,
          Deliveries* sum);

  // From Claimant.
  uint32_t Plan(uint32_t bytes) override;
  absl::string_view identity() const override { return identity_; }
  uint32_t waiting_guests() const override { return std::min(waiting_guests_, max_weight_); }
  // The most of its guests that count as weight.
  uint32_t max_weight() const { return max_weight_; }

  uint32_t number() const { return number_; }
  const std::string& name() const { return name_; }
  Phase phase() const { return phase_; }
  const ChannelCredit& credit() const { return credit_; }
  uint32_t guests() const { return guests_; }
  uint32_t planned() const { return plan_.bytes(); }
  uint64_t want() const { return credit_.open() - planned(); }

  // Puts it into the leaf, in the state of its pool. Where guests weigh, at most `max_weight` of
  // those that wait count: the number is the peer's word.
  void Join(Leaf* leaf, uint32_t max_weight = kMaxGuests);
  // Closes it for good; it stays, so that it can answer late lines. Refuse() is for one that never
  // joined, Expel() gives the plan back.
  void Refuse(ClassRefusal refusal);
  void Expel(ClassRefusal refusal);
  // The peer closes it. A second Close changes nothing.
  void Close();
  // Its session has ended: gives the plan back and leaves.
  void End();
  // The rules have changed: what Join() was told holds no more.
  void SetMaxWeight(uint32_t max_weight);

  // What the peer has received, and how much more it can take; and its guests. A closed channel
  // counts what was received. Errors: those of ChannelCredit.
  absl::Status Credit(const v1::Line& line, uint64_t max_credit);

  // The message that is built holds the planned bytes. Returns how many these are.
  uint32_t Drawn();
  // The pool gave nothing: the channel loses its plan and keeps its demand.
  void DrawFailed(int64_t now_nanos);

  // True while the peer has not been told the newest state.
  bool state_due() const { return state_due_; }
  // Fills in what the peer is told of the channel; then it is told. REQUIRES: it waits in a leaf,
  // or it is closed.
  void TellState(v1::ChannelState* state);

 private:
  // From Claimant.
  void OnPool(const PoolState& state, bool discard) override;
  void OnFigures(uint64_t rate, uint64_t ceil) override;
  void OnRemoval() override;
  void StateDue(bool discard);
  void Describe(v1::ChannelState* state) const;

  const uint32_t number_;
  const std::string name_;
  const std::string& identity_;
  Outbox* const outbox_;
  // Bytes that the tree has granted and that are not written yet.
  ByteBudget::Reservation plan_;
  Phase phase_ = Phase::kOpen;
  // Why it is closed. Empty when the peer closed it.
  absl::optional<ClassRefusal> refusal_;
  ChannelCredit credit_;
  uint32_t guests_ = 0;
  uint32_t waiting_guests_ = 0;
  uint32_t max_weight_ = kMaxGuests;
  bool state_due_ = false;
  // The peer must wipe the bytes that it buffers.
  bool discard_due_ = false;
};

v1::Phase ToWire(Channel::Phase phase);

}  // namespace entropyd
