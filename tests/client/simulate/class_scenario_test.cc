#include "client/simulate/class_scenario.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "absl/strings/str_cat.h"
#include "client/process/scratch_dir.h"
#include "client/process/whole_file.h"

namespace entropyd {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

// Two leaves below a root, with what a test adds to the class `a` and to the document.
std::string Document(const std::string& of_a, const std::string& rest = "") {
  return absl::StrCat(R"({"capacity": 100, "classes": [{"name": "root"},
      {"name": "a", "parent": "root", )",
                      of_a, R"(}, {"name": "b", "parent": "root", "rate": 10}])",
                      rest.empty() ? "" : ", ", rest, "}");
}

TEST(ClassScenarioTest, WhatIsLeftOutHasItsDefault) {
  const auto scenario = ParseClassScenario(Document(R"("rate": 30.5)"), "plan.json");
  ASSERT_TRUE(scenario.ok()) << scenario.status();
  EXPECT_EQ(scenario->capacity, 100);
  EXPECT_EQ(scenario->shed, ClassTree::Shed::kProportional);
  EXPECT_THAT(scenario->load, IsEmpty());
  EXPECT_THAT(scenario->warnings, IsEmpty());
  ASSERT_EQ(scenario->classes.size(), 3u);
  const ClassScenario::Class& root = scenario->classes[0];
  EXPECT_EQ(root.name, "root");
  EXPECT_EQ(root.rate, 40.5);
  EXPECT_FALSE(root.leaf);
  const ClassScenario::Class& a = scenario->classes[1];
  EXPECT_EQ(a.rate, 30.5);
  EXPECT_TRUE(std::isinf(a.ceil));
  EXPECT_EQ(a.weight, 30.5);
  EXPECT_EQ(a.prio, 0u);
  EXPECT_TRUE(a.leaf);
}

TEST(ClassScenarioTest, WhatIsWrittenIsTaken) {
  const auto scenario = ParseClassScenario(
      Document(R"("rate": 30, "ceil": 60, "weight": 0.5, "prio": 7)",
               R"("shed": "priority", "load": {"a": 45, "b": null}, "why": "a note")"),
      "plan.json");
  ASSERT_TRUE(scenario.ok()) << scenario.status();
  EXPECT_EQ(scenario->shed, ClassTree::Shed::kPriority);
  EXPECT_THAT(scenario->load, ElementsAre(Pair("a", 45)));
  EXPECT_EQ(scenario->classes[1].ceil, 60);
  EXPECT_EQ(scenario->classes[1].weight, 0.5);
  EXPECT_EQ(scenario->classes[1].prio, 7u);
}

TEST(ClassScenarioTest, SumsOfDecimalFiguresMayBeOffByARounding) {
  // 0.1 + 0.2 is 0.30000000000000004 in binary.
  const auto scenario = ParseClassScenario(
      R"({"capacity": 1, "classes": [{"name": "root", "rate": 0.3},
          {"name": "a", "parent": "root", "rate": 0.1}, {"name": "b", "parent": "root", "rate": 0.2}]})",
      "plan.json");
  EXPECT_TRUE(scenario.ok()) << scenario.status();
}

TEST(ClassScenarioTest, ALeafWithoutARateIsAWarning) {
  const auto scenario = ParseClassScenario(Document(R"("weight": 1)"), "plan.json");
  ASSERT_TRUE(scenario.ok()) << scenario.status();
  EXPECT_THAT(scenario->warnings, ElementsAre(AllOf(HasSubstr("plan.json"), HasSubstr("'a'"),
                                                    HasSubstr("rate 0"), HasSubstr("refuses"))));
}

TEST(ClassScenarioTest, WithoutACapacityTheCeilingsAndLoadsBoundIt) {
  const std::string bounded = R"({"capacity": null, "classes": [{"name": "root"},
      {"name": "a", "parent": "root", "rate": 1, "ceil": 2}, {"name": "b", "parent": "root", "rate": 1}],
      "load": {"b": 5}})";
  const auto scenario = ParseClassScenario(bounded, "plan.json");
  ASSERT_TRUE(scenario.ok()) << scenario.status();
  EXPECT_TRUE(std::isinf(scenario->capacity));
  EXPECT_EQ(MostServed(*scenario), 7);
}

struct Refusal {
  std::string json;
  std::string where;
  std::string value;
  std::string remedy;
};

