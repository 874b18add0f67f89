// What one identity may hold of the things that all identities share: streams, bytes on their way,
// pending Gets, and messages in a second. An identity that has taken its share leaves the rest to
// others.
//
//   IdentityShares shares(limits, &budgets->all, message_bytes);
//   IdentityShares::Answer answer = shares.TakeStream(identity, now);
//   if (!answer.place) return answer.refusal;
//   session->Hold(std::move(answer.place));     // the stream counts until the place is gone
//   if (session->place().TakeMessage(now)) StartRead();
//
// An identity is remembered while it has a place, until its messages are paid for, and until ten
// seconds after a line of the log about its streams. Sweep() forgets the others.
//
// Errors: a refusal is a ShareRefusal, which names the limit.
//
// Thread safety: belongs to the dispatcher's owner.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "base/process/nanos.h"
#include "base/telemetry/line_limit.h"
#include "server/attach/reasons.h"
#include "server/dispatch/byte_budget.h"

namespace entropyd {

class IdentityShares {
 public:
  struct Limits {
    // An upgraded or moved agent has two streams for a moment, and a few hosts may share a
    // certificate.
    uint32_t streams = 16;
    // Bytes planned, or written and not taken by the network yet. Those of pending Gets count, but
    // only streams wait.
    uint64_t in_flight = std::numeric_limits<uint64_t>::max();
    uint32_t gets = 128;
    // For each Get that may wait, this many answers may be on their way: a caller has its answer
    // before the server hears of it, and may ask again at once.
    static constexpr uint32_t kAnswersPerGet = 4;
    // A stream's start, an agent's message and a Get are one message each. An agent that takes 100
    // MB/s sends 1,000 in a second.
    uint32_t messages_per_second = 10'000;
  };

  // Numbers since start.
  struct Totals {
    uint64_t denied_streams = 0;
    uint64_t denied_gets = 0;
    // Streams and Gets that came beyond the messages of a second.
    uint64_t denied_messages = 0;
    // How often a stream waited: for its identity's share of the bytes, or with its next read.
    uint64_t byte_waits = 0;
    uint64_t held_reads = 0;
  };

  // What the log says of a stream.
  enum class StreamEvent { kAttached, kDetached };

  struct Counts {
    uint32_t streams = 0;
    // Those that wait.
    uint32_t gets = 0;
    // Gets that are answered, and of which the network has not taken the answer.
    uint32_t answers = 0;

    uint32_t sum() const { return streams + gets + answers; }
  };

 private:
  struct Holder;

 public:
  // One stream or Get of an identity. It counts until it is destroyed. The shares outlive it.
  class Place {
   public:
    Place() = default;
    Place(Place&& other) noexcept : Place() { *this = std::move(other); }
    Place& operator=(Place&& other) noexcept;
    ~Place() { Release(); }

    explicit operator bool() const { return holder_ != nullptr; }
    // The identity's share of the bytes. REQUIRES: it is a place.
    ByteShare* bytes() const;
    void CountByteWait() const { ++shares_->totals_.byte_waits; }
    // The Get waits no more. Does nothing without a place. REQUIRES: it is a Get's.
    void Answered();
    // False: the identity has sent its messages of this second. REQUIRES: it is a place.
    bool TakeMessage(int64_t now_nanos) const;
    // 0 = the log gets no line of this event; else one for this many. In ten seconds an identity
    // has a line of each kind for each stream that it may have: honest agents come one by one.
    uint64_t AskLine(StreamEvent event, int64_t now_nanos) const;

   private:
    friend class IdentityShares;
    // Takes it.
    Place(IdentityShares* shares, Holder* holder, uint32_t Counts::*kind);
    void Count(uint32_t Counts::*kind);
    void Discount();
    void Release();

    IdentityShares* shares_ = nullptr;
    Holder* holder_ = nullptr;
    uint32_t Counts::*kind_ = nullptr;
  };

  // `all`, whose bytes are shared, outlives this object. `message_bytes` is the room for which one
  // waiter is woken.
  IdentityShares(const Limits& limits, ByteBudget* all, uint64_t message_bytes)
      : limits_(limits), all_(all), message_bytes_(message_bytes) {}

  // New limits from now on, also for those who hold something. One that holds more keeps it.
  void SetLimits(const Limits& limits, uint64_t message_bytes);

  struct Answer {
    // Empty when the identity is refused.
    Place place = {};
    // Holds only then.
    ShareRefusal refusal = {};
  };
  Answer TakeStream(absl::string_view identity, int64_t now_nanos);
  Answer TakeGet(absl::string_view identity, int64_t now_nanos);

  // Forgets identities that hold nothing any more. Call it about once a second.
  void Sweep(int64_t now_nanos);

  const Totals& totals() const { return totals_; }
  void CountHeldRead() { ++totals_.held_reads; }
  // The places of all identities.
  const Counts& held() const { return held_; }
  // The identities that it remembers.
  size_t identities() const { return holders_.size(); }

 private:
  // What an identity holds.
  struct Holder {
    Holder(absl::string_view name, uint64_t in_flight, uint64_t message_bytes, ByteBudget* all)
        : identity(name), bytes(in_flight, message_bytes, all) {}
    const std::string identity;
    ByteShare bytes;
    Counts held;
    // When all its messages would have been sent at the rate of the limit. It may be a second
    // ahead.
    int64_t paid_nanos = 0;
    // By StreamEvent.
    std::array<LineBudget, 2> lines;
    // It stands in idle_.
    bool idle = false;
  };

  // The identity's holder, made when there is none.
  Holder* Find(absl::string_view identity);
  // Counts the denial.
  Answer TooManyMessages();
  bool TakeMessage(Holder* holder, int64_t now_nanos) const;
  Limits limits_;
  ByteBudget* const all_;
  uint64_t message_bytes_;
  absl::flat_hash_map<std::string, std::unique_ptr<Holder>> holders_;
  // Those whose last place was given back since the last sweep, or who are remembered for longer.
  std::vector<Holder*> idle_;
  Counts held_;
  Totals totals_;
};

}  // namespace entropyd
