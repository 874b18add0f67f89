// The bytes of one class that this host holds: a bounded ring in locked memory whose target follows
// demand (proto/README.md, "Demand"). No I/O, no thread.
//
//   auto buffer = ClassBuffer::Create({.class_name = "default/bulk"}, &arena, &clock).value();
//   buffer->SetDemand({.guests = 1, .owed = 64});    // up
//   uint64_t credit = buffer->WantMore(promised);    // up
//   buffer->Append(bytes);                           // down
//   size_t n = buffer->Take(out);                    // down
//
//   level     bytes here now
//   promised  credit given to live streams and not yet used
//   target    how much to hold: 0 without guests, 1 KiB with guests; it doubles on two low-water
//             crossings within 1 s; it is at least min(size, owed); it halves after 10 s unused
//   level + promised <= size, always: bytes that arrive are never refused.
//
// Low water is half the target. A low-water crossing is a WantMore() that finds level + promised at
// or below low water after guests have taken bytes. A target is "unused" when its lower half was
// not reached. So with a demand of r bytes/s the target settles between 2 s and 20 s of r (never
// above size). Where the size is the limit, between half of it and all of it is always on its way
// or here: upstream carries at least size / 2 per round trip.
//
// Errors: of Create() only.
//
// Thread safety: none; belongs to the event loop's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/crypto/secret_bytes.h"
#include "base/process/clock.h"
#include "base/process/nanos.h"

namespace entropyd {

class ClassBuffer {
 public:
  // The target of a class with guests and little demand: 16 requests of a Linux guest (64 B).
  static constexpr size_t kMinTarget = 1024;

  struct Options {
    // POOL/CLASS.
    std::string class_name;
    // In bytes, at least kMinTarget.
    size_t size = 256 * 1024;
    // Older bytes are wiped.
    int64_t max_age_nanos = kMinuteNanos;
  };
  // Errors: INVALID_ARGUMENT (size, max_age), RESOURCE_EXHAUSTED (the arena is smaller than
  // ArenaBytes(size)).
  static absl::StatusOr<std::unique_ptr<ClassBuffer>> Create(const Options& options,
                                                             SecretArena* arena,
                                                             const Clock* clock);
  // The most that a buffer of `size` bytes uses of its arena. It uses pages as its target grows.
  static size_t ArenaBytes(size_t size);

  virtual ~ClassBuffer() = default;

  virtual const std::string& class_name() const = 0;
  virtual size_t size() const = 0;
  virtual size_t level() const = 0;
  // What Take() gives now. It is more than level() where the local fallback serves.
  virtual size_t available() const { return level(); }
  virtual size_t target() const = 0;

  // Down, from upstream. WantMore() has reserved the room for what was promised. REQUIRES:
  // bytes.size() <= size() - level().
  virtual void Append(absl::Span<const uint8_t> bytes) = 0;
  // Down. Moves out up to out.size() bytes and wipes them here. Returns how many.
  virtual size_t Take(absl::Span<uint8_t> out) = 0;
  // Wipes everything.
  virtual void Discard() = 0;
  // Tells, before bytes come, whether the class's pool has full-entropy bytes.
  virtual void SetFullEntropy(bool) {}
  // Tells the ceiling of the class in bytes/s, as its server says; 0 = none. It holds until another
  // one is told.
  virtual void SetCeil(uint64_t) {}
  // Whether bytes of this host's serve the class in a loss, if there is a seed for them.
  virtual bool gives_in_a_loss() const { return false; }

  // Up: what the members of this class want now. The target counts on top of what is held back.
  struct Demand {
    uint32_t guests = 0;
    // Bytes.
    uint64_t owed = 0;
    // Those that wait, or did a moment ago.
    uint32_t waiting_guests = 0;
    // Bytes that members who already wait do not get; 0..kMinTarget.
    size_t held_back = 0;
  };
  virtual void SetDemand(const Demand& demand) = 0;
  virtual const Demand& demand() const = 0;

  // Wipes what is too old and lets the target shrink. Call it about once a second and before
  // WantMore(). After bytes died of age, the buffer asks only for what guests wait for, until they
  // use the class again.
  virtual void Tick() = 0;
  // How many more bytes to promise, given what is promised already; 0 = above low water. It
  // reserves the memory for them, so the answer is less than wanted when the arena is full.
  virtual uint64_t WantMore(uint64_t promised) = 0;

  // True when the bytes here alone are above low water, even without `bytes` of them. Then
  // WantMore() would say 0, whatever is promised.
  virtual bool Spares(size_t) const { return false; }

  // Bytes wiped because of their age or by Discard(), since the start.
  virtual uint64_t discarded_bytes() const = 0;
};

}  // namespace entropyd
