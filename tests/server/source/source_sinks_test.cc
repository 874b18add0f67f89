#include "server/source/source_sinks.h"

#include <cstdint>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/driver/fake_driver.h"

namespace entropyd {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class SourceSinksTest : public ::testing::Test {
 protected:
  // Gives a block of one byte.
  double Give(uint8_t byte) { return sinks_.Give({&byte, 1}); }
  static std::vector<int> BlocksOf(const FakeSink& sink) {
    std::vector<int> bytes;
    for (const std::vector<uint8_t>& block : sink.blocks) bytes.push_back(block.at(0));
    return bytes;
  }

  FakeSink one_, two_;
  SourceSinks sinks_;
};

TEST_F(SourceSinksTest, WithoutASinkNobodyWantsAnythingAndNothingIsCredited) {
  EXPECT_FALSE(sinks_.AnyWants());
  EXPECT_EQ(Give(1), 0);
}

TEST_F(SourceSinksTest, EachBlockGoesToOneInTurnAndItsCreditIsTold) {
  sinks_.Add({&one_, 0});
  sinks_.Add({&two_, 0});
  two_.credit_per_byte = 7;
  EXPECT_EQ(Give(1), 4);
  EXPECT_EQ(Give(2), 7);
  Give(3);
  EXPECT_THAT(BlocksOf(one_), ElementsAre(1, 3));
  EXPECT_THAT(BlocksOf(two_), ElementsAre(2));
}

TEST_F(SourceSinksTest, WhoWantsABlockComesFirst) {
  sinks_.Add({&one_, 0});
  sinks_.Add({&two_, 0});
  one_.wants = false;
  Give(1);
  Give(2);
  EXPECT_THAT(BlocksOf(two_), ElementsAre(1, 2));
  EXPECT_TRUE(sinks_.AnyWants());
  two_.wants = false;
  EXPECT_FALSE(sinks_.AnyWants());
  Give(3);
  Give(4);
  EXPECT_THAT(BlocksOf(one_), ElementsAre(3)) << "nobody wants them: they go round";
  EXPECT_THAT(BlocksOf(two_), ElementsAre(1, 2, 4));
}

TEST_F(SourceSinksTest, ANewOneHearsOfTheSourceOnceAndOneThatStaysDoesNot) {
  sinks_.Add({&one_, 0});
  sinks_.Set({{&one_, 0}, {&two_, 3}});
  sinks_.TellNew("device 1:2", v1::SOURCE_STATE_HEALTHY);
  sinks_.TellNew("device 1:2", v1::SOURCE_STATE_HEALTHY);
  EXPECT_THAT(one_.states, IsEmpty());
  EXPECT_THAT(two_.states, ElementsAre(v1::SOURCE_STATE_HEALTHY));
  EXPECT_THAT(two_.roots, ElementsAre("device 1:2"));
}

TEST_F(SourceSinksTest, UnderAnotherNumberItIsANewOne) {
  sinks_.Add({&one_, 0});
  sinks_.Set({{&one_, 1}});
  sinks_.TellNew("", v1::SOURCE_STATE_STARTING);
  EXPECT_THAT(one_.states, ElementsAre(v1::SOURCE_STATE_STARTING));
  EXPECT_THAT(one_.roots, IsEmpty()) << "nobody knows it";
}

TEST_F(SourceSinksTest, WhoHasNotHeardOfTheSourceIsNotAskedFirst) {
  sinks_.Add({&one_, 0});
  sinks_.Set({{&two_, 0}, {&one_, 0}});
  Give(1);
  EXPECT_THAT(BlocksOf(one_), ElementsAre(1));
  sinks_.TellNew("", v1::SOURCE_STATE_HEALTHY);
  Give(2);
  EXPECT_THAT(BlocksOf(two_), ElementsAre(2));
}

TEST_F(SourceSinksTest, WhoWasTakenAwayHearsNothing) {
  sinks_.Add({&one_, 0});
  sinks_.Set({});
  sinks_.TellState(v1::SOURCE_STATE_GONE);
  sinks_.TellRoot("device 1:2");
  EXPECT_THAT(one_.states, IsEmpty());
  EXPECT_THAT(one_.roots, IsEmpty());
}

}  // namespace
}  // namespace entropyd
