#include "hostagent/upstream/server_move.h"

#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/hostagent/upstream/attachment_rig.h"

namespace entropyd {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class ServerMoveTest : public AttachmentRig {
 protected:
  ServerMoveTest() : from_(Dial()) { net_.last().Welcome(); }
  void Drain(uint64_t deadline_ms) {
    net_.last().Drain(deadline_ms);
    Receive(from_.get());
  }
  int64_t Planned() {
    move_.Schedule(*from_, clock_.NowNanos());
    return move_.due_at();
  }

  std::unique_ptr<Attachment> from_;
  ServerMove move_{3, uniform_, &log_};
};

TEST_F(ServerMoveTest, WhoIsNotAskedToLeaveStays) { EXPECT_EQ(Planned(), kNever); }

TEST_F(ServerMoveTest, AnAgentMovesAtARandomTimeWithinFiveSeconds) {
  clock_.AdvanceNanos(60 * kSecondNanos);
  Drain(3'600'000);
  const int64_t due = clock_.NowNanos() + ServerMove::kSpreadNanos / 2;
  EXPECT_EQ(Planned(), due);
  clock_.AdvanceNanos(kSecondNanos);
  EXPECT_EQ(Planned(), due) << "it is planned once";
  EXPECT_THAT(log_.lines(), testing::Contains(AllOf(HasSubstr("info upstream.drain"),
                                                    HasSubstr("server=a:7743"))));
}

TEST_F(ServerMoveTest, AShortDeadlineLeavesTimeForFurtherAttempts) {
  clock_.AdvanceNanos(60 * kSecondNanos);
  Drain(8'000);
  EXPECT_EQ(Planned(), clock_.NowNanos() + kSecondNanos) << "half of a quarter";
}

TEST_F(ServerMoveTest, AnAgentStaysForASecondAtLeast) {
  const int64_t start = clock_.NowNanos();
  Drain(0);
  EXPECT_EQ(Planned(), start + ServerMove::kShortestStayNanos);
}

TEST_F(ServerMoveTest, EachOtherServerIsTriedBeforeTheOneThatSentTheAgentAway) {
  Drain(1'000);
  Planned();
  EXPECT_TRUE(move_.TryElsewhere());
  EXPECT_TRUE(move_.TryElsewhere());
  EXPECT_FALSE(move_.TryElsewhere());
  move_.Drop();
  EXPECT_EQ(move_.due_at(), kNever);
  Planned();
  EXPECT_TRUE(move_.TryElsewhere()) << "another move begins anew";
}

TEST_F(ServerMoveTest, WhereThereIsOneServerTheAgentComesBackToIt) {
  ServerMove alone(1, uniform_, &log_);
  EXPECT_FALSE(alone.TryElsewhere());
}

}  // namespace
}  // namespace entropyd
