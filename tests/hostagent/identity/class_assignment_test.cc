#include "hostagent/identity/class_assignment.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/types/optional.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

using Answer = ClassAssignment::Answer;
constexpr char kGold[] = "default/gold";
constexpr char kBulk[] = "default/bulk";

class FakeIdentifier final : public Identifier {
 public:
  void Ask(IdentityQuestion question) override { questions.push_back(std::move(question)); }
  void Withdraw(uint64_t connection) override { withdrawn.push_back(connection); }
  std::vector<IdentityQuestion> questions;
  std::vector<uint64_t> withdrawn;
};

GuestIdentity Web(const std::string& class_name, const std::string& error = "") {
  return {IdentitySource::kLibvirt, "web", "u", class_name, error};
}

class ClassAssignmentTest : public testing::Test {
 protected:
  uint64_t complaints() const { return counters_.class_refused.Get(); }

  ManualClock clock_{1};
  Log log_{&clock_, -1};
  IdentityCounters counters_;
  ClassAssignment assignment_{{kGold, kBulk}, &log_, &counters_};
};

TEST_F(ClassAssignmentTest, NobodyIsAskedWithoutAnIdentifierOrWhereNoneIsWanted) {
  EXPECT_FALSE(assignment_.Asks(config::v1::IDENTIFY_LIBVIRT));
  FakeIdentifier identifier;
  assignment_.SetIdentifier(&identifier);
  EXPECT_TRUE(assignment_.Asks(config::v1::IDENTIFY_LIBVIRT));
  EXPECT_FALSE(assignment_.Asks(config::v1::IDENTIFY_NONE));
  assignment_.Ask({7, {}, config::v1::IDENTIFY_LIBVIRT});
  ASSERT_EQ(identifier.questions.size(), 1u);
  EXPECT_EQ(identifier.questions[0].connection, 7u);
  assignment_.SetIdentifier(nullptr);
  EXPECT_FALSE(assignment_.Asks(config::v1::IDENTIFY_LIBVIRT));
}

TEST_F(ClassAssignmentTest, FirstAnswersAreCountedByWhoKnewIt) {
  EXPECT_EQ(assignment_.Take(nullptr, Web("")), Answer::kNew);
  EXPECT_EQ(assignment_.Take(nullptr, absl::nullopt), Answer::kNobody);
  const GuestIdentity known = Web("");
  assignment_.Take(&known, Web("default/bulk"));
  assignment_.Take(&known, absl::nullopt);
  EXPECT_EQ(counters_.identified[size_t(IdentitySource::kLibvirt)].Get(), 1u);
  EXPECT_EQ(counters_.identified[size_t(IdentitySource::kNone)].Get(), 1u);
}

TEST_F(ClassAssignmentTest, ALaterAnswerIsNewTheSameOrWorse) {
  const GuestIdentity known = Web("default/gold");
  EXPECT_EQ(assignment_.Take(&known, Web("default/gold")), Answer::kSame);
  EXPECT_EQ(assignment_.Take(&known, Web("default/bulk")), Answer::kNew);
  EXPECT_EQ(assignment_.Take(&known, absl::nullopt), Answer::kNobody);
  const GuestIdentity cgroup = {IdentitySource::kCgroup, "we", "", "", ""};
  EXPECT_EQ(assignment_.Take(&known, cgroup), Answer::kWorse);
  EXPECT_EQ(assignment_.Take(&cgroup, known), Answer::kNew);
  EXPECT_EQ(assignment_.Take(&cgroup, cgroup), Answer::kSame);
}

TEST_F(ClassAssignmentTest, MetadataGivesTheClassAndElseTheListener) {
  EXPECT_EQ(assignment_.ClassFor(Web("default/bulk"), kGold), kBulk);
  EXPECT_EQ(assignment_.ClassFor(Web(""), kBulk), kBulk);
  EXPECT_EQ(complaints(), 0u);
  EXPECT_EQ(assignment_.NotGiven(Web("default/bulk"), kBulk), "");
  EXPECT_EQ(assignment_.NotGiven(Web(""), kBulk), "");
}

TEST_F(ClassAssignmentTest, AClassThatIsNotToBeHadIsComplainedOfOnce) {
  for (int i = 0; i < 3; ++i) EXPECT_EQ(assignment_.ClassFor(Web("default/x"), kGold), kGold);
  EXPECT_EQ(complaints(), 1u);
  EXPECT_EQ(assignment_.NotGiven(Web("default/x"), kGold), "default/x");
  EXPECT_EQ(assignment_.ClassFor(Web("", "class='' is no name"), kGold), kGold);
  EXPECT_EQ(complaints(), 2u);
  EXPECT_EQ(assignment_.NotGiven(Web("", "class='' is no name"), kGold), "class='' is no name");
  assignment_.ClassFor(Web(""), kGold);  // it asks for no class any more
  assignment_.ClassFor(Web("default/x"), kGold);
  EXPECT_EQ(complaints(), 3u);
}

TEST_F(ClassAssignmentTest, ARefusedClassIsTheListenersUntilItOpens) {
  EXPECT_TRUE(assignment_.SetRefused(kBulk, "no"));
  EXPECT_FALSE(assignment_.SetRefused(kBulk, "still no")) << "nobody moves";
  EXPECT_EQ(assignment_.refused(kBulk), "still no");
  EXPECT_EQ(assignment_.ClassAt("default/bulk", kGold), kGold);
  EXPECT_EQ(complaints(), 0u);
  EXPECT_EQ(assignment_.ClassFor(Web("default/bulk"), kGold), kGold);
  EXPECT_EQ(complaints(), 1u);
  EXPECT_TRUE(assignment_.SetRefused(kBulk, ""));
  EXPECT_FALSE(assignment_.SetRefused(kBulk, ""));
  EXPECT_EQ(assignment_.ClassFor(Web("default/bulk"), kGold), kBulk);
  assignment_.SetRefused(kBulk, "no");
  assignment_.ClassFor(Web("default/bulk"), kGold);
  EXPECT_EQ(complaints(), 1u) << "one that is refused now and then is complained of once";
}

TEST_F(ClassAssignmentTest, WhatAnotherProcessHeardCountsUntilThisOneHearsIt) {
  assignment_.AdoptRefused(kBulk, "no");
  EXPECT_EQ(assignment_.refused(kBulk), "no");
  EXPECT_TRUE(assignment_.SetRefused(kBulk, "")) << "those who wait for it move";
  assignment_.AdoptRefused(kBulk, "no");
  EXPECT_EQ(assignment_.refused(kBulk), "") << "this server has opened it";
}

}  // namespace
}  // namespace entropyd
