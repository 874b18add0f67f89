#include "hostagent/descriptor_check.h"

#include <fcntl.h>

#include <string>

#include "base/process/clock.h"
#include "base/process/fd.h"
#include "base/process/read_file.h"
#include "base/telemetry/log.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/temp_dir.h"

namespace entropyd {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class DescriptorCheckTest : public ::testing::Test {
 protected:
  DescriptorCheckTest() {
    config_.set_max_guests(10'000);
    config_.add_listeners();
    config_.add_listeners();
  }
  std::string Logged() {
    log_.Flush();
    return ReadFileAtMost(dir_ / "log", "read log", 1 << 20).value();
  }

  const TempDir dir_;
  const UniqueFd file_{open((dir_ / "log").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600)};
  ManualClock clock_;
  Log log_{&clock_, file_.get()};
  config::v1::HostAgent config_;
};

TEST_F(DescriptorCheckTest, EachGuestAndEachListenerNeedsOne) {
  EXPECT_EQ(CheckDescriptors(config_, 10'098, &log_), absl::OkStatus());
  EXPECT_EQ(Logged(), "");
}

TEST_F(DescriptorCheckTest, WithFewerTheLogSaysForHowManyGuestsTheySuffice) {
  EXPECT_EQ(CheckDescriptors(config_, 10'097, &log_), absl::OkStatus());
  EXPECT_THAT(Logged(), AllOf(HasSubstr("event=agent.few_descriptors limit=10097 needed=10098 "
                                        "guests=9999"),
                              HasSubstr("LimitNOFILE=")));
}

TEST_F(DescriptorCheckTest, WithTooFewForAnyGuestItDoesNotStart) {
  EXPECT_EQ(CheckDescriptors(config_, 99, &log_), absl::OkStatus());
  const absl::Status status = CheckDescriptors(config_, 98, &log_);
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("may open 98 files"), HasSubstr("allow it 10098")));
}

}  // namespace
}  // namespace entropyd
