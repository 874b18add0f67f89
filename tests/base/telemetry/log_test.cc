#include "base/telemetry/log.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <memory>
#include <numeric>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "base/process/fd.h"
#include "base/telemetry/metrics.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/base/telemetry/log_pipe.h"

namespace entropyd {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

// A log into a pipe, at a fixed civil time.
class LogTest : public ::testing::Test {
 protected:
  void SetUp() override { log_ = std::make_unique<Log>(&clock_, pipe_.write.get()); }

  std::string Written() {
    log_.reset();
    pipe_.write.reset();
    return ReadAll();
  }

  std::string ReadAll() {
    std::string all;
    char buffer[8192];
    for (ssize_t n; (n = read(pipe_.read.get(), buffer, sizeof buffer)) > 0;) {
      all.append(buffer, static_cast<size_t>(n));
    }
    return all;
  }

  // Fills the pipe and the queue of the log; nobody reads meanwhile.
  void Flood() {
    const std::string text(1500, 'a');
    for (int i = 0; i < kFlood; ++i) log_->Warning("agent.denied", {{"number", i}, {"text", text}});
  }

  // From now on somebody reads. Runs `then`, ends the log, and returns all that it wrote.
  std::string ReadAgain(const std::function<void()>& then) {
    std::string all;
    std::thread reader([&] { all = ReadAll(); });
    log_->Flush();
    then();
    log_.reset();
    pipe_.write.reset();
    reader.join();
    return all;
  }

  static constexpr int kFlood = 1'000;  // 1.5 MB: more than pipe and queue take together
  ManualClock clock_{678'000'000, absl::FromUnixSeconds(1767323045)};
  LogPipe pipe_;
  std::unique_ptr<Log> log_;
};

TEST_F(LogTest, TheJournalLearnsThePriorityOfEachLine) {
  {
    const JournalStreamSaid said(pipe_.Name());
    log_ = std::make_unique<Log>(&clock_, pipe_.write.get());
  }
  log_->SetLevel(LogLevel::kDebug);
  log_->Debug("a.b");
  log_->Info("a.b");
  log_->Warning("a.b");
  log_->SetFormat(LogFormat::kJson);
  log_->Error("a.b");
  const std::vector<std::string> lines = absl::StrSplit(Written(), '\n');
  ASSERT_EQ(lines.size(), 5u);
  EXPECT_EQ(lines[0].substr(0, 6), "<7>ts=");
  EXPECT_EQ(lines[1].substr(0, 6), "<6>ts=");
  EXPECT_EQ(lines[2].substr(0, 6), "<4>ts=");
  EXPECT_EQ(lines[3].substr(0, 8), "<3>{\"ts\"");
}

TEST_F(LogTest, OneLinePerEvent) {
  log_->Info("source.quarantined", {{"source", std::string("trng0")}, {"test", "rct"}, {"run", 9}});
  EXPECT_EQ(Written(),
            "ts=2026-01-02T03:04:05.678Z level=info event=source.quarantined source=trng0 test=rct "
            "run=9\n");
}

TEST_F(LogTest, NumbersAndBooleansKeepTheirValue) {
  log_->Info("x", {{"zero", 0},
                   {"one", 1},
                   {"big", uint64_t{1} << 63},
                   {"half", 0.5},
                   {"yes", true},
                   {"no", false}});
  EXPECT_EQ(Written(),
            "ts=2026-01-02T03:04:05.678Z level=info event=x zero=0 one=1 big=9223372036854775808 "
            "half=0.5 yes=true no=false\n");
}

TEST_F(LogTest, LogfmtQuotesWhatIsNotPlain) {
  log_->Warning("x", {{"a", ""}, {"b", "two words"}, {"c", "k=v"}, {"d", "say \"hi\""}});
  EXPECT_EQ(Written(),
            "ts=2026-01-02T03:04:05.678Z level=warning event=x a=\"\" b=\"two words\" c=\"k=v\" "
            "d=\"say \\\"hi\\\"\"\n");
}

TEST_F(LogTest, AValueCannotForgeALineOrSteerATerminal) {
  log_->Error("x", {{"a", "1\nlevel=info event=forged"},
                    {"b", "\x1b[2J"},
                    {"c", "\xc2\x9b"},
                    {"d", "\xff"},
                    {"e", "\xed\xa0\x80"},
                    {"f", "\xc3\xa4"},
                    {"g", "\u202e\u2028"}});
  EXPECT_EQ(Written(),
            "ts=2026-01-02T03:04:05.678Z level=error event=x a=\"1\\nlevel=info event=forged\" "
            "b=\"\\u001b[2J\" c=\"\\u009b\" d=\"\\ufffd\" e=\"\\ufffd\\ufffd\\ufffd\" "
            "f=\"\xc3\xa4\" g=\"\\u202e\\u2028\"\n");
}

TEST_F(LogTest, JsonKeepsNumbersBareAndTextQuoted) {
  log_->SetFormat(LogFormat::kJson);
  log_->Info("x", {{"n", 42},
                   {"f", -1.5},
                   {"ok", true},
                   {"text", "42"},
                   {"nan", std::numeric_limits<double>::quiet_NaN()},
                   {"path", "C:\\x"}});
  EXPECT_EQ(Written(),
            "{\"ts\":\"2026-01-02T03:04:05.678Z\",\"level\":\"info\",\"event\":\"x\",\"n\":42,"
            "\"f\":-1.5,\"ok\":true,\"text\":\"42\",\"nan\":\"nan\",\"path\":\"C:\\\\x\"}\n");
}

TEST_F(LogTest, BelowTheLevelNothingIsWritten) {
  log_->Debug("hidden");
  log_->SetLevel(LogLevel::kWarning);
  log_->Info("hidden");
  log_->Warning("shown");
  EXPECT_EQ(Written(), "ts=2026-01-02T03:04:05.678Z level=warning event=shown\n");
}

TEST_F(LogTest, StatusShowsCodeAndMessage) {
  log_->Warning("x", {{"error", absl::UnavailableError("dial: refused")}});
  EXPECT_EQ(Written(),
            "ts=2026-01-02T03:04:05.678Z level=warning event=x error=\"UNAVAILABLE: dial: "
            "refused\"\n");
}

TEST_F(LogTest, LongValuesAreCutBetweenCharacters) {
  std::string text(1535, 'a');
  text += "\xc3\xa4";  // straddles the limit
  text += std::string(5000, 'b');
  log_->Info("x", {{"v", text}});
  EXPECT_EQ(Written(), "ts=2026-01-02T03:04:05.678Z level=info event=x v=\"" +
                           std::string(1535, 'a') + "...\"\n");
}

// The numbers that stand after `key`, in order.
std::vector<uint64_t> Numbers(absl::string_view text, absl::string_view key) {
  std::vector<uint64_t> numbers;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    const size_t at = line.find(key);
    if (at == absl::string_view::npos) continue;
    const absl::string_view rest = line.substr(at + key.size());
    uint64_t number = 0;
    EXPECT_TRUE(absl::SimpleAtoi(rest.substr(0, rest.find_first_of(" ,")), &number)) << line;
    numbers.push_back(number);
  }
  return numbers;
}

