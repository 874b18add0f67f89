#include "base/process/log.h"

#include <unistd.h>

#include "absl/strings/numbers.h"
#include "base/process/fd.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

// A log into a pipe, at a fixed civil time.
class LogTest : public ::testing::Test {
 protected:
  void SetUp() override {
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    read_ = UniqueFd(ends[0]);
    write_ = UniqueFd(ends[1]);
    log_ = std::make_unique<Log>(&clock_, write_.get());
  }

  std::string Written() {
    write_.reset();
    std::string all;
    char buffer[8192];
    for (ssize_t n; (n = read(read_.get(), buffer, sizeof buffer)) > 0;) {
      all.append(buffer, static_cast<size_t>(n));
    }
    return all;
  }

  ManualClock clock_{678'000'000, absl::FromUnixSeconds(1767323045)};
  UniqueFd read_, write_;
  std::unique_ptr<Log> log_;
};

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
                    {"f", "\xc3\xa4"}});
  EXPECT_EQ(Written(),
            "ts=2026-01-02T03:04:05.678Z level=error event=x a=\"1\\nlevel=info event=forged\" "
            "b=\"\\u001b[2J\" c=\"\\u009b\" d=\"\\ufffd\" e=\"\\ufffd\\ufffd\\ufffd\" "
            "f=\"\xc3\xa4\"\n");
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

}  // namespace
}  // namespace entropyd
