#include "client/guest_boot/guest_report.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

constexpr char kDigest[] = "51bb23d70f7dc1b920619760e3976a4e8dfd49d734786e348c1c75857b3e08dc";

std::string WholeConsole() {
  return std::string(
             "\r\n[    0.1] some kernel line\r\n"
             "ENTROPYD-GUEST event=init uptime=3.28 kernel=6.1.0-56-cloud-amd64\r\n"
             "[    3.3] virtio_rng: noiseENTROPYD-GUEST crng_seconds=3.74\r\n"
             "ENTROPYD-GUEST bytes=262144 seconds=0.3319 sha256=") +
         kDigest + "\r\nENTROPYD-GUEST event=done\r\n[    4.6] reboot: Power down";
}

TEST(GuestReportTest, ReadsAllFactsFromAWholeConsole) {
  const GuestReport report = ParseGuestConsole(WholeConsole());
  EXPECT_TRUE(report.done);
  EXPECT_EQ(report.kernel, "6.1.0-56-cloud-amd64");
  EXPECT_DOUBLE_EQ(report.init_seconds.value(), 3.28);
  EXPECT_DOUBLE_EQ(report.crng_seconds.value(), 3.74);
  EXPECT_EQ(report.bytes, 262144u);
  EXPECT_DOUBLE_EQ(report.seconds, 0.3319);
  EXPECT_EQ(report.sha256, kDigest);
  EXPECT_EQ(report.error, "");
}

TEST(GuestReportTest, AHalfWrittenConsoleIsNotDone) {
  const std::string whole = WholeConsole();
  const size_t end = whole.find("event=done");
  for (size_t length = 0; length <= end; ++length) {
    EXPECT_FALSE(ParseGuestConsole(whole.substr(0, length)).done) << length;
  }
}

TEST(GuestReportTest, ADigestThatIsCutIsNoDigest) {
  const std::string whole = WholeConsole();
  const size_t at = whole.find("sha256=") + 7;
  EXPECT_EQ(ParseGuestConsole(whole.substr(0, at + 63)).sha256, "");
  EXPECT_EQ(ParseGuestConsole(whole.substr(0, at + 64)).sha256, kDigest);
}

TEST(GuestReportTest, NeverSeededTellsHowLongItWaited) {
  const GuestReport report = ParseGuestConsole(
      "ENTROPYD-GUEST crng_seconds=none waited=25.0\nENTROPYD-GUEST event=done\n");
  EXPECT_FALSE(report.crng_seconds.has_value());
  EXPECT_DOUBLE_EQ(report.waited_seconds, 25.0);
  EXPECT_EQ(DescribeGuestSeeding(report), "> 25 s: still unseeded");
}

TEST(GuestReportTest, TheFirstErrorIsKeptWhole) {
  const GuestReport report = ParseGuestConsole(
      "ENTROPYD-GUEST error=open_/dev/hwrng:_No such file or directory\n"
      "ENTROPYD-GUEST error=second\n");
  EXPECT_EQ(report.error, "open /dev/hwrng: No such file or directory");
  EXPECT_EQ(DescribeGuestRead(report), report.error);
}

TEST(GuestReportTest, MalformedNumbersReadAsAbsent) {
  const GuestReport report =
      ParseGuestConsole("ENTROPYD-GUEST bytes=12x seconds=? crng_seconds= uptime\n");
  EXPECT_EQ(report.bytes, 0u);
  EXPECT_EQ(report.seconds, 0);
  EXPECT_FALSE(report.crng_seconds.has_value());
  EXPECT_FALSE(report.init_seconds.has_value());
}

TEST(GuestReportTest, SaysBytesRateAndDigestInOneLine) {
  GuestReport report;
  report.bytes = 65536;
  report.seconds = 0.2;
  report.sha256 = kDigest;
  EXPECT_EQ(DescribeGuestRead(report), std::string("65536 bytes, 327.7 kB/s, sha256 ") + kDigest);
}

TEST(GuestReportTest, JsonHasNullForAGeneratorThatWasNeverSeeded) {
  GuestReport report;
  report.waited_seconds = 25;
  EXPECT_THAT(GuestReportJson(report), testing::HasSubstr("\"crng_seconds\":null"));
  report.crng_seconds = 1.5;
  EXPECT_THAT(GuestReportJson(report), testing::HasSubstr("\"crng_seconds\":1.5"));
}

}  // namespace
}  // namespace entropyd