TEST_F(LogTest, ACallerDoesNotWaitForAPipeThatNobodyReads) {
  Flood();
  const uint64_t dropped = log_->dropped();
  EXPECT_GT(dropped, 0u);
  EXPECT_LT(dropped, 500u);
  const std::string all = ReadAgain([&] { log_->Info("x", {{"after", true}}); });
  const std::vector<uint64_t> kept = Numbers(all, " number=");
  EXPECT_EQ(kept.size() + dropped, uint64_t{kFlood});
  EXPECT_TRUE(std::is_sorted(kept.begin(), kept.end()));
  const std::vector<uint64_t> told = Numbers(all, " event=log.dropped count=");
  EXPECT_EQ(std::accumulate(told.begin(), told.end(), uint64_t{0}), dropped);
  EXPECT_THAT(all, HasSubstr("level=warning event=log.dropped count="));
  EXPECT_THAT(all, EndsWith(" level=info event=x after=true\n"));
}

TEST_F(LogTest, TheEndTellsWhatNoLineHasTold) {
  Flood();
  const uint64_t dropped = log_->dropped();
  const std::vector<uint64_t> told = Numbers(ReadAgain([] {}), " event=log.dropped count=");
  EXPECT_EQ(std::accumulate(told.begin(), told.end(), uint64_t{0}), dropped);
}

TEST_F(LogTest, JsonTellsDroppedLinesInJson) {
  log_->SetFormat(LogFormat::kJson);
  Flood();
  EXPECT_FALSE(Numbers(ReadAgain([] {}), "\"event\":\"log.dropped\",\"count\":").empty());
}

TEST_F(LogTest, TheEndDoesNotWaitForEverForAPipeThatNobodyReads) {
  Flood();
  const absl::Time start = absl::Now();
  log_.reset();
  EXPECT_LT(absl::Now() - start, absl::Seconds(3));
}

TEST_F(LogTest, AMetricCountsDroppedLines) {
  Metrics metrics;
  log_->Export(&metrics);
  EXPECT_THAT(metrics.Serialize(), HasSubstr("\nentropyd_log_dropped_lines_total 0\n"));
  pipe_.read.reset();
  log_->Info("x");
  log_->Flush();
  EXPECT_THAT(metrics.Serialize(), HasSubstr("\nentropyd_log_dropped_lines_total 1\n"));
}

}  // namespace
}  // namespace entropyd
