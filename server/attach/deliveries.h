// How many bytes were sent to peers, and how many of these the peers have acknowledged.
//
//   Deliveries all;                      // of all sessions together
//   Deliveries session(&all);            // a part of them, with sums of its own
//   Deliveries::Count channel(&session);
//   channel.Send(1000);
//   channel.Acknowledge(400);            // all three have 600 bytes unconfirmed now
//
// Only a Count can be changed, and a change of it reaches all sums above. So a sum is always right,
// and nobody has to add up the counts. When a count is destroyed, its bytes stay in the sums.
//
// Errors: none. The caller checks what the peer says.
//
// Thread safety: none; belongs to the dispatcher's owner.
#pragma once

#include <cstdint>

namespace entropyd {

class Deliveries {
 public:
  // What one receiver was sent and has acknowledged, in bytes since the start.
  class Count {
   public:
    // `sum` outlives it.
    explicit Count(Deliveries* sum) : sum_(sum) {}
    Count(const Count&) = delete;
    Count& operator=(const Count&) = delete;

    uint64_t sent() const { return sent_; }
    uint64_t received() const { return received_; }
    uint64_t unconfirmed() const { return sent_ - received_; }

    void Send(uint64_t bytes) {
      sent_ += bytes;
      for (Deliveries* sum = sum_; sum != nullptr; sum = sum->whole_) sum->sent_ += bytes;
    }
    // REQUIRES: `bytes` are at most the unconfirmed ones.
    void Acknowledge(uint64_t bytes) {
      received_ += bytes;
      for (Deliveries* sum = sum_; sum != nullptr; sum = sum->whole_) sum->received_ += bytes;
    }

   private:
    Deliveries* const sum_;
    uint64_t sent_ = 0;
    uint64_t received_ = 0;
  };

  Deliveries() = default;
  // A part of `whole`, which outlives every change of a count.
  explicit Deliveries(Deliveries* whole) : whole_(whole) {}
  Deliveries(const Deliveries&) = delete;
  Deliveries& operator=(const Deliveries&) = delete;

  uint64_t sent() const { return sent_; }
  uint64_t received() const { return received_; }
  uint64_t unconfirmed() const { return sent_ - received_; }

 private:
  Deliveries* const whole_ = nullptr;
  uint64_t sent_ = 0;
  uint64_t received_ = 0;
};

}  // namespace entropyd
