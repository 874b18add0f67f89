// One class of one agent's stream: what the server owes the peer, what it has sent, and what is
// planned for it.
//
// The credit rules; all numbers count from the start of the stream:
//
//   want = limit - sent - planned    unconfirmed = sent - received    received <= sent <= limit
//
// Errors: none of its own; Session checks what the peer says.
//
// Thread safety: belongs to the dispatcher's owner.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/types/optional.h"
#include "base/wire/attach_limits.h"
#include "proto/entropy.pb.h"
#include "server/attach/deliveries.h"
#include "server/attach/reasons.h"
#include "server/dispatch/byte_budget.h"
#include "server/dispatch/claimant.h"

namespace entropyd {

class Session;

class Channel final : public Claimant {
 public:
  enum class Phase { kOpen, kSuspended, kClosed };

  // `name`: POOL/CLASS, or an excerpt of what the peer wrote instead. The session outlives the
  // channel.
  Channel(Session* session, uint32_t number, std::string name, ByteBudget* planned,
          Deliveries* deliveries);

  // From Claimant.
  uint32_t Plan(uint32_t bytes) override;
  void OnPool(const PoolState& state, bool discard) override;
  void OnFigures(uint64_t rate, uint64_t ceil) override;
  void OnRemoval() override;
  absl::string_view identity() const override;
  uint32_t waiting_guests() const override { return std::min(waiting_guests_, max_weight_); }
  // The most of its guests that count as weight.
  uint32_t max_weight() const { return max_weight_; }

  uint32_t number() const { return number_; }
  const std::string& name() const { return name_; }
  Phase phase() const { return phase_; }
  uint64_t limit() const { return limit_; }
  uint64_t received() const { return delivered_.received(); }
  uint64_t sent() const { return delivered_.sent(); }
  uint32_t guests() const { return guests_; }
  uint32_t planned() const { return plan_.bytes(); }
  uint64_t want() const { return limit_ - sent() - planned(); }
  uint64_t unconfirmed() const { return delivered_.unconfirmed(); }

  // True while the peer has not been told the newest state.
  bool state_due() const { return state_due_; }
  // Fills in what the peer is told of the channel. REQUIRES: it waits in a leaf, or it is closed.
  void Describe(v1::ChannelState* state) const;

 private:
  // Session changes it by what the peer says and by what was written.
  friend class Session;

  Session* const session_;
  const uint32_t number_;
  const std::string name_;
  // Bytes that the tree has granted and that are not written yet.
  ByteBudget::Reservation plan_;
  Phase phase_ = Phase::kOpen;
  // Why it is closed. Empty when the peer closed it.
  absl::optional<ClassRefusal> refusal_;
  uint64_t limit_ = 0;
  Deliveries::Count delivered_;
  uint32_t guests_ = 0;
  uint32_t waiting_guests_ = 0;
  uint32_t max_weight_ = kMaxGuests;
  bool state_due_ = false;
  // The peer must wipe the bytes that it buffers.
  bool discard_due_ = false;
};

v1::Phase ToWire(Channel::Phase phase);

}  // namespace entropyd
