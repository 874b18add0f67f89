#include "base/crypto/spiffe_id.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace entropyd {
namespace {

using ::testing::HasSubstr;

std::string Complaint(absl::string_view id) {
  const absl::Status status = CheckSpiffeId(id);
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << id;
  return std::string(status.message());
}

TEST(SpiffeIdTest, ATrustDomainAndAPathOfSegmentsAreAnId) {
  for (const char* id : {"spiffe://dc1/agent/h7", "spiffe://dc-1.example_x/a/B9._-",
                         "spiffe://dc1/...", "spiffe://d/a"}) {
    EXPECT_EQ(CheckSpiffeId(id), absl::OkStatus()) << id;
    EXPECT_TRUE(HasSpiffePath(id)) << id;
  }
}

TEST(SpiffeIdTest, ATrustDomainAloneIsAnIdWithoutAPath) {
  EXPECT_EQ(CheckSpiffeId("spiffe://dc1"), absl::OkStatus());
  EXPECT_FALSE(HasSpiffePath("spiffe://dc1"));
}

TEST(SpiffeIdTest, TheSchemeIsInLowerCase) {
  for (const char* id : {"", "SPIFFE://dc1/x", "spiffe:/dc1/x", "http://dc1/x", "dc1/x"}) {
    EXPECT_THAT(Complaint(id), HasSubstr("does not begin with spiffe://")) << id;
  }
}

TEST(SpiffeIdTest, ATrustDomainHasNoUpperCaseNorOtherParts) {
  for (const char* id :
       {"spiffe://", "spiffe:///x", "spiffe://DC1/x", "spiffe://u@a/x", "spiffe://a:1/x",
        "spiffe://./x", "spiffe://../x", "spiffe://d\xc3\xa9/x"}) {
    EXPECT_THAT(Complaint(id), HasSubstr("trust domain")) << id;
  }
}

TEST(SpiffeIdTest, APathHasNoEmptyOrDottedSegmentNorOtherCharacters) {
  for (const char* id : {"spiffe://dc1/", "spiffe://a//b", "spiffe://a/b/", "spiffe://a/../b",
                         "spiffe://a/./b", "spiffe://a/x?y", "spiffe://a/%2f", "spiffe://a/b*"}) {
    EXPECT_THAT(Complaint(id), HasSubstr("the path needs segments")) << id;
  }
  EXPECT_THAT(Complaint(absl::string_view("spiffe://a/b\0c", 14)), HasSubstr("the path"));
}

}  // namespace
}  // namespace entropyd
