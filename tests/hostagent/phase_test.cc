// Every event in every phase, compared with the table that people read.
#include "hostagent/phase.h"

#include <fstream>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fake_log.h"

namespace entropyd {
namespace {

using testing::HasSubstr;

constexpr char kRefused[] = "–";

std::vector<std::string> Cells(const std::string& line) {
  std::vector<std::string> cells = absl::StrSplit(line, '|');
  if (cells.size() < 3) return {};
  cells = std::vector<std::string>(cells.begin() + 1, cells.end() - 1);  // without the frame
  for (std::string& cell : cells) cell = std::string(absl::StripAsciiWhitespace(cell));
  return cells;
}

// The next phase by the README, by event and phase.
std::map<std::pair<std::string, std::string>, std::string> Documented() {
  std::map<std::pair<std::string, std::string>, std::string> table;
  std::ifstream readme(ENTROPYD_AGENT_README);
  std::vector<std::string> phases;
  bool here = false;
  for (std::string line; std::getline(readme, line);) {
    if (line.starts_with("## ")) here = line == "## Phases";
    const std::vector<std::string> cells = Cells(line);
    if (!here || cells.empty() || cells[0].starts_with("---")) continue;
    if (phases.empty()) {
      phases = cells;
      continue;
    }
    for (size_t i = 1; i < cells.size() && i < phases.size(); ++i) {
      table[{cells[0], phases[i]}] = cells[i];
    }
  }
  return table;
}

TEST(PhaseTest, EveryEventInEveryPhaseIsAsTheReadmeSays) {
  auto documented = Documented();
  EXPECT_EQ(documented.size(), kPhases.size() * kPhaseEvents.size());
  for (Phase phase : kPhases) {
    for (PhaseEvent event : kPhaseEvents) {
      const absl::optional<Phase> next = NextPhase(phase, event);
      EXPECT_EQ(documented[std::make_pair(std::string(PhaseEventName(event)),
                                          std::string(PhaseName(phase)))],
                next.has_value() ? PhaseName(*next) : kRefused)
          << PhaseName(phase) << ": " << PhaseEventName(event);
    }
  }
}

TEST(PhaseTest, WhatIsRefusedIsRefusedWithTheReason) {
  for (Phase phase : kPhases) {
    for (PhaseEvent event : kPhaseEvents) {
      const absl::Status status = CheckPhase(phase, event);
      EXPECT_EQ(status.ok(), NextPhase(phase, event).has_value());
      if (status.ok()) continue;
      EXPECT_TRUE(absl::IsAborted(status));
      EXPECT_THAT(status.message(), HasSubstr(absl::StrCat(PhaseEventName(event), ": not now: ")));
      EXPECT_FALSE(absl::EndsWith(status.message(), ": ")) << status.message();
    }
  }
}

TEST(PhaseTest, AStopIsHeardInEveryPhaseAndTakesNothingFromTheSuccessor) {
  for (Phase phase : kPhases) {
    const absl::optional<Phase> next = NextPhase(phase, PhaseEvent::kStop);
    ASSERT_TRUE(next.has_value()) << PhaseName(phase);
    EXPECT_TRUE(Ending(*next)) << PhaseName(phase);
    EXPECT_EQ(GivenAway(*next), GivenAway(phase)) << PhaseName(phase);
  }
}

TEST(PhaseTest, WhoEndsNeverServesAgain) {
  for (Phase phase : kPhases) {
    for (PhaseEvent event : kPhaseEvents) {
      const absl::optional<Phase> next = NextPhase(phase, event);
      if (!next.has_value()) continue;
      EXPECT_TRUE(!Ending(phase) || *next == phase) << PhaseEventName(event);
      EXPECT_TRUE(!GivenAway(phase) || GivenAway(*next)) << PhaseEventName(event);
    }
  }
}

TEST(PhaseTest, GuestsAreGivenAwayByGoAlone) {
  for (Phase phase : kPhases) {
    for (PhaseEvent event : kPhaseEvents) {
      const absl::optional<Phase> next = NextPhase(phase, event);
      if (!next.has_value() || GivenAway(phase) || !GivenAway(*next)) continue;
      EXPECT_EQ(phase, Phase::kGiving);
      EXPECT_EQ(event, PhaseEvent::kGo);
    }
  }
}

// Before Go a successor that ends is a failed upgrade, which is no event of a phase.
TEST(PhaseTest, TheEndOfASuccessorMattersWhereTheGuestsAreGivenAway) {
  for (Phase phase : kPhases) {
    EXPECT_EQ(NextPhase(phase, PhaseEvent::kSuccessorEnded).has_value(), GivenAway(phase))
        << PhaseName(phase);
  }
}

TEST(PhaseTest, SocketsChangeOnlyWhereTheGuestsAre) {
  for (Phase phase : kPhases) {
    EXPECT_EQ(NextPhase(phase, PhaseEvent::kChangeSockets).has_value(),
              phase == Phase::kServing || phase == Phase::kGiving)
        << PhaseName(phase);
  }
}

TEST(PhaseTest, OneHandoverAtATime) {
  for (Phase phase : kPhases) {
    EXPECT_EQ(NextPhase(phase, PhaseEvent::kOffer).has_value(), phase == Phase::kServing);
    EXPECT_EQ(NextPhase(phase, PhaseEvent::kReplace).has_value(), phase == Phase::kServing);
  }
}

TEST(CurrentPhaseTest, ItGoesOnWhereItMay) {
  const ManualClock clock(0);
  FakeLog log(&clock);
  CurrentPhase phase(&log);
  EXPECT_EQ(phase.get(), Phase::kStarting);
  EXPECT_TRUE(phase.Enter(PhaseEvent::kServe).ok());
  EXPECT_EQ(phase.get(), Phase::kServing);
  EXPECT_THAT(log.lines(), testing::IsEmpty());
}

TEST(CurrentPhaseTest, WhatCannotBeChangesNothingAndTheLogSaysSo) {
  const ManualClock clock(0);
  FakeLog log(&clock);
  CurrentPhase phase(&log);
  EXPECT_TRUE(absl::IsAborted(phase.Enter(PhaseEvent::kGo)));
  EXPECT_EQ(phase.get(), Phase::kStarting);
  EXPECT_THAT(log.lines(), testing::ElementsAre(testing::HasSubstr("error agent.refused")));
}

TEST(CurrentPhaseTest, AQuestionChangesNothing) {
  const ManualClock clock(0);
  FakeLog log(&clock);
  const CurrentPhase phase(&log);
  EXPECT_EQ(phase.Check(PhaseEvent::kGo), CheckPhase(Phase::kStarting, PhaseEvent::kGo));
  EXPECT_TRUE(phase.Check(PhaseEvent::kServe).ok());
  EXPECT_EQ(phase.get(), Phase::kStarting);
  EXPECT_THAT(log.lines(), testing::IsEmpty());
}

}  // namespace
}  // namespace entropyd
