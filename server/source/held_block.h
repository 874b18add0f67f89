// Bytes of a source that have not passed their tests yet: the tail of the last block, then the open
// block. What leaves is wiped.
//
//   held.Append(bytes);                                   // at most room()
//   if (held.closed()) { Deliver(held.passed()); held.KeepTail(); }
//
// Errors: none.
//
// Thread safety: one thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>

#include "absl/types/span.h"
#include "base/crypto/secret_bytes.h"

namespace entropyd {

class HeldBlock {
 public:
  // `memory` holds block_bytes + tail_bytes. The last tail_bytes of a block stay until the next
  // block has passed, because a run may have begun in them.
  HeldBlock(SecretBytes memory, size_t block_bytes, size_t tail_bytes)
      : memory_(std::move(memory)), block_bytes_(block_bytes), tail_bytes_(tail_bytes) {}

  size_t bytes() const { return held_; }
  // The bytes that still fit until the open block closes.
  size_t room() const { return tail_ + block_bytes_ - held_; }
  bool closed() const { return room() == 0; }

  void Append(absl::Span<const uint8_t> bytes) {
    std::memcpy(memory_.data() + held_, bytes.data(), bytes.size());
    held_ += bytes.size();
  }
  // Returns all bytes but the tail. REQUIRES: closed() without an alarm.
  absl::Span<const uint8_t> passed() {
    return memory_.span().first(held_ - std::min(tail_bytes_, held_));
  }
  // Drops what passed; the tail begins the next block.
  void KeepTail() {
    const size_t tail = std::min(tail_bytes_, held_);
    std::memmove(memory_.data(), memory_.data() + held_ - tail, tail);
    Wipe(memory_.span().subspan(tail));
    tail_ = held_ = tail;
  }
  void Drop() {
    Wipe(memory_.span());
    tail_ = held_ = 0;
  }

 private:
  SecretBytes memory_;
  const size_t block_bytes_;
  const size_t tail_bytes_;
  // The bytes of the last block that stay.
  size_t tail_ = 0;
  // The bytes held, including the tail.
  size_t held_ = 0;
};

}  // namespace entropyd
