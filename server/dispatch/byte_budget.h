// How many bytes may be on their way at the same time, and who waits until there are fewer.
//
//   ByteBudget all(64 << 20, 256 << 10);        // the limit, and what a waiter is woken for
//   ByteBudget planned(&all);                   // a part of it that is counted on its own
//   ByteBudget::Reservation plan(&planned);
//   if (all.full()) return all.Await(this), 0;  // OnRoom() follows
//   plan.Grow(1024);
//   plan.MoveTo(&written);                      // a reservation of another part
//   written.Spend();                            // delivered
//
// A reservation counts in its budget, and in all those above, until it is moved, spent or given
// back. Its destructor gives it back, so no end of a session and no error leaves bytes in a sum.
//
// Nobody who waits is forgotten, because waking goes by what is true and not by who did what: while
// room_is_wanted(), the owner must call Wake() and serve again. It does not matter which way the
// room came.
//
// The limit is soft: Grow() never fails. Who asks full() before each grant exceeds it by one grant.
//
// Thread safety: none; belongs to the dispatcher's owner.
#pragma once

#include <cstdint>
#include <limits>

namespace entropyd {

class ByteBudget {
 public:
  // Somebody who waits for room. It leaves the queue when it is destroyed.
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
    // There is room, and it waits no longer. It may wait again, but not from within this call.
    virtual void OnRoom(int64_t now_nanos) = 0;

    ByteBudget* budget_ = nullptr;
    Waiter* previous_ = nullptr;
    Waiter* next_ = nullptr;
  };

  class Reservation {
   public:
    // Of no budget; Grow() must not be called.
    Reservation() = default;
    explicit Reservation(ByteBudget* budget) : budget_(budget) {}
    Reservation(Reservation&& other) noexcept;
    Reservation& operator=(Reservation&& other) noexcept;
    ~Reservation() { GiveBack(); }

    uint32_t bytes() const { return bytes_; }
    void Grow(uint32_t bytes);
    // All of it becomes part of `other`. What both budgets count together does not change.
    uint32_t MoveTo(Reservation* other);
    // Ends it because its bytes were delivered.
    uint32_t Spend();
    // Ends it because its bytes will not be delivered.
    uint32_t GiveBack();

   private:
    ByteBudget* budget_ = nullptr;
    uint32_t bytes_ = 0;
  };

  // `wake_bytes`: the room for which one waiter is woken. A waiter for each byte would only return.
  ByteBudget(uint64_t limit, uint64_t wake_bytes) : limit_(limit), wake_bytes_(wake_bytes) {}
  // A part of `parent`, which outlives it.
  explicit ByteBudget(ByteBudget* parent) : parent_(parent) {}
  ByteBudget(const ByteBudget&) = delete;
  ByteBudget& operator=(const ByteBudget&) = delete;
  ~ByteBudget();

  uint64_t used() const { return used_; }
  bool full() const { return used_ >= limit_; }
  // What was reserved and given back since the start.
  uint64_t given_back() const { return given_back_; }

  // Queues `waiter` behind all that wait; nothing when it waits already.
  void Await(Waiter* waiter);
  bool room_is_wanted() const { return first_ != nullptr && !full(); }
  // Calls OnRoom() of those that have waited longest, as many as the room is for.
  void Wake(int64_t now_nanos);

 private:
  void Add(uint32_t bytes);
  void Remove(uint32_t bytes);
  void CountGivenBack(uint32_t bytes);
  void Unlink(Waiter* waiter);

  ByteBudget* const parent_ = nullptr;
  const uint64_t limit_ = std::numeric_limits<uint64_t>::max();
  const uint64_t wake_bytes_ = 1;
  uint64_t used_ = 0;
  uint64_t given_back_ = 0;
  Waiter* first_ = nullptr;
  Waiter* last_ = nullptr;
};

// What the dispatcher counts: bytes that are planned for messages, and bytes that are written and
// not taken by the network yet. Both together have one limit.
struct PayloadBudgets {
  PayloadBudgets(uint64_t limit, uint64_t message_bytes) : all(limit, message_bytes) {}

  ByteBudget all;
  ByteBudget planned{&all};
  ByteBudget in_flight{&all};
};

}  // namespace entropyd
