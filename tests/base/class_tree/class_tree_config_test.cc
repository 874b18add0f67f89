// Which classes make a tree, what is put for what they leave out, and what is said of the others.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/base/class_tree/class_tree_rig.h"

namespace entropyd {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST_F(ClassTreeTest, OnlyLeavesTakeMembers) {
  Make({{.name = "root"}, {.name = "a", .parent = "root", .rate = 1000}});
  EXPECT_TRUE(tree_->FindLeaf("a").ok());
  EXPECT_EQ(tree_->FindLeaf("nobody").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(tree_->FindLeaf("root").status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(ClassTreeTest, ParentsMayBeListedAfterTheirChildren) {
  Make({{.name = "leaf", .parent = "inner", .rate = 1000},
        {.name = "inner", .parent = "root"},
        {.name = "root"}});
  EXPECT_EQ(tree_->Stats(0).front().spec.name, "root");
  EXPECT_EQ(Stats("inner").spec.rate, 1000u);
}

TEST_F(ClassTreeTest, DefaultBurstsAreFourChunksOrTenMilliseconds) {
  Make({{.name = "root", .rate = 10'000'001, .ceil = 20'000'000}}, {.chunk_bytes = 1024});
  EXPECT_EQ(Stats("root").spec.burst, 100'001u);
  EXPECT_EQ(Stats("root").spec.cburst, 200'000u);
  Make({{.name = "root", .rate = 1000}}, {.chunk_bytes = 1024});
  EXPECT_EQ(Stats("root").spec.burst, 4096u);
}

struct Refusal {
  std::vector<ClassTree::ClassSpec> specs;
  std::string names;  // the class
  std::string value;
  std::string remedy;
};

void ExpectRefused(const std::vector<Refusal>& refusals) {
  for (const Refusal& refusal : refusals) {
    const absl::Status status = ClassTree::Create({.chunk_bytes = 1024}, refusal.specs).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << refusal.value;
    EXPECT_THAT(
        std::string(status.message()),
        AllOf(HasSubstr(refusal.names), HasSubstr(refusal.value), HasSubstr(refusal.remedy)));
  }
}

TEST(ClassTreeConfigTest, WrongRatesAndCeilingsAreRefusedNamingClassValueAndRemedy) {
  const ClassTree::ClassSpec root{.name = "root"};
  ExpectRefused({
      {{root, {.name = "a", .parent = "root", .rate = 4096, .ceil = 1024}},
       "class 'a'",
       "ceil 1KiB/s is below the rate 4KiB/s",
       "raise the ceil"},
      {{{.name = "root", .rate = 2048},
        {.name = "a", .parent = "root", .rate = 1024},
        {.name = "b", .parent = "root", .rate = 1025}},
       "class 'root'",
       "rate 2KiB/s is below the sum of its children's, 2049B/s",
       "lower theirs"},
      {{root, {.name = "a", .parent = "root"}}, "class 'a'", "rate 0", "e.g. 1KiB/s"},
      {{root, {.name = "a", .parent = "root", .rate = 1000, .ceil = 0}},
       "class 'a'",
       "ceil 0",
       "leave it out"},
  });
}

TEST(ClassTreeConfigTest, WrongBurstsWeightsAndPrioritiesAreRefused) {
  const ClassTree::ClassSpec root{.name = "root"};
  ExpectRefused({
      {{root, {.name = "a", .parent = "root", .rate = 1000, .burst = 4095}},
       "class 'a'",
       "burst 4095B is below 4KiB",
       "raise it"},
      {{root, {.name = "a", .parent = "root", .rate = 1 << 20, .burst = 4096}},
       "class 'a'",
       "burst 4KiB is below 10486B",
       "leave it out"},
      {{root, {.name = "a", .parent = "root", .rate = 1000, .ceil = 1 << 20, .cburst = 8192}},
       "class 'a'",
       "cburst 8KiB is below 10486B",
       "raise it"},
      {{root, {.name = "a", .parent = "root", .rate = 1000, .cburst = 8192}},
       "class 'a'",
       "cburst 8KiB belongs to a ceil",
       "add a ceil"},
      {{root, {.name = "a", .parent = "root", .rate = 1000, .burst = uint64_t{5} << 30}},
       "class 'a'",
       "burst 5GiB is above 4GiB",
       "lower it"},
      {{root, {.name = "a", .parent = "root", .rate = uint64_t{512} << 30}},
       "class 'a'",
       "rate 512GiB/s is above 256GiB/s",
       "lower it"},
      {{root, {.name = "a", .parent = "root", .rate = 1, .ceil = uint64_t{512} << 30}},
       "class 'a'",
       "ceil 512GiB/s is above 256GiB/s",
       "leave it out"},
      {{root, {.name = "a", .parent = "root", .rate = 1000, .weight = -2}},
       "class 'a'",
       "weight -2",
       "positive"},
      {{root,
        {.name = "a", .parent = "root", .rate = 1000, .weight = 1e-20},
        {.name = "b", .parent = "root", .rate = 1000}},
       "class 'b'",
       "weight 1000",
       "closer"},
      {{root, {.name = "a", .parent = "root", .rate = 1000, .prio = 8}},
       "class 'a'",
       "prio 8",
       "0..7"},
  });
}

TEST(ClassTreeConfigTest, WhatIsNoTreeIsRefusedNamingClassValueAndRemedy) {
  const ClassTree::ClassSpec root{.name = "root"};
  ExpectRefused({
      {{root, {.name = "stem"}}, "class 'stem'", "second root beside 'root'", "give it a parent"},
      {{{.name = "a", .parent = "b", .rate = 1}, {.name = "b", .parent = "a"}},
       "classes",
       "no root",
       "without a parent"},
      {{}, "classes", "no root", "without a parent"},
      {{root,
        {.name = "a", .parent = "root", .rate = 1},
        {.name = "a", .parent = "root", .rate = 1}},
       "class 'a'",
       "used twice",
       "rename"},
      {{root, {.name = "a", .parent = "roots", .rate = 1}},
       "class 'a'",
       "'roots' does not exist",
       "add that class"},
      {{root,
        {.name = "a", .parent = "b", .rate = 1},
        {.name = "b", .parent = "c"},
        {.name = "c", .parent = "b"},
        {.name = "d", .parent = "root", .rate = 1}},
       "class 'a'",
       "cycle through 'b'",
       "below the root 'root'"},
      {{root, {.parent = "root", .rate = 1}}, "class 2 of 2", "no name", "give it one"},
  });
}

TEST(ClassTreeConfigTest, TheSmallestLegalValuesPass) {
  const std::vector<ClassTree::ClassSpec> specs = {
      {.name = "root", .rate = 2048},
      {.name = "a", .parent = "root", .rate = 1024, .ceil = 1024, .burst = 4096, .cburst = 4096},
      {.name = "b", .parent = "root", .rate = 1024, .prio = 7}};
  EXPECT_TRUE(ClassTree::Create({.chunk_bytes = 1024}, specs).ok());
}

TEST(ClassTreeConfigTest, SimulationsMayHaveLeavesWithoutARateIfTheyHaveAWeight) {
  const ClassTree::Options options{.allow_zero_rate_leaves = true};
  std::vector<ClassTree::ClassSpec> specs = {{.name = "root"},
                                             {.name = "a", .parent = "root", .weight = 1}};
  EXPECT_TRUE(ClassTree::Create(options, specs).ok());
  specs[1].weight = 0;
  EXPECT_THAT(std::string(ClassTree::Create(options, specs).status().message()),
              AllOf(HasSubstr("class 'a'"), HasSubstr("weight 0")));
}

TEST(ClassTreeConfigTest, ChunksAreBounded) {
  const std::vector<ClassTree::ClassSpec> specs = {{.name = "root", .rate = 1000}};
  EXPECT_FALSE(ClassTree::Create({.chunk_bytes = 0}, specs).ok());
  EXPECT_FALSE(ClassTree::Create({.chunk_bytes = (1 << 20) + 1}, specs).ok());
  EXPECT_TRUE(ClassTree::Create({.chunk_bytes = 1 << 20}, specs).ok());
}

}  // namespace
}  // namespace entropyd
