// How many bytes may be on their way at the same time, and who waits until there are fewer.
//
//   ByteBudget all(64 << 20, 256 << 10);        // the limit, and the room that wakes a waiter
//   ByteBudget planned(&all);                   // a part of it with a count of its own
//   ByteBudget::Reservation plan(&planned);
//   if (all.full()) return all.Await(this), 0;  // OnRoom() follows
//   plan.Grow(1024);
//   plan.MoveTo(&written);                      // a reservation of another part
//   written.Spend();                            // delivered
//
// A reservation counts in its budget, and in all those above, until it is moved, spent or given
// back. Its destructor gives it back. So neither the end of a session nor an error leaves bytes in
// a sum.
//
// No waiter is forgotten, because waking depends on what is true and not on who did what: while
// room_is_wanted(), the owner must call Wake() and serve again. It does not matter how the room
// came.
//
// Errors: none. The limit is soft: Grow() never fails. A caller that asks full() before each grant
// exceeds the limit by one grant at most.
//
// Thread safety: none; belongs to the dispatcher's owner.
#pragma once

#include <cstdint>
#include <limits>

namespace entropyd {

class ByteShare;

class ByteBudget {
 public:
  // Something that waits for room. Its destructor takes it out of the queue.
  class Waiter {
   public:
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;

    bool waiting() const { return budget_ != nullptr; }
    void StopWaiting();

   protected:
    Waiter() = default;
    ~Waiter() { StopWaiting(); }

   private:
    friend class ByteBudget;
    friend class ByteShare;
    // There is room, and the waiter has left the queue. It may wait again.
    virtual void OnRoom(int64_t now_nanos) = 0;

    ByteBudget* budget_ = nullptr;
    Waiter* previous_ = nullptr;
    Waiter* next_ = nullptr;
  };

  class Reservation {
   public:
    // A reservation of no budget; Grow() must not be called.
    Reservation() = default;
    explicit Reservation(ByteBudget* budget) : budget_(budget) {}
    Reservation(Reservation&& other) noexcept;
    Reservation& operator=(Reservation&& other) noexcept;
    ~Reservation() { GiveBack(); }

    uint32_t bytes() const { return bytes_; }
    void Grow(uint32_t bytes);
    // Moves all of it to `other`. The sum that both budgets count does not change.
    uint32_t MoveTo(Reservation* other);
    // Ends the reservation because its bytes were delivered. Returns how many.
    uint32_t Spend();
    // Ends the reservation because its bytes will not be delivered. Returns how many.
    uint32_t GiveBack();

   private:
    ByteBudget* budget_ = nullptr;
    uint32_t bytes_ = 0;
  };

  // `wake_bytes` is the room for which one waiter is woken. Waking one for each free byte would
  // help nobody.
  ByteBudget(uint64_t limit, uint64_t wake_bytes) : limit_(limit), wake_bytes_(wake_bytes) {}
  // A part of `parent`, which outlives it.
  explicit ByteBudget(ByteBudget* parent) : parent_(parent) {}
  ByteBudget(const ByteBudget&) = delete;
  ByteBudget& operator=(const ByteBudget&) = delete;
  ~ByteBudget();

  // From now on what is reserved here counts in `share`, too, which outlives this budget. REQUIRES:
  // nothing is reserved here.
  void CountIn(ByteShare* share) { share_ = share; }

  // Another limit from now on. Reserved bytes stay reserved.
  void SetLimit(uint64_t limit, uint64_t wake_bytes) {
    limit_ = limit;
    wake_bytes_ = wake_bytes;
  }

  uint64_t used() const { return used_; }
  bool full() const { return used_ >= limit_; }
  // The bytes that were reserved and given back, since the start.
  uint64_t given_back() const { return given_back_; }

  // Queues `waiter` behind all others. Does nothing when it waits already.
  void Await(Waiter* waiter);
  bool room_is_wanted() const { return first_ != nullptr && !full(); }
  // Calls OnRoom() of those that have waited longest, of as many as there is room for.
  void Wake(int64_t now_nanos);

 private:
  void Add(uint32_t bytes);
  void Remove(uint32_t bytes);
  void CountGivenBack(uint32_t bytes);
  void Unlink(Waiter* waiter);

  friend class ByteShare;

  ByteBudget* const parent_ = nullptr;
  ByteShare* share_ = nullptr;
  uint64_t limit_ = std::numeric_limits<uint64_t>::max();
  uint64_t wake_bytes_ = 1;
  uint64_t used_ = 0;
  uint64_t given_back_ = 0;
  Waiter* first_ = nullptr;
  Waiter* last_ = nullptr;
};

// The part of a budget that some of its users may fill at most. Its own waiters are woken in turn
// with those of the whole, one message's worth at a time, as soon as both have room.
class ByteShare final : public ByteBudget, private ByteBudget::Waiter {
 public:
  // `whole` outlives it.
  ByteShare(uint64_t limit, uint64_t wake_bytes, ByteBudget* whole)
      : ByteBudget(limit, wake_bytes), whole_(whole) {}

  // As ByteBudget::SetLimit(). Its waiters are woken when there is room now.
  void SetLimit(uint64_t limit, uint64_t wake_bytes);

 private:
  friend class ByteBudget;
  // From Waiter: the whole has room.
  void OnRoom(int64_t now_nanos) override;
  // Some of its bytes are gone.
  void Shrink(uint32_t bytes);

  ByteBudget* const whole_;
};

// What the dispatcher counts: bytes planned for messages, and bytes written that the network has
// not taken yet. Both together have one limit.
struct PayloadBudgets {
  PayloadBudgets(uint64_t limit, uint64_t message_bytes) : all(limit, message_bytes) {}

  ByteBudget all;
  ByteBudget planned{&all};
  ByteBudget in_flight{&all};
};

}  // namespace entropyd
