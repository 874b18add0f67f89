// A claimant that waits in a leaf and remembers what is done with it.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "server/dispatch/claimant.h"
#include "server/dispatch/class_table.h"
#include "tests/server/fakes.h"

namespace entropyd {

class FakeClaimant final : public Claimant {
 public:
  explicit FakeClaimant(std::string identity = "a") : identity_(std::move(identity)) {}

  uint32_t Plan(uint32_t bytes) override {
    ++offers;
    offered_at = ++last_offer;
    const uint32_t taken = std::min(bytes, room);
    room -= taken;
    planned += taken;
    return taken;
  }
  void OnPool(const PoolState& state, bool discard) override {
    heard.push_back(state.ready() ? "ready" : "not ready");
    if (discard) heard.push_back("discard");
  }
  void OnFigures(uint64_t rate, uint64_t ceil) override { figures = {rate, ceil}; }
  void OnRemoval() override {
    heard.push_back("removed");
    Leave();
  }
  absl::string_view identity() const override { return identity_; }
  // Asked whenever it is weighed.
  uint32_t waiting_guests() const override {
    ++weighed;
    return guests;
  }

  uint32_t room = UINT32_MAX;  // what it takes before it parks
  uint32_t planned = 0;
  uint32_t guests = 1;
  int offers = 0;
  // When it was offered bytes last, as the number of the offer among those to all.
  int offered_at = 0;
  inline static int last_offer = 0;
  mutable int weighed = 0;
  std::vector<std::string> heard;
  std::pair<uint64_t, uint64_t> figures;

 private:
  const std::string identity_;
};

// A table of one pool per FakePool, each with a root and the leaves "one" and "two", which weighs
// guests.
inline std::vector<PoolSetup> SetupsOf(const std::vector<FakePool*>& pools) {
  std::vector<PoolSetup> setups;
  for (FakePool* pool : pools) {
    std::vector<ClassTree::ClassSpec> classes(3);
    classes[0].name = "root";
    classes[0].rate = 100 << 20;
    for (const int i : {1, 2}) {
      classes[i].name = i == 1 ? "one" : "two";
      classes[i].parent = "root";
      classes[i].rate = 10 << 20;
    }
    PoolSetup setup;
    setup.pool = pool;
    setup.tree = ClassTree::Create({.chunk_bytes = 1024}, classes).value();
    for (const char* name : {"one", "two"}) {
      setup.leaves.push_back({pool->name() + "/" + name, setup.tree->FindLeaf(name).value(),
                              10 << 20, ClassTree::kUnlimited, std::string(name) == "two"});
    }
    setups.push_back(std::move(setup));
  }
  return setups;
}

}  // namespace entropyd
