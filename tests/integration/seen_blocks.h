// The aligned 16-byte blocks of what clients were given, and whether one came twice.
//
// Thread safety: one thread.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <vector>

namespace entropyd {

class SeenBlocks {
 public:
  static constexpr size_t kBytes = 16;

  void Reserve(size_t blocks) { blocks_.reserve(blocks); }
  // Whole blocks only; what is left over does not count.
  void Add(const uint8_t* bytes, size_t size) {
    for (size_t at = 0; at + kBytes <= size; at += kBytes) {
      Block block;
      memcpy(block.data(), bytes + at, kBytes);
      blocks_.push_back(block);
    }
  }
  // Takes the blocks of another one, which has none then.
  void Take(SeenBlocks* other) {
    blocks_.insert(blocks_.end(), other->blocks_.begin(), other->blocks_.end());
    std::vector<Block>().swap(other->blocks_);
  }
  size_t size() const { return blocks_.size(); }
  // How many blocks are equal to one that came before.
  size_t CountTwice() {
    std::sort(blocks_.begin(), blocks_.end());
    size_t twice = 0;
    for (size_t i = 1; i < blocks_.size(); ++i) twice += blocks_[i] == blocks_[i - 1];
    return twice;
  }

 private:
  using Block = std::array<uint64_t, 2>;
  static_assert(sizeof(Block) == kBytes);

  std::vector<Block> blocks_;
};

}  // namespace entropyd
