#include "server/pool/block_store.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace entropyd {

absl::StatusOr<BlockStore> BlockStore::Create(SecretArena* arena, size_t capacity) {
  const size_t blocks = std::max<size_t>(1, capacity / kBlockBytes);
  absl::StatusOr<SecretBytes> storage = arena->Allocate(blocks * kBlockBytes);
  if (!storage.ok()) return storage.status();
  return BlockStore(*std::move(storage), blocks);
}

void BlockStore::Push(int group, absl::Span<const uint8_t> block) {
  std::memcpy(Block(blocks_), block.data(), kBlockBytes);
  Group(blocks_) = group;
  ++blocks_;
}

void BlockStore::PopFront() {
  head_ = (head_ + 1) % groups_.size();
  --blocks_;
  consumed_ = 0;
}

void BlockStore::XorOut(absl::Span<uint8_t> out) {
  while (!out.empty()) {
    uint8_t* from = Block(0) + consumed_;
    const size_t n = std::min(out.size(), kBlockBytes - consumed_);
    for (size_t i = 0; i < n; ++i) out[i] ^= from[i];
    Wipe({from, n});
    out.remove_prefix(n);
    consumed_ += n;
    if (consumed_ == kBlockBytes) PopFront();
  }
}

void BlockStore::TakeFrom(BlockStore* other) {
  if (other->consumed_ > 0)
    other->PopFront();  // it is half gone; its memory is wiped with the rest
  for (; other->blocks_ > 0 && !full(); other->PopFront()) {
    Push(other->Group(0), {other->Block(0), kBlockBytes});
    Wipe({other->Block(0), kBlockBytes});
  }
}

void BlockStore::DropGroup(int group) {
  // A block that is half gone cannot move to a whole slot, so the rest of it goes too.
  if (consumed_ > 0) {
    Wipe({Block(0), kBlockBytes});
    PopFront();
  }
  size_t kept = 0;
  for (size_t i = 0; i < blocks_; ++i) {
    if (Group(i) != group) {
      if (kept != i) {
        std::memcpy(Block(kept), Block(i), kBlockBytes);
        Group(kept) = Group(i);
      }
      ++kept;
    }
  }
  for (size_t i = kept; i < blocks_; ++i) Wipe({Block(i), kBlockBytes});
  blocks_ = kept;
}

}  // namespace entropyd
