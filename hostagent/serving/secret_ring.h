// A FIFO of secret bytes in blocks of an arena. It takes blocks when room is reserved, and gives
// them back when they are empty. So a buffer that holds 1 KiB costs one locked page and not its
// largest size. Bytes that leave are wiped at once.
//
//   SecretRing ring(arena);
//   ring.Reserve(1024);          // before the bytes are asked for
//   ring.Append(bytes);          // never more than reserved
//   size_t n = ring.Take(out);
//
// Errors: none; when the arena is full, Reserve() returns less than it was asked for.
//
// Thread safety: none; belongs to its owner's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>

#include "absl/types/span.h"
#include "base/crypto/secret_bytes.h"

namespace entropyd {

class SecretRing {
 public:
  // One page: the unit in which memory is locked.
  static constexpr size_t kBlockBytes = 4096;

  // The arena outlives the ring.
  explicit SecretRing(SecretArena* arena) : arena_(arena) {}

  // What a ring needs of its arena so that Reserve(bytes) never falls short. This is one block more
  // than the bytes, because the oldest block may be partly empty.
  static size_t ArenaBytes(size_t bytes);

  size_t level() const { return level_; }
  // Bytes that fit beside those that are here.
  size_t room() const { return blocks_.size() * kBlockBytes - head_ - level_; }
  size_t block_count() const { return blocks_.size(); }

  // Makes room for `bytes` more, as far as the arena has blocks. Returns the room there is now, at
  // most `bytes`.
  size_t Reserve(size_t bytes);
  // Adds the bytes at the end. REQUIRES: bytes.size() <= room().
  void Append(absl::Span<const uint8_t> bytes);
  // Moves out up to out.size() bytes, oldest first. Returns how many.
  size_t Take(absl::Span<uint8_t> out);
  // Wipes the oldest `bytes` bytes, or all when there are fewer.
  void Drop(size_t bytes);
  // Gives empty blocks back to the arena, except those that hold `keep_room` bytes beside level().
  void Trim(size_t keep_room);

 private:
  // The longest run of stored bytes, from the oldest on.
  absl::Span<uint8_t> Front();
  void Advance(size_t bytes);

  SecretArena* const arena_;
  std::deque<SecretBytes> blocks_;
  // The place of the oldest byte in blocks_.front().
  size_t head_ = 0;
  size_t level_ = 0;
};

}  // namespace entropyd
