#include "hostagent/serving/secret_ring.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace entropyd {

size_t SecretRing::ArenaBytes(size_t bytes) {
  return (bytes + kBlockBytes - 1) / kBlockBytes * kBlockBytes + kBlockBytes;
}

size_t SecretRing::Reserve(size_t bytes) {
  while (room() < bytes) {
    absl::StatusOr<SecretBytes> block = arena_->Allocate(kBlockBytes);
    if (!block.ok()) break;
    blocks_.push_back(*std::move(block));
  }
  return std::min(room(), bytes);
}

void SecretRing::Append(absl::Span<const uint8_t> bytes) {
  if (bytes.size() > room()) std::abort();  // a caller's bug: to go on would write past the block
  while (!bytes.empty()) {
    const size_t at = head_ + level_;
    SecretBytes& block = blocks_[at / kBlockBytes];
    const size_t offset = at % kBlockBytes;
    const size_t n = std::min(bytes.size(), kBlockBytes - offset);
    std::memcpy(block.data() + offset, bytes.data(), n);
    level_ += n;
    bytes.remove_prefix(n);
  }
}

absl::Span<uint8_t> SecretRing::Front() {
  if (level_ == 0) return {};
  return blocks_.front().span().subspan(head_, std::min(level_, kBlockBytes - head_));
}

void SecretRing::Advance(size_t bytes) {
  head_ += bytes;
  level_ -= bytes;
  if (head_ < kBlockBytes && level_ > 0) return;
  // The oldest block is empty. It becomes the newest one, until Trim() gives it back.
  if (blocks_.size() > 1 && head_ == kBlockBytes) {
    SecretBytes emptied = std::move(blocks_.front());
    blocks_.pop_front();
    blocks_.push_back(std::move(emptied));
  }
  if (head_ == kBlockBytes || level_ == 0) head_ = 0;
}

size_t SecretRing::Take(absl::Span<uint8_t> out) {
  size_t taken = 0;
  while (taken < out.size() && level_ > 0) {
    absl::Span<uint8_t> front = Front();
    front = front.subspan(0, std::min(front.size(), out.size() - taken));
    std::memcpy(out.data() + taken, front.data(), front.size());
    Wipe(front);
    taken += front.size();
    Advance(front.size());
  }
  return taken;
}

void SecretRing::Drop(size_t bytes) {
  while (bytes > 0 && level_ > 0) {
    absl::Span<uint8_t> front = Front();
    front = front.subspan(0, std::min(front.size(), bytes));
    Wipe(front);
    bytes -= front.size();
    Advance(front.size());
  }
}

void SecretRing::Trim(size_t keep_room) {
  while (!blocks_.empty() && room() >= kBlockBytes && room() - kBlockBytes >= keep_room) {
    blocks_.pop_back();
  }
}

}  // namespace entropyd
