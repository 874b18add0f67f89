// Conditioned blocks that wait to be delivered, each known by the group of sources it came from, in
// the order in which they were made. What leaves is wiped.
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

  // Room for `capacity` bytes, rounded down to blocks. Errors: RESOURCE_EXHAUSTED.
  static absl::StatusOr<BlockStore> Create(SecretArena* arena, size_t capacity);

  bool full() const { return blocks_ == groups_.size(); }
  size_t bytes() const { return blocks_ * kBlockBytes - consumed_; }

  // REQUIRES: !full(), a block of kBlockBytes.
  void Push(int group, absl::Span<const uint8_t> block);

  // XORs the oldest bytes into `out` and wipes them here. REQUIRES: out.size() <= bytes().
  void XorOut(absl::Span<uint8_t> out);

  // Wipes every block of that group; the others keep their order.
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
  // By slot.
  std::vector<int> groups_;
  // Slot of the oldest block.
  size_t head_ = 0;
  size_t blocks_ = 0;
  // Bytes of the oldest block that are gone.
  size_t consumed_ = 0;
};

}  // namespace entropyd