TEST(ClassScenarioTest, WrongScenariosAreRefusedNamingFileClassValueAndRemedy) {
  const std::vector<Refusal> refusals = {
      {"capacity: 100", "plan.json: is not a JSON object", "", "--help"},
      {"", "plan.json: is not a JSON object", "", "--help"},
      {"[1]", "plan.json: is not a JSON object", "", "--help"},
      {"{}", "plan.json: has no classes", "", "add \"classes\""},
      {R"({"capacity": 1, "classes": {}})", "classes is", "an object", "write a list"},
      {R"({"capacity": 1, "classes": [7]})", "class 1 of 1", "is 7", "write an object"},
      {R"({"capacity": 1, "classes": [{"rate": 1}]})", "class 1 of 1", "no name", "add \"name\""},
      {R"({"capacity": 1, "classes": [{"name": 3}]})", "class 1 of 1", "name is 3", "in quotes"},
      {R"({"capacity": 1, "classes": []})", "classes", "no root", "without a parent"},
      {R"({"classes": [{"name": "root", "rate": 1}]})", "plan.json: has no capacity", "",
       "add \"capacity\""},
      {R"({"capacity": -1, "classes": [{"name": "root", "rate": 1}]})", "capacity", "-1",
       "0 or more"},
      {R"({"capacity": "much", "classes": [{"name": "root", "rate": 1}]})", "capacity", "\"much\"",
       "null for no limit"},
      {R"({"capacity": null, "classes": [{"name": "root", "rate": 1}]})", "class 'root'",
       "capacity null", "give a capacity"},
      {Document(R"("rate": -3)"), "class 'a'", "rate -3 is negative", "0 or more"},
      {Document(R"("rate": "fast")"), "class 'a'", "rate is \"fast\"", "0 or more"},
      {Document(R"("rate": null)"), "class 'a'", "rate is null", "leave it out"},
      {Document(R"("rate": 30, "ceil": 20)"), "class 'a'", "ceil 20 is below the rate 30",
       "raise the ceil"},
      {Document(R"("rate": 0, "weight": 1, "ceil": 0)"), "class 'a'", "ceil 0", "leave it out"},
      {Document(R"("rate": 30, "weight": 0)"), "class 'a'", "weight 0", "positive weight"},
      {Document(R"("rate": 0)"), "class 'a'", "weight 0", "does not stand in"},
      {Document(R"("rate": 30, "prio": 8)"), "class 'a'", "prio 8", "0..7"},
      {Document(R"("rate": 30, "prio": 1.5)"), "class 'a'", "prio 1.5", "0..7"},
      {Document(R"("rate": 30, "wieght": 2)"), "class 'a'", "wieght", "a class has name, parent"},
      {R"({"capacity": 1, "classes": [{"name": "root", "rate": 5},
           {"name": "a", "parent": "root", "rate": 6}]})",
       "class 'root'", "rate 5 is below the sum of its children's, 6", "lower theirs"},
      {R"({"capacity": 1, "classes": [{"name": "root"}, {"name": "a", "parent": "roof", "rate": 6}]})",
       "class 'a'", "'roof' does not exist", "add that class"},
      {R"({"capacity": 1, "classes": [{"name": "root"}, {"name": "a", "parent": 5}]})", "class 'a'",
       "parent is 5", "in quotes"},
      {R"({"capacity": 1, "classes": [{"name": "root"}, {"name": "a", "parent": "b", "rate": 6},
           {"name": "b", "parent": "a"}, {"name": "c", "parent": "root", "rate": 1}]})",
       "class 'a'", "cycle through 'b'", "below the root"},
      {R"({"capacity": 1, "classes": [{"name": "root", "rate": 1}, {"name": "root", "rate": 1}]})",
       "class 'root'", "used twice", "rename"},
      {Document(R"("rate": 30)", R"("load": {"c": 5})"), "load of 'c'", "is 5",
       "name one of the leaves"},
      {Document(R"("rate": 30)", R"("load": {"root": 5})"), "load of 'root'", "is 5", "its leaves"},
      {Document(R"("rate": 30)", R"("load": {"a": -5})"), "load of 'a'", "-5 is negative",
       "0 or more"},
      {Document(R"("rate": 30)", R"("load": 5)"), "load is 5", "", "write an object"},
      {Document(R"("rate": 30)", R"("shed": "random")"), "shed", "\"random\"", "\"proportional\""},
      {Document(R"("rate": 30)", R"("shed": 1)"), "shed", "is 1", "\"proportional\""},
  };
  for (const Refusal& refusal : refusals) {
    const absl::Status status = ParseClassScenario(refusal.json, "plan.json").status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << refusal.json;
    EXPECT_THAT(std::string(status.message()),
                AllOf(HasSubstr("plan.json: "), HasSubstr(refusal.where), HasSubstr(refusal.value),
                      HasSubstr(refusal.remedy)));
  }
}

TEST(ClassScenarioTest, FilesAreReadAndThoseThatCannotBeAreNamed) {
  auto dir = ScratchDir::Temporary("scenario");
  ASSERT_TRUE(dir.ok()) << dir.status();
  const std::string path = dir->File("plan.json");
  ASSERT_TRUE(WriteFile(path, Document(R"("rate": 30)"), 0600).ok());
  EXPECT_TRUE(ReadClassScenario(path).ok());
  for (const std::string& wrong : {dir->File("missing.json"), dir->path()}) {
    const absl::Status status = ReadClassScenario(wrong).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr(wrong), HasSubstr("name a file")));
  }
}

}  // namespace
}  // namespace entropyd
