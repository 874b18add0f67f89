#include "base/config/units.h"

#include <limits>

#include "gtest/gtest.h"

namespace entropyd {
namespace {

std::string Complaint(const absl::StatusOr<uint64_t>& result) {
  return result.ok() ? "accepted" : std::string(result.status().message());
}

TEST(ParseSizeTest, UnitsArePowersOf1024) {
  EXPECT_EQ(*ParseSize("0"), 0u);
  EXPECT_EQ(*ParseSize("0B"), 0u);
  EXPECT_EQ(*ParseSize("17B"), 17u);
  EXPECT_EQ(*ParseSize("64KiB"), 65536u);
  EXPECT_EQ(*ParseSize("1.5MiB"), 1572864u);
  EXPECT_EQ(*ParseSize("0.5KiB"), 512u);
  EXPECT_EQ(*ParseSize("3GiB"), uint64_t{3} << 30);
  EXPECT_EQ(*ParseSize("2.25TiB"), uint64_t{9} << 38);
  EXPECT_EQ(*ParseSize("1.50KiB"), 1536u);
}

TEST(ParseSizeTest, RefusalsSayWhatToWrite) {
  EXPECT_EQ(Complaint(ParseSize("64")), "'64' is not a size; write e.g. 64B");
  EXPECT_EQ(Complaint(ParseSize("64KB")), "'64KB' is not a size; write e.g. 64KiB");
  EXPECT_EQ(Complaint(ParseSize("64 KiB")), "'64 KiB' is not a size; write e.g. 64KiB");
  EXPECT_EQ(Complaint(ParseSize("1.5mb")), "'1.5mb' is not a size; write e.g. 1.5MiB");
  EXPECT_EQ(Complaint(ParseSize("2G")), "'2G' is not a size; write e.g. 2GiB");
  EXPECT_EQ(Complaint(ParseSize("2tb")), "'2tb' is not a size; write e.g. 2TiB");
  EXPECT_EQ(Complaint(ParseSize("64PiB")), "'64PiB' is not a size; write e.g. 64KiB");
  EXPECT_EQ(Complaint(ParseSize("64KiB/s")), "'64KiB/s' is not a size; write e.g. 64KiB");
  EXPECT_EQ(Complaint(ParseSize("")), "'' is not a size; write e.g. 64KiB");
}

TEST(ParseSizeTest, OnlyCanonicalNumbers) {
  for (const char* text : {"010B", "+1B", "-1B", "1e3B", "0x10B", ".5KiB", "1.KiB", "1,5KiB", "00B",
                           " 1B", "1B ", "1B\n", "KiB"}) {
    EXPECT_FALSE(ParseSize(text).ok()) << text;
  }
}

TEST(ParseSizeTest, FractionsOfAByteAreRefused) {
  EXPECT_EQ(Complaint(ParseSize("0.3KiB")),
            "'0.3KiB' is not a whole number of bytes; write a smaller unit");
  EXPECT_EQ(Complaint(ParseSize("0.0000000001KiB")),
            "'0.0000000001KiB' is not a whole number of bytes; write a smaller unit");
}

TEST(ParseSizeTest, TheLargestSizeFitsInt64) {
  EXPECT_EQ(*ParseSize("8589934591GiB"), uint64_t{8589934591} << 30);
  EXPECT_EQ(Complaint(ParseSize("8589934592GiB")), "'8589934592GiB' is too large");
  EXPECT_EQ(Complaint(ParseSize("99999999999999999999999999999B")),
            "'99999999999999999999999999999B' is too large");
}

TEST(ParseRateTest, WantsPerSecond) {
  EXPECT_EQ(*ParseRate("10MiB/s"), uint64_t{10} << 20);
  EXPECT_EQ(*ParseRate("1B/s"), 1u);
  EXPECT_EQ(*ParseRate("0"), 0u);
  EXPECT_EQ(Complaint(ParseRate("8KB/s")), "'8KB/s' is not a rate; write e.g. 8KiB/s");
  EXPECT_EQ(Complaint(ParseRate("10MiB")), "'10MiB' is not a rate; write e.g. 10MiB/s");
  EXPECT_EQ(Complaint(ParseRate("5")), "'5' is not a rate; write e.g. 5B/s");
  EXPECT_EQ(Complaint(ParseRate("fast")), "'fast' is not a rate; write e.g. 8KiB/s");
}

TEST(ParseDurationTest, YieldsNanoseconds) {
  EXPECT_EQ(*ParseDuration("500ms"), 500'000'000u);
  EXPECT_EQ(*ParseDuration("60s"), 60'000'000'000u);
  EXPECT_EQ(*ParseDuration("1.5m"), 90'000'000'000u);
  EXPECT_EQ(*ParseDuration("24h"), 86'400'000'000'000u);
  EXPECT_EQ(*ParseDuration("0.000001ms"), 1u);
  EXPECT_EQ(Complaint(ParseDuration("0.0000001ms")),
            "'0.0000001ms' is not a whole number of nanoseconds; write a smaller unit");
  EXPECT_EQ(Complaint(ParseDuration("5")), "'5' is not a duration; write e.g. 5s");
  EXPECT_EQ(Complaint(ParseDuration("5min")), "'5min' is not a duration; write e.g. 5m");
  EXPECT_EQ(Complaint(ParseDuration("5 sec")), "'5 sec' is not a duration; write e.g. 5s");
  EXPECT_EQ(Complaint(ParseDuration("2d")), "'2d' is not a duration; write e.g. 30s");
}

TEST(FormatTest, SizesPickTheUnitThatReads) {
  EXPECT_EQ(FormatSize(0), "0 B");
  EXPECT_EQ(FormatSize(-1), "0 B");
  EXPECT_EQ(FormatSize(512), "512 B");
  EXPECT_EQ(FormatSize(1023), "1023 B");
  EXPECT_EQ(FormatSize(1024), "1 KiB");
  EXPECT_EQ(FormatSize(1536 * 1024.0), "1.5 MiB");
  EXPECT_EQ(FormatSize(1024 * 1024 - 1), "1 MiB");
  EXPECT_EQ(FormatSize(5e12), "4.5 TiB");
  EXPECT_EQ(FormatSize(std::numeric_limits<double>::quiet_NaN()), "0 B");
  EXPECT_EQ(FormatRate(2048), "2 KiB/s");
}

TEST(FormatTest, DurationsPickTheUnitThatReads) {
  EXPECT_EQ(FormatDuration(0), "0 s");
  EXPECT_EQ(FormatDuration(0.00025), "250 us");
  EXPECT_EQ(FormatDuration(0.015), "15 ms");
  EXPECT_EQ(FormatDuration(1.5), "1.5 s");
  EXPECT_EQ(FormatDuration(59.97), "1m 0s");
  EXPECT_EQ(FormatDuration(123), "2m 3s");
  EXPECT_EQ(FormatDuration(3660), "1h 1m");
  EXPECT_EQ(FormatDuration(90000), "1d 1h");
  EXPECT_EQ(FormatDuration(std::numeric_limits<double>::infinity()), "for ever");
}

TEST(FormatTest, WhatIsWrittenByPeopleComesBack) {
  for (uint64_t bytes : {uint64_t{1}, uint64_t{1023}, uint64_t{1} << 10, uint64_t{3} << 20,
                         uint64_t{3} << 30, uint64_t{3} << 40}) {
    std::string text = FormatSize(static_cast<double>(bytes));
    text.erase(text.find(' '), 1);
    EXPECT_EQ(*ParseSize(text), bytes) << text;
  }
}

}  // namespace
}  // namespace entropyd
