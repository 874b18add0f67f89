// A dispatcher with fake pools and peers. It is driven by hand until the page is asked for.
#include "server/server_metrics.h"

#include <memory>
#include <string>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/attach/attach_protocol_fixture.h"

namespace entropyd {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class ServerMetricsTest : public AttachProtocolFixture {
 protected:
  void TearDown() override {
    series_.reset();
    loop_.reset();
  }
  // From now on the dispatcher belongs to its loop.
  std::string Page() {
    if (series_ == nullptr) {
      loop_ = DispatchLoop::Start(dispatcher_.get(), &clock_).value();
      series_ = std::make_unique<ServerMetrics>(&metrics_, loop_.get(), dispatcher_.get(),
                                                protocols_.get(), absl::FromUnixSeconds(1'000));
    }
    return metrics_.Serialize();
  }
  // REQUIRES: Page() was called.
  void Change(PoolsChange change) {
    absl::Status status = absl::UnknownError("");
    loop_->RunAndWait([&](int64_t now_nanos) {
      status = dispatcher_->ChangePools(std::move(change), now_nanos);
    });
    EXPECT_TRUE(status.ok()) << status;
  }

  Metrics metrics_;
  std::unique_ptr<DispatchLoop> loop_;
  std::unique_ptr<ServerMetrics> series_;
};

TEST_F(ServerMetricsTest, APageShowsStreamsAndTheirBytesAsOfNow) {
  Sending();
  EXPECT_THAT(Page(), AllOf(HasSubstr("\nentropyd_agents 1\n"),
                            HasSubstr("\nentropyd_attach_streams_total 1\n"),
                            HasSubstr("\nentropyd_attach_in_flight_bytes 1000\n"),
                            HasSubstr("\nentropyd_attach_sent_bytes_total 1000\n"),
                            HasSubstr("\nentropyd_attach_received_bytes_total 0\n"),
                            HasSubstr("\nentropyd_draining 0\n")));
}

TEST_F(ServerMetricsTest, ADrainAndAReplacedStreamAreSeen) {
  Greet();
  Greet();
  Drain("", kMinuteNanos);
  EXPECT_THAT(Page(), AllOf(HasSubstr("\nentropyd_draining 1\n"),
                            HasSubstr("\nentropyd_attach_superseded_total 1\n")));
}

TEST_F(ServerMetricsTest, WhoIsDeniedAClassIsCountedByTheReason) {
  FakePeer* const peer = Greet();
  WriteAll(peer);
  Open(peer, 1, "default/secret");
  EXPECT_THAT(Page(), AllOf(HasSubstr("\nentropyd_denials_total{reason=\"class\"} 1\n"),
                            HasSubstr("\nentropyd_denials_total{reason=\"capacity\"} 0\n")));
}

TEST_F(ServerMetricsTest, AClassHasItsFiguresAndWithoutACeilingZero) {
  Sending();
  EXPECT_THAT(
      Page(),
      AllOf(HasSubstr("entropyd_class_delivered_bytes_total{class=\"gold\",pool=\"default\"} 1000"),
            HasSubstr("entropyd_class_members{class=\"gold\",pool=\"default\"} 1\n"),
            HasSubstr("entropyd_class_ceil_bytes_per_second{class=\"gold\",pool=\"default\"} 0\n"),
            HasSubstr("entropyd_class_ceil_bytes_per_second{class=\"slow\",pool=\"default\"} "
                      "65536\n"),
            HasSubstr("entropyd_class_drift{class=\"gold\",pool=\"default\"} 0\n")));
}

TEST_F(ServerMetricsTest, TheSeriesOfAClassEndWithItAndBeginAnewWithTheNextOfItsName) {
  FakePeer* const peer = Ready("scarce/key");
  Credit(peer, 1, 1000, 0);
  const std::string delivered =
      "entropyd_class_delivered_bytes_total{class=\"key\",pool=\"scarce\"} ";
  EXPECT_THAT(Page(), HasSubstr(delivered + "1000\n"));
  PoolsChange removal;
  removal.removed = {"scarce"};
  removal.order = {"default"};
  Change(std::move(removal));
  EXPECT_THAT(Page(), Not(HasSubstr("pool=\"scarce\"")));
  PoolsChange addition;
  addition.added.push_back(
      Setup(&full_, 256, {Class("all", "", 1 << 20), Class("key", "all", 1 << 20)}));
  addition.order = {"default", "scarce"};
  Change(std::move(addition));
  EXPECT_THAT(Page(), HasSubstr(delivered + "0\n"));
}

TEST_F(ServerMetricsTest, TheEndOfTheCertificateIsThatOfTheLatest) {
  EXPECT_THAT(Page(), HasSubstr("\nentropyd_certificate_expiry_timestamp_seconds 1000\n"));
  EXPECT_EQ(series_->certificate_end(), absl::FromUnixSeconds(1'000));
  series_->SetCertificateEnd(absl::FromUnixSeconds(2'000));
  EXPECT_THAT(Page(), HasSubstr("\nentropyd_certificate_expiry_timestamp_seconds 2000\n"));
  EXPECT_EQ(series_->certificate_end(), absl::FromUnixSeconds(2'000));
}

}  // namespace
}  // namespace entropyd
