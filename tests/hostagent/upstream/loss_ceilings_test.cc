#include "hostagent/upstream/loss_ceilings.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/hostagent/fake_buffer.h"

namespace entropyd {
namespace {

class GivingBuffer final : public FakeBuffer {
 public:
  void SetCeil(uint64_t to) override { ceil = to; }
  bool gives_in_a_loss() const override { return gives; }
  uint64_t ceil = UINT64_MAX;  // not told
  bool gives = true;
};

using Above = std::vector<std::pair<std::string, uint64_t>>;

v1::ChannelState Figures(uint64_t rate, uint64_t ceil, const Above& above) {
  v1::ChannelState state;
  state.set_phase(v1::PHASE_OPEN);
  state.set_rate(rate);
  state.set_ceil(ceil);
  for (const auto& [name, of] : above) {
    state.add_above()->set_class_(name);
    state.mutable_above()->rbegin()->set_ceil(of);
  }
  return state;
}

class LossCeilingsTest : public testing::Test {
 protected:
  void Make(size_t classes) {
    buffers_.clear();
    std::vector<ClassBuffer*> all;
    for (size_t i = 0; i < classes; ++i) {
      buffers_.push_back(std::make_unique<GivingBuffer>());
      all.push_back(buffers_.back().get());
    }
    ceilings_ = std::make_unique<LossCeilings>(all);
  }
  void Tell(size_t i, const v1::ChannelState& state) { ceilings_->Tell(*buffers_[i], state); }
  uint64_t CeilOf(size_t i) const { return buffers_[i]->ceil; }

  std::vector<std::unique_ptr<GivingBuffer>> buffers_;
  std::unique_ptr<LossCeilings> ceilings_;
};

TEST_F(LossCeilingsTest, ClassesBelowOneCeilingHaveItTogether) {
  Make(3);
  Tell(0, Figures(300, 1'000, {{"default/root", 1'000}}));
  EXPECT_EQ(CeilOf(0), 1'000u) << "it is alone";
  Tell(1, Figures(100, 1'000, {{"default/root", 1'000}}));
  Tell(2, Figures(500, 0, {}));
  EXPECT_EQ(CeilOf(0), 750u);
  EXPECT_EQ(CeilOf(1), 250u);
  EXPECT_EQ(CeilOf(2), 0u) << "no ceiling is above it";
}

TEST_F(LossCeilingsTest, WhatASoundServerNeverSaysChangesNothing) {
  Make(2);
  Tell(0, Figures(300, 1'000, {{"default/root", 0}}));
  EXPECT_EQ(CeilOf(0), 1'000u) << "0 is no ceiling";
  Tell(0, Figures(300, 0, {{"default/root", 600}, {"default/root", 600}}));
  Tell(1, Figures(300, 0, {{"default/root", 600}}));
  EXPECT_EQ(CeilOf(0), 300u) << "one name counts once";
  Tell(1, Figures(300, 2'000, {{"default/top", UINT64_MAX}}));
  EXPECT_EQ(CeilOf(1), 2'000u);
}

TEST_F(LossCeilingsTest, AClassThatBlocksInALossHasNoPart) {
  Make(2);
  buffers_[1]->gives = false;
  Tell(1, Figures(900, 1'000, {{"default/root", 1'000}}));
  Tell(0, Figures(100, 1'000, {{"default/root", 1'000}}));
  EXPECT_EQ(CeilOf(0), 1'000u);
}

TEST_F(LossCeilingsTest, ItsOwnCeilingHoldsWhereItIsLess) {
  Make(2);
  Tell(0, Figures(500, 600, {{"default/root", 4'000}}));
  Tell(1, Figures(500, 4'000, {{"default/root", 4'000}}));
  EXPECT_EQ(CeilOf(0), 600u);
  EXPECT_EQ(CeilOf(1), 2'000u);
}

// A server of an older version says nothing of classes above.
TEST_F(LossCeilingsTest, WithoutAWordOfThoseAboveTheCeilingIsTheClasss) {
  Make(2);
  for (size_t i = 0; i < 2; ++i) Tell(i, Figures(100, 1'000, {}));
  EXPECT_EQ(CeilOf(0), 1'000u);
  EXPECT_EQ(CeilOf(1), 1'000u);
}

TEST_F(LossCeilingsTest, AServerThatNamesMoreThanItMayIsHeardThatFar) {
  Make(1);
  Above many;
  for (size_t i = 0; i < 2 * LossCeilings::kMaxAbove; ++i) {
    many.emplace_back(absl::StrCat("default/", i), 1'000 - i);
  }
  many[0].first = std::string(LossCeilings::kMaxNameBytes + 1, 'n');
  Tell(0, Figures(1, 0, many));
  EXPECT_EQ(CeilOf(0), 1'000 - LossCeilings::kMaxAbove);
}

// Whatever servers say of trees that change, in whatever order.
TEST_F(LossCeilingsTest, TogetherTheyNeverGiveMoreThanACeilingAboveAndNoneLessThanItsRate) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 300; ++round) {
    const size_t classes = 1 + random() % 6;
    Make(classes);
    std::map<std::string, uint64_t> ceils;
    std::vector<v1::ChannelState> told(classes);
    for (int step = 0; step < 40; ++step) {
      const size_t i = random() % classes;
      buffers_[i]->gives = random() % 4 > 0;
      Above above;
      for (const char* name : {"default/a", "default/b", "default/root"}) {
        if (random() % 2 == 0) continue;
        // More than all rates together, as a server's configuration must have it.
        ceils[name] = 6'000 + random() % 100'000;
        above.emplace_back(name, ceils[name]);
      }
      told[i] =
          Figures(1 + random() % 1'000, random() % 3 == 0 ? 0 : 1'000 + random() % 5'000, above);
      Tell(i, told[i]);
      for (const auto& [name, ceil] : ceils) {
        uint64_t sum = 0;
        for (size_t j = 0; j < classes; ++j) {
          const bool below =
              std::any_of(told[j].above().begin(), told[j].above().end(),
                          [&shared = name](const auto& one) { return one.class_() == shared; });
          if (below && buffers_[j]->gives) sum += CeilOf(j);
        }
        ASSERT_LE(sum, ceil) << name << ", round " << round << ", step " << step;
      }
      for (size_t j = 0; j < classes; ++j) {
        const bool none = CeilOf(j) == UINT64_MAX || CeilOf(j) == 0;
        ASSERT_TRUE(none || CeilOf(j) >= told[j].rate()) << "round " << round << ", step " << step;
      }
    }
  }
}

}  // namespace
}  // namespace entropyd
