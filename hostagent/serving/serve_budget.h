// What one class may still do in one turn of the loop: bytes that it gives, grants that it makes,
// and members that it visits.
//
//   ServeBudget budget(/*sharers=*/3);           // as many classes have work
//   for (size_t n = budget.TakeVisits(touched.size()); n > 0; --n) Ask();
//   while (!budget.spent()) budget.Granted(Grant(budget.bytes()));
//
// Errors: none.
//
// Thread safety: a value.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace entropyd {

class ServeBudget {
 public:
  // What all classes together give in one turn at most, and to how many grants and touched members
  // they come: about a millisecond. Each has the least of its own, so that none waits for others.
  static constexpr uint64_t kBytes = 128 * 1024;
  static constexpr uint32_t kVisits = 256;
  static constexpr uint64_t kMinBytes = 8 * 1024;
  static constexpr uint32_t kMinVisits = 16;
  // A member that wants another pass counts as this many more. It has written as much as it may;
  // some of that may be replies without entropy, which nothing else counts. So a turn has 16 passes
  // for it.
  static constexpr uint32_t kAgainVisits = 15;

  // Nothing may be done.
  ServeBudget() = default;
  // As many classes share one turn.
  explicit ServeBudget(uint32_t sharers)
      : bytes_(std::max(kBytes / sharers, kMinBytes)),
        grants_(std::max(kVisits / sharers, kMinVisits)),
        visits_(grants_) {}

  // Nothing may be given any more.
  bool spent() const { return bytes_ == 0 || grants_ == 0; }
  uint64_t bytes() const { return bytes_; }
  uint32_t grants() const { return grants_; }
  // One grant was made. REQUIRES: not spent(), and `bytes` <= bytes().
  void Granted(uint32_t bytes) {
    bytes_ -= bytes;
    --grants_;
  }

  bool may_visit() const { return visits_ > 0; }
  // How many of `most` members may be visited; these count from now on.
  size_t TakeVisits(size_t most) {
    const uint32_t taken = static_cast<uint32_t>(std::min<size_t>(most, visits_));
    visits_ -= taken;
    return taken;
  }
  // A member wants another pass.
  void Again() { visits_ -= std::min(visits_, kAgainVisits); }

 private:
  uint64_t bytes_ = 0;
  uint32_t grants_ = 0;
  uint32_t visits_ = 0;
};

}  // namespace entropyd
