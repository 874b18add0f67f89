#include "hostagent/upstream/stream_ends.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/hostagent/rig_log.h"

namespace entropyd {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class StreamEndsTest : public testing::Test {
 protected:
  double Count(const std::string& name, const Labels& labels = {}) {
    return metrics_.AddCounter(name, "", labels)->Value();
  }

  ManualClock clock_{1};
  RigLog log_{&clock_};
  Metrics metrics_;
  StreamEnds ends_{&log_, &metrics_};
};

TEST_F(StreamEndsTest, AnEndIsLoggedWithItsReasonAndCountedByItsCode) {
  ends_.Tell("a:7743", /*attached=*/true, absl::InternalError("who knows"), 1'500'000'000);
  EXPECT_THAT(log_.lines(),
              ElementsAre(AllOf(StartsWith("warning upstream.ended server=a:7743 attached=true"),
                                HasSubstr("who knows"), HasSubstr("retry_in_ms=1500"),
                                Not(HasSubstr("remedy")))));
  EXPECT_EQ(Count("entropyd_agent_upstream_stream_errors_total", {{"code", "INTERNAL"}}), 1);
  EXPECT_EQ(Count("entropyd_agent_upstream_superseded_total"), 0);
}

TEST_F(StreamEndsTest, AReasonThatIsKnownHasItsRemedy) {
  ends_.Tell("a:7743", false, absl::UnavailableError("connect: Connection refused"), 0);
  EXPECT_THAT(log_.lines(),
              ElementsAre(AllOf(HasSubstr("attached=false"), HasSubstr("remedy=nothing listens"))));
}

TEST_F(StreamEndsTest, AServerThatHadAcceptedUsDoesNotRefuseOurCertificate) {
  const absl::Status cut = absl::UnavailableError("Socket closed");
  ends_.Tell("a:7743", /*attached=*/true, cut, 0);
  ends_.Tell("a:7743", /*attached=*/false, cut, 0);
  EXPECT_THAT(log_.lines(), ElementsAre(AllOf(HasSubstr("remedy=the server has ended"),
                                              Not(HasSubstr("certificate"))),
                                        HasSubstr("certificate")));
}

TEST_F(StreamEndsTest, ADoubleOfThisHostIsAnErrorOfItsOwn) {
  ends_.Tell("a:7743", true, absl::AbortedError("superseded"), 0);
  ends_.Tell("a:7743", true, absl::AlreadyExistsError("superseded"), 0);
  EXPECT_EQ(Count("entropyd_agent_upstream_superseded_total"), 2);
  EXPECT_THAT(log_.lines(), ElementsAre(StartsWith("error upstream.superseded server=a:7743"),
                                        StartsWith("warning upstream.ended"),
                                        StartsWith("error upstream.superseded server=a:7743"),
                                        StartsWith("warning upstream.ended")));
}

TEST_F(StreamEndsTest, OnlyWhatSomebodyMustMendDeservesAPenalty) {
  EXPECT_TRUE(DeservesPenalty(absl::StatusCode::kPermissionDenied));
  EXPECT_TRUE(DeservesPenalty(absl::StatusCode::kAborted));
  EXPECT_FALSE(DeservesPenalty(absl::StatusCode::kUnavailable));
  EXPECT_FALSE(DeservesPenalty(absl::StatusCode::kOk));
}

}  // namespace
}  // namespace entropyd
