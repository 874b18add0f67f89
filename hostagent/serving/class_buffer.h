// The bytes of one class that this host holds: a bounded ring in locked memory whose target follows
// demand (proto/README.md, "Demand"). No I/O, no thread.
//
//   level     bytes here now
//   promised  credit given to live streams and not yet used
//   target    how much to hold: 0 without guests, 1 KiB with; doubles on two low-water crossings
//             within 1 s; at least min(size, owed); halves after 10 s unused
//   level + promised <= size, always: bytes that arrive are never refused.
//
// Low water is half the target. A low-water crossing is a WantMore() that finds level + promised at
// or below it after guests have taken bytes; "unused" is a target whose lower half was not reached.
// So with a demand of r bytes/s the target settles between 2 s and 20 s of r (never above size),
// and where the size binds, between half of it and all of it is always on its way or here: upstream
// carries at least size / 2 per round trip.
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

namespace entropyd {

class ClassBuffer {
 public:
  // The target of a class that has guests and little demand: 16 requests of a Linux guest (64 B).
  static constexpr size_t kMinTarget = 1024;

  struct Options {
    std::string class_name;                  // POOL/CLASS
    size_t size = 256 * 1024;                // bytes, at least kMinTarget
    int64_t max_age_nanos = 60'000'000'000;  // older bytes are wiped
  };
  // Errors: INVALID_ARGUMENT (size, max_age), RESOURCE_EXHAUSTED (the arena is smaller than
  // ArenaBytes(size)).
  static absl::StatusOr<std::unique_ptr<ClassBuffer>> Create(const Options& options,
                                                             SecretArena* arena,
                                                             const Clock* clock);
  // What a buffer of `size` bytes may use of its arena at most. It uses pages as its target grows.
  static size_t ArenaBytes(size_t size);

  virtual ~ClassBuffer() = default;

  virtual const std::string& class_name() const = 0;
  virtual size_t size() const = 0;
  virtual size_t level() const = 0;
  // What Take() gives now: more than level() where a class survives without upstream.
  virtual size_t available() const { return level(); }
  virtual size_t target() const = 0;

  // Down. Append: from upstream; REQUIRES bytes.size() <= size() - level(); the room for what was
  // promised through WantMore() is there. Take: moves out up to out.size() bytes and wipes them
  // here; returns how many.
  virtual void Append(absl::Span<const uint8_t> bytes) = 0;
  virtual size_t Take(absl::Span<uint8_t> out) = 0;
  virtual void Discard() = 0;  // wipes everything
  // Told before bytes come: is the class's pool one of full-entropy bytes?
  virtual void SetFullEntropy(bool) {}

  // Up. What the guests of this class want now. The target is what to hold beyond what is held
  // back.
  struct Demand {
    uint32_t guests = 0;
    uint64_t owed = 0;            // bytes
    uint32_t waiting_guests = 0;  // that wait, or did a moment ago
    size_t held_back = 0;         // bytes that those who wait are not given; 0..kMinTarget
  };
  virtual void SetDemand(const Demand& demand) = 0;
  virtual uint32_t guests() const = 0;
  virtual uint32_t waiting_guests() const = 0;
  virtual uint64_t owed() const = 0;

  // Wipes what is too old and lets the target shrink; call about once a second and before WantMore.
  // After bytes died of age only what guests wait for is fetched, until they use the class again.
  virtual void Tick() = 0;
  // How many more bytes to promise, given what is promised already; 0 = above low water. The memory
  // for them is reserved, so it is less than wanted where the arena is full.
  virtual uint64_t WantMore(uint64_t promised) = 0;

  // Above low water by what is here alone, also when `bytes` of it are gone: WantMore() would say
  // 0, whatever is promised.
  virtual bool Spares(size_t) const { return false; }

  // Bytes wiped because of their age or by Discard(), since the start.
  virtual uint64_t discarded_bytes() const = 0;
};

}  // namespace entropyd
