#include "server/driver/upstream_driver.h"

#include <cstring>
#include <memory>
#include <vector>

#include "gtest/gtest.h"

namespace entropyd {
namespace {

// A fake of the other server: it only gives answers.
class FakeCaller final : public UpstreamCaller {
 public:
  struct Record {
    absl::Status open;
    absl::StatusOr<size_t> answer = 0;
    size_t asked = 0;
    std::string pool_class;
    std::string peer;
    bool closed = false;
    bool interrupted = false;
  };
  explicit FakeCaller(Record* record) : record_(record) {}
  absl::Status Open() override { return record_->open; }
  absl::StatusOr<size_t> Get(const std::string& pool_class, absl::Span<uint8_t> out,
                             absl::Duration) override {
    record_->pool_class = pool_class;
    record_->asked = out.size();
    return record_->answer;
  }
  std::string peer() const override { return record_->peer; }
  void Close() override { record_->closed = true; }
  void Interrupt() override { record_->interrupted = true; }

 private:
  Record* const record_;
};

class UpstreamDriverTest : public ::testing::Test {
 protected:
  FakeCaller::Record other_;
  UpstreamDriver driver_{"other:7743", "default/bulk", std::make_unique<FakeCaller>(&other_),
                         absl::Seconds(2)};
  std::vector<uint8_t> out_ = std::vector<uint8_t>(4096);
};

TEST_F(UpstreamDriverTest, TheRootIsWhoHasAnsweredWhateverItIsCalled) {
  EXPECT_EQ(driver_.root(), "") << "nobody has answered yet";
  other_.peer = "10.0.0.1:7743";
  const std::string by_this_name = driver_.root();
  UpstreamDriver another{"alias:7743", "default/bulk", std::make_unique<FakeCaller>(&other_),
                         absl::Seconds(2)};
  EXPECT_NE(by_this_name, "");
  EXPECT_EQ(another.root(), by_this_name);
  other_.peer = "10.0.0.2:7743";
  EXPECT_NE(driver_.root(), by_this_name);
}

TEST_F(UpstreamDriverTest, ItNamesTheOtherServerAndAsksForOneCallsWorth) {
  EXPECT_EQ(driver_.Open().value(), "entropyd at other:7743");
  other_.answer = 1024;
  EXPECT_EQ(driver_.Read(absl::MakeSpan(out_)).value(), 1024u);
  EXPECT_EQ(other_.asked, 1024u);
  EXPECT_EQ(other_.pool_class, "default/bulk");
  EXPECT_EQ(driver_.Read(absl::MakeSpan(out_).first(10)).value(), 1024u);
  EXPECT_EQ(other_.asked, 10u);
}

TEST_F(UpstreamDriverTest, ACallThatFailedSaysWhomItAskedForWhat) {
  other_.answer = absl::UnavailableError("PERMISSION_DENIED: not yours");
  EXPECT_EQ(driver_.Read(absl::MakeSpan(out_)).status(),
            absl::UnavailableError("get from default/bulk at other:7743: "
                                   "PERMISSION_DENIED: not yours"));
  other_.answer = absl::UnavailableError("get from default/bulk: the pool is suspended");
  EXPECT_EQ(driver_.Read(absl::MakeSpan(out_)).status(),
            absl::UnavailableError("get from default/bulk at other:7743: the pool is suspended"));
  other_.answer = absl::CancelledError("interrupted");
  EXPECT_TRUE(absl::IsCancelled(driver_.Read(absl::MakeSpan(out_)).status()));
}

TEST_F(UpstreamDriverTest, ACertificateThatDoesNotLoadIsTheErrorOfOpen) {
  other_.open = absl::NotFoundError("read reader.crt: no such file");
  EXPECT_EQ(driver_.Open().status(), other_.open);
}

TEST_F(UpstreamDriverTest, CloseAndInterruptReachTheCaller) {
  driver_.Close();
  driver_.Interrupt();
  EXPECT_TRUE(other_.closed);
  EXPECT_TRUE(other_.interrupted);
}

TEST(UpstreamDriverLookTest, ACertificateThatIsMissingIsToldBeforeItIsNeeded) {
  config::v1::SourceConfig config;
  config.mutable_tls()->set_cert("/none.crt");
  const ConfigFault found = UpstreamDriver::Look(config);
  EXPECT_STREQ(found.key, "tls.cert");
  EXPECT_EQ(found.message.find("read certificate /none.crt: No such file"), 0u) << found.message;
}

}  // namespace
}  // namespace entropyd
