#include "hostagent/upstream/stream_news.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fake_log.h"

namespace entropyd {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class StreamNewsTest : public testing::Test {
 protected:
  double Count(const std::string& name, const Labels& labels = {}) {
    return metrics_.AddCounter(name, "", labels)->Value();
  }

  ManualClock clock_{1};
  FakeLog log_{&clock_};
  Metrics metrics_;
  StreamNews news_{&log_, &metrics_};
};

TEST_F(StreamNewsTest, AnEndIsLoggedWithItsReasonAndCountedByItsCode) {
  news_.Ended("a:7743", /*attached=*/true, absl::InternalError("who knows"), 1'500'000'000);
  EXPECT_THAT(log_.lines(),
              ElementsAre(AllOf(StartsWith("warning upstream.ended server=a:7743 attached=true"),
                                HasSubstr("who knows"), HasSubstr("retry_in_ms=1500"),
                                Not(HasSubstr("remedy")))));
  EXPECT_EQ(Count("entropyd_agent_upstream_stream_errors_total", {{"code", "INTERNAL"}}), 1);
  EXPECT_EQ(Count("entropyd_agent_upstream_superseded_total"), 0);
}

TEST_F(StreamNewsTest, TheFirstStreamIsNoReconnection) {
  const Gauge* connected = metrics_.AddGauge("entropyd_agent_upstream_connected", "");
  EXPECT_EQ(news_.reconnects(), 0u);
  news_.Attached("a:7743");
  EXPECT_EQ(news_.reconnects(), 0u);
  EXPECT_EQ(connected->Value(), 1);
  news_.Lost();
  EXPECT_EQ(connected->Value(), 0);
  news_.Attached("b:7743");
  EXPECT_EQ(news_.reconnects(), 1u);
  EXPECT_EQ(Count("entropyd_agent_upstream_reconnects_total"), 1);
  EXPECT_THAT(log_.lines(), ElementsAre(StartsWith("info upstream.attached server=a:7743"),
                                        StartsWith("info upstream.attached server=b:7743")));
}

TEST_F(StreamNewsTest, AReasonThatIsKnownHasItsRemedy) {
  news_.Ended("a:7743", false, absl::UnavailableError("connect: Connection refused"), 0);
  EXPECT_THAT(log_.lines(),
              ElementsAre(AllOf(HasSubstr("attached=false"), HasSubstr("remedy=nothing listens"))));
}

TEST_F(StreamNewsTest, AServerThatHadAcceptedUsDoesNotRefuseOurCertificate) {
  const absl::Status cut = absl::UnavailableError("Socket closed");
  news_.Ended("a:7743", /*attached=*/true, cut, 0);
  news_.Ended("a:7743", /*attached=*/false, cut, 0);
  EXPECT_THAT(log_.lines(), ElementsAre(AllOf(HasSubstr("remedy=the server has ended"),
                                              Not(HasSubstr("certificate"))),
                                        HasSubstr("certificate")));
}

TEST_F(StreamNewsTest, ADoubleOfThisHostIsAnErrorOfItsOwn) {
  news_.Ended("a:7743", true, absl::AbortedError("replaced"), 0);
  news_.Ended("a:7743", true, absl::AlreadyExistsError("replaced"), 0);
  EXPECT_EQ(Count("entropyd_agent_upstream_superseded_total"), 2);
  EXPECT_THAT(log_.lines(), ElementsAre(StartsWith("error upstream.superseded server=a:7743"),
                                        StartsWith("warning upstream.ended"),
                                        StartsWith("error upstream.superseded server=a:7743"),
                                        StartsWith("warning upstream.ended")));
}

TEST_F(StreamNewsTest, AServerThatDidNotAcceptUsIsToldWithHowFarWeCame) {
  const absl::Status why = WithStep(absl::UnavailableError("connect: Connection refused"));
  EXPECT_EQ(why.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(why.message()), EndsWith(": connect: Connection refused"));
  EXPECT_TRUE(WithStep(absl::OkStatus()).ok());
}

TEST_F(StreamNewsTest, OnlyWhatSomebodyMustMendDeservesAPenalty) {
  EXPECT_TRUE(DeservesPenalty(absl::StatusCode::kPermissionDenied));
  EXPECT_TRUE(DeservesPenalty(absl::StatusCode::kAborted));
  EXPECT_FALSE(DeservesPenalty(absl::StatusCode::kUnavailable));
  EXPECT_FALSE(DeservesPenalty(absl::StatusCode::kOk));
}

}  // namespace
}  // namespace entropyd
