#include "client/libvirt/domain_choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace entropyd {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr char kA[] = "6695eb01-f6a4-8304-79aa-97f2502e193a";
constexpr char kB[] = "6695eb01-f6a4-8304-79aa-97f2502e193b";
constexpr char kC[] = "6695eb01-f6a4-8304-79aa-97f2502e193c";

// Of these, the last two do not run.
std::vector<LibvirtName> Host() { return {{kA, "web1", "7"}, {kB, "db", ""}, {kC, "7", ""}}; }

std::string Uuid(const std::string& word) {
  const auto domain = ChooseDomain(Host(), word);
  return domain.ok() ? domain->uuid : std::string(domain.status().message());
}

TEST(DomainChoiceTest, AWordIsANameAUuidOrAnId) {
  EXPECT_EQ(Uuid("web1"), kA);
  EXPECT_EQ(Uuid("db"), kB);
  EXPECT_EQ(Uuid(kC), kC);
  EXPECT_EQ(Uuid("6695EB01-F6A4-8304-79AA-97F2502E193C"), kC);
  const auto by_id = ChooseDomain({{kA, "web1", "12"}}, "12");
  ASSERT_TRUE(by_id.ok());
  EXPECT_EQ(by_id->name, "web1");
}

TEST(DomainChoiceTest, AWordThatMeansTwoDomainsChangesNeither) {
  const absl::Status status = ChooseDomain(Host(), "7").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr(std::string(kA) + " (name 'web1', id 7)"),
                    HasSubstr(std::string(kC) + " (name '7', not running)")));
}

TEST(DomainChoiceTest, AUuidMeansItsDomainThoughAnotherIsCalledSo) {
  const std::vector<LibvirtName> host = {{kB, kA, "3"}, {kA, "web1", ""}};
  const auto domain = ChooseDomain(host, kA);
  ASSERT_TRUE(domain.ok()) << domain.status();
  EXPECT_EQ(domain->name, "web1");
}

TEST(DomainChoiceTest, OtherWordsMeanNothing) {
  for (const char* word : {"", "-", "web", "WEB1", "8", "6695eb01"}) {
    EXPECT_EQ(ChooseDomain(Host(), word).status().code(), absl::StatusCode::kNotFound) << word;
  }
}

TEST(DomainChoiceTest, XmlIsOfTheDomainWhenNameAndUuidAre) {
  const auto check = [](const std::string& name, const std::string& uuid) {
    return CheckDomain({kA, "web1", "7"},
                       "<domain><name>" + name + "</name><uuid>" + uuid + "</uuid></domain>");
  };
  EXPECT_TRUE(check("web1", kA).ok());
  EXPECT_EQ(check("web2", kA).code(), absl::StatusCode::kAborted);
  EXPECT_EQ(check("web1", kB).code(), absl::StatusCode::kAborted);
  EXPECT_EQ(CheckDomain({kA, "web1", "7"}, "<network/>").code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace entropyd
