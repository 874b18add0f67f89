// What the classes of a dispatcher must be, and how much they may give, told from their
// configuration alone: the reference of the model of changing classes. The bucket of a class says
// what its ceiling lets through from this moment on, in the worst of all windows that have begun.
//
// Names are POOL/CLASS. Amounts are bytes, rates bytes per second.
//
// Errors: failures of the running test.
//
// Thread safety: none.
#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/class_tree/class_tree.h"
#include "base/process/clock.h"
#include "base/process/nanos.h"
#include "gtest/gtest.h"

namespace entropyd {

class ClassReference {
 public:
  // Ceilings, each with the class that has it.
  using Ceilings = std::vector<std::pair<std::string, uint64_t>>;

  // `clock` outlives it.
  explicit ClassReference(const Clock* clock) : clock_(clock), refilled_(clock->NowNanos()) {}

  // The classes of a pool are these from now on, as ClassTree::Update() promises it. None = the
  // pool has gone.
  void Adopt(const std::string& pool, const std::vector<ClassTree::ClassSpec>& specs) {
    Refill();
    std::map<std::string, Ideal> before;
    for (auto it = classes_.begin(); it != classes_.end();) {
      const bool of_pool = it->first.compare(0, pool.size() + 1, pool + "/") == 0;
      if (of_pool) before.insert(*it);
      it = of_pool ? classes_.erase(it) : std::next(it);
    }
    for (const ClassTree::ClassSpec& spec : specs) {
      const std::string name = absl::StrCat(pool, "/", spec.name);
      const bool capped = spec.ceil != ClassTree::kUnlimited;
      Ideal ideal;
      ideal.spec = spec;
      ideal.tokens = capped ? static_cast<double>(spec.cburst) : kPlenty;
      if (!spec.parent.empty()) ideal.parent = absl::StrCat(pool, "/", spec.parent);
      if (capped && before.count(name) > 0) {
        ideal.tokens = std::min(ideal.tokens, before.at(name).tokens);
      }
      classes_[name] = ideal;
    }
    for (auto& [name, ideal] : classes_) {
      if (!ideal.parent.empty()) classes_.at(ideal.parent).leaf = false;
    }
  }

  bool IsLeaf(const std::string& name) const {
    const auto found = classes_.find(name);
    return found != classes_.end() && found->second.leaf;
  }
  // REQUIRES of all that follow: the class is there.
  uint64_t RateOf(const std::string& name) const { return classes_.at(name).spec.rate; }
  // As agents are told: 0 = none.
  uint64_t LowestCeil(const std::string& name) const {
    uint64_t lowest = ClassTree::kUnlimited;
    for (std::string at = name; !at.empty(); at = classes_.at(at).parent) {
      lowest = std::min(lowest, classes_.at(at).spec.ceil);
    }
    return lowest == ClassTree::kUnlimited ? 0 : lowest;
  }
  Ceilings Above(const std::string& name) const {
    Ceilings above;
    for (std::string at = classes_.at(name).parent; !at.empty(); at = classes_.at(at).parent) {
      const uint64_t ceil = classes_.at(at).spec.ceil;
      if (ceil != ClassTree::kUnlimited) above.emplace_back(at, ceil);
    }
    return above;
  }

  // Time has passed.
  void Refill() {
    const double seconds = static_cast<double>(clock_->NowNanos() - refilled_) / kSecondNanos;
    refilled_ = clock_->NowNanos();
    for (auto& [name, ideal] : classes_) {
      if (ideal.spec.ceil == ClassTree::kUnlimited) continue;
      ideal.tokens = std::min(ideal.tokens + seconds * static_cast<double>(ideal.spec.ceil),
                              static_cast<double>(ideal.spec.cburst));
    }
  }
  // A class gave so much, and so did all above it.
  void Charge(const std::string& name, uint64_t bytes) {
    for (std::string at = name; !at.empty(); at = classes_.at(at).parent) {
      Ideal& ideal = classes_.at(at);
      if (ideal.spec.ceil == ClassTree::kUnlimited) continue;
      ideal.tokens -= static_cast<double>(bytes);
      EXPECT_GT(ideal.tokens, -1) << at << " gives more than its ceiling lets through";
    }
  }
  // Whether a ceiling, its own or one above it, does not let a chunk through now.
  bool HeldBack(const std::string& name, uint32_t chunk) const {
    bool held_back = false;
    for (std::string at = name; !at.empty(); at = classes_.at(at).parent) {
      const Ideal& ideal = classes_.at(at);
      held_back |= ideal.spec.ceil != ClassTree::kUnlimited && ideal.tokens < chunk + 1;
    }
    return held_back;
  }

 private:
  static constexpr double kPlenty = 1e18;

  struct Ideal {
    ClassTree::ClassSpec spec;
    std::string parent;  // empty = root
    bool leaf = true;
    double tokens = 0;
  };

  const Clock* const clock_;
  int64_t refilled_;
  std::map<std::string, Ideal> classes_;
};

}  // namespace entropyd
