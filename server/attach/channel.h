// One class of one agent's stream: what the peer is owed, what it was sent, what is planned for it.
//
// Credit, all numbers counted from the start of the stream:
//
//   want = limit - sent - planned    unconfirmed = sent - received    received <= sent <= limit
//
// Thread safety: belongs to the dispatcher's owner.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "absl/types/optional.h"
#include "proto/entropy.pb.h"
#include "server/attach/reasons.h"
#include "server/dispatch/byte_budget.h"
#include "server/dispatch/claimant.h"

namespace entropyd {

class Session;

class Channel final : public Claimant {
 public:
  enum class Phase { kOpen, kSuspended, kClosed };

  // `name`: POOL/CLASS as the peer wrote it. The session outlives the channel.
  Channel(Session* session, uint32_t number, std::string name, ByteBudget* planned);

  // Claimant
  uint32_t Plan(uint32_t bytes) override;
  void OnPool(const PoolState& state, bool discard) override;
  void OnFigures(uint64_t rate, uint64_t ceil) override;
  absl::string_view identity() const override;
  uint32_t waiting_guests() const override { return waiting_guests_; }

  uint32_t number() const { return number_; }
  const std::string& name() const { return name_; }
  Phase phase() const { return phase_; }
  uint64_t limit() const { return limit_; }
  uint64_t received() const { return received_; }
  uint64_t sent() const { return sent_; }
  uint32_t guests() const { return guests_; }
  uint32_t planned() const { return plan_.bytes(); }
  uint64_t want() const { return limit_ - sent_ - planned(); }
  uint64_t unconfirmed() const { return sent_ - received_; }

  // Whether the peer has not been told the newest state.
  bool state_due() const { return state_due_; }
  // What the peer is told of it. REQUIRES: it waits in a leaf, or it is closed.
  void Describe(v1::ChannelState* state) const;

 private:
  friend class Session;  // what the peer says and what is written changes it

  Session* const session_;
  const uint32_t number_;
  const std::string name_;
  ByteBudget::Reservation plan_;  // granted by the tree, not drawn yet
  Phase phase_ = Phase::kOpen;
  absl::optional<ClassRefusal> refusal_;  // why it is closed; none = the peer closed it
  uint64_t limit_ = 0;
  uint64_t received_ = 0;
  uint64_t sent_ = 0;
  uint32_t guests_ = 0;
  uint32_t waiting_guests_ = 0;
  bool state_due_ = false;
  bool discard_due_ = false;  // the peer must wipe what it has
};

v1::Phase ToWire(Channel::Phase phase);

}  // namespace entropyd
