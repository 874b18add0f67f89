#include "hostagent/upstream/certificate_watch.h"

#include <fcntl.h>

#include <filesystem>
#include <string>

#include "base/process/fd.h"
#include "client/pki/pki.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/temp_dir.h"

namespace entropyd {
namespace {

class CertificateWatchTest : public testing::Test {
 protected:
  void SetUp() override {
    const absl::Time now = clock_.WallTime();
    ASSERT_TRUE(pki::Init(dir_ / "ca", {.common_name = "TEST"}, now).ok());
    Issue("first", absl::Hours(1));
    Use("first");
    tls_.set_cert(dir_ / "tls.crt");
    tls_.set_key(dir_ / "tls.key");
    tls_.set_ca(dir_ / "ca/ca.crt");
    watch_ = std::make_unique<CertificateWatch>(tls_, &clock_, &log_, &metrics_);
  }
  void Issue(const std::string& name, absl::Duration validity) {
    auto issued = pki::Issue(dir_ / "ca", {.name = name, .validity = validity}, clock_.WallTime());
    ASSERT_TRUE(issued.ok()) << issued.status();
  }
  void Copy(const std::string& from, const std::string& to) {
    std::filesystem::copy_file(dir_ / from, dir_ / (to + ".new"));
    std::filesystem::rename(dir_ / (to + ".new"), dir_ / to);
  }
  void Use(const std::string& name) {
    Copy("ca/" + name + ".crt", "tls.crt");
    Copy("ca/" + name + ".key", "tls.key");
  }
  v1::GetStatusResponse Status() {
    v1::GetStatusResponse status;
    watch_->FillStatus(&status);
    return status;
  }
  double Expiry() {
    return metrics_.AddGauge("entropyd_agent_certificate_expiry_timestamp_seconds", "")->Value();
  }

  TempDir dir_;
  ManualClock clock_{0, absl::FromUnixSeconds(1'800'000'000)};
  UniqueFd null_{open("/dev/null", O_WRONLY | O_CLOEXEC)};
  Log log_{&clock_, null_.get()};
  Metrics metrics_;
  config::v1::ClientTls tls_;
  std::unique_ptr<CertificateWatch> watch_;
};

TEST_F(CertificateWatchTest, AGoodOneIsNoProblemAndTellsItsEnd) {
  EXPECT_FALSE(watch_->Renewed());
  EXPECT_EQ(Status().certificate_problem(), "");
  EXPECT_EQ(Status().certificate_expires(), 1'800'003'600);
  EXPECT_EQ(Expiry(), 1'800'003'600);
}

TEST_F(CertificateWatchTest, OneThatExpiresWhileTheAgentRunsIsSaidAndItsSuccessorNoticed) {
  clock_.Advance(absl::Hours(1));
  EXPECT_FALSE(watch_->Renewed());
  EXPECT_THAT(Status().certificate_problem(), testing::HasSubstr("tls.crt expired at "));
  Issue("second", absl::Hours(2));
  Use("second");
  EXPECT_TRUE(watch_->Renewed());
  EXPECT_FALSE(watch_->Renewed());
  EXPECT_EQ(Status().certificate_problem(), "");
  EXPECT_EQ(Expiry(), 1'800'003'600 + 7'200);
}

TEST_F(CertificateWatchTest, AHalfReplacedPairIsNoRenewalUntilItIsWhole) {
  Issue("second", absl::Hours(2));
  Copy("ca/second.crt", "tls.crt");
  EXPECT_FALSE(watch_->Renewed());
  EXPECT_NE(Status().certificate_problem(), "");
  EXPECT_EQ(Expiry(), 0);
  Copy("ca/second.key", "tls.key");
  EXPECT_TRUE(watch_->Renewed());
  EXPECT_EQ(Status().certificate_problem(), "");
}

TEST_F(CertificateWatchTest, AMissingFileIsAProblem) {
  std::filesystem::remove(dir_ / "tls.key");
  EXPECT_FALSE(watch_->Renewed());
  EXPECT_THAT(Status().certificate_problem(), testing::HasSubstr("tls.key"));
}

TEST_F(CertificateWatchTest, OneThatIsNotValidYetIsUsedAsSoonAsItIs) {
  auto issued = pki::Issue(dir_ / "ca", {.name = "later", .validity = absl::Hours(1)},
                           clock_.WallTime() + absl::Minutes(10));
  ASSERT_TRUE(issued.ok()) << issued.status();
  Use("later");
  EXPECT_FALSE(watch_->Renewed());
  EXPECT_NE(Status().certificate_problem(), "");
  clock_.Advance(absl::Minutes(4));
  EXPECT_FALSE(watch_->Renewed()) << Status().certificate_problem();
  clock_.Advance(absl::Minutes(7));
  EXPECT_TRUE(watch_->Renewed()) << Status().certificate_problem();
  EXPECT_EQ(Status().certificate_problem(), "");
  EXPECT_FALSE(watch_->Renewed());
}

TEST_F(CertificateWatchTest, AStartWithoutFilesIsAProblemUntilTheyAreThere) {
  for (const char* file : {"tls.key", "tls.crt"}) std::filesystem::remove(dir_ / file);
  watch_ = std::make_unique<CertificateWatch>(tls_, &clock_, &log_, &metrics_);
  EXPECT_FALSE(watch_->Renewed());
  EXPECT_THAT(std::string(watch_->problem().message()), testing::HasSubstr("tls.crt"));
  Use("first");
  EXPECT_TRUE(watch_->Renewed());
  EXPECT_TRUE(watch_->problem().ok()) << watch_->problem();
}

}  // namespace
}  // namespace entropyd
