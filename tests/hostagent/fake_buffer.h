// A class buffer without locked memory, targets or age: what was appended comes out again. Fill()
// appends bytes that depend on their position in the class's stream, so that loss, repeats and
// reordering show.
#pragma once

#include <algorithm>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "hostagent/serving/class_buffer.h"

namespace entropyd {

// The byte at `position` of every fake stream. The period is far longer than a test's stream.
inline uint8_t StreamByte(uint64_t position) {
  const uint64_t mixed = (position / 8 + 1) * 0x9e3779b97f4a7c15u;
  return static_cast<uint8_t>(mixed >> (8 * (position % 8)));
}

inline std::vector<uint8_t> StreamBytes(uint64_t first, size_t bytes) {
  std::vector<uint8_t> out(bytes);
  for (size_t i = 0; i < bytes; ++i) out[i] = StreamByte(first + i);
  return out;
}

class FakeBuffer : public ClassBuffer {
 public:
  explicit FakeBuffer(std::string name = "default/gold", size_t size = 1 << 20)
      : name_(std::move(name)), size_(size) {}

  void Fill(size_t bytes) {
    const std::vector<uint8_t> fresh = StreamBytes(appended_, bytes);
    Append(fresh);
  }

  const std::string& class_name() const override { return name_; }
  size_t size() const override { return size_; }
  size_t level() const override { return bytes_.size(); }
  size_t target() const override { return size_; }
  void Append(absl::Span<const uint8_t> bytes) override {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    appended_ += bytes.size();
  }
  size_t Take(absl::Span<uint8_t> out) override {
    const size_t n = std::min(out.size(), bytes_.size());
    std::copy_n(bytes_.begin(), n, out.begin());
    bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<ptrdiff_t>(n));
    return n;
  }
  void Discard() override { bytes_.clear(); }
  void SetDemand(const Demand& demand) override { demand_ = demand; }
  const Demand& demand() const override { return demand_; }
  void Tick() override {}
  uint64_t WantMore(uint64_t promised) override {
    return size_ - std::min<uint64_t>(size_, level() + promised);
  }
  uint64_t discarded_bytes() const override { return 0; }
  bool Spares(size_t bytes) const override { return level() > bytes + low_water; }

  size_t low_water = size_t{1} << 40;  // nothing to spare

 private:
  const std::string name_;
  const size_t size_;
  std::deque<uint8_t> bytes_;
  uint64_t appended_ = 0;
  Demand demand_;
};

}  // namespace entropyd
