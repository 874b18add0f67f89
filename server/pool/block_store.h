// Conditioned blocks that wait for delivery, in the order in which they were made. The store knows
// of each block the group of sources that it came from. It wipes what leaves.
//
//   BlockStore store = BlockStore::Create(arena, capacity).value();
//   if (!store.full()) store.Push(group, block);
//   if (store.bytes() >= out.size()) store.XorOut(out);
//
// Errors: RESOURCE_EXHAUSTED at Create(); none later.
//
// Thread safety: one thread at a time.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/crypto/secret_bytes.h"
#include "server/pool/conditioner.h"

namespace entropyd {

class BlockStore {
 public:
  static constexpr size_t kBlockBytes = Conditioner::kBlockBytes;

  // Makes room for `capacity` bytes, rounded down to whole blocks. Errors: RESOURCE_EXHAUSTED.
  static absl::StatusOr<BlockStore> Create(SecretArena* arena, size_t capacity);

  bool full() const { return blocks_ == groups_.size(); }
  size_t bytes() const { return blocks_ * kBlockBytes - consumed_; }

  // REQUIRES: !full(), a block of kBlockBytes.
  void Push(int group, absl::Span<const uint8_t> block);

  // XORs the oldest bytes into `out` and wipes them here. REQUIRES: out.size() <= bytes().
  void XorOut(absl::Span<uint8_t> out);

  // Takes whole blocks from `other`, the oldest first, as far as there is room. A block of which a
  // part has left is not taken. REQUIRES: empty.
  void TakeFrom(BlockStore* other);

  // Wipes every block of that group, and what is left of a block that has begun to leave. The
  // others keep their order.
  void DropGroup(int group);

 private:
  BlockStore(SecretBytes storage, size_t blocks)
      : storage_(std::move(storage)), groups_(blocks, -1) {}
  uint8_t* Block(size_t i) {
    return storage_.data() + ((head_ + i) % groups_.size()) * kBlockBytes;
  }
  int& Group(size_t i) { return groups_[(head_ + i) % groups_.size()]; }
  void PopFront();

  SecretBytes storage_;
  // The group of the block in each slot.
  std::vector<int> groups_;
  // The slot of the oldest block.
  size_t head_ = 0;
  size_t blocks_ = 0;
  // The bytes of the oldest block that have left.
  size_t consumed_ = 0;
};

}  // namespace entropyd
