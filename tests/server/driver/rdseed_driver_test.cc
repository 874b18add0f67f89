#include "server/driver/rdseed_driver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "tests/server/driver/driver_rigs.h"
#include "tests/temp_dir.h"

namespace entropyd {
namespace {

using ::testing::HasSubstr;

int gets = 0;

// A file that stands for /proc/cpuinfo.
class Cpuinfo {
 public:
  explicit Cpuinfo(absl::string_view flags) {
    std::ofstream(path_) << "processor\t: 0\nvendor_id\t: test\nflags\t\t: " << flags << "\n";
  }
  const char* path() const { return path_.c_str(); }

 private:
  const TempDir dir_;
  const std::string path_ = dir_ / "cpuinfo";
};

bool CountUp(uint64_t* word) {
  *word = static_cast<uint64_t>(++gets);
  return true;
}

TEST(RdseedTest, BothTheKernelAndCpuidMustHaveIt) {
  const Cpuinfo with("fpu rdrand rdseed sse2"), without("fpu rdrand rdseed32 sse2");
  EXPECT_TRUE(RdseedDriver(CountUp, with.path()).Open().ok());
  EXPECT_TRUE(absl::IsNotFound(RdseedDriver(nullptr, with.path()).Open().status()));
  const absl::Status cleared = RdseedDriver(CountUp, without.path()).Open().status();
  EXPECT_TRUE(absl::IsFailedPrecondition(cleared)) << cleared;
  for (const char* part : {"open rdseed", "the kernel does not list it", without.path(),
                           "known to be faulty", "update firmware, microcode and kernel"}) {
    EXPECT_THAT(std::string(cleared.message()), HasSubstr(part));
  }
  EXPECT_TRUE(absl::IsFailedPrecondition(RdseedDriver(CountUp, "/no/cpuinfo").Open().status()));
}

TEST(RdseedTest, ThisMachineIsUsedOrRefusedAsItsFlagsSay) {
  RdseedRig rig;
  const absl::Status status = rig.MakeDriver()->Open().status();
  EXPECT_EQ(status.ok(), rig.present()) << status;
  if (!rig.present()) {
    EXPECT_THAT(std::string(status.message()), HasSubstr("open rdseed: th"));
    EXPECT_THAT(std::string(status.message()), HasSubstr("remove the source"));
  }
}

TEST(RdseedTest, ValueAtTheLastTryIsUsed) {
  gets = 0;
  RdseedDriver driver(
      [](uint64_t* word) {
        *word = static_cast<uint64_t>(gets);
        return ++gets % 1024 == 0;
      },
      "");
  uint8_t bytes[16];
  EXPECT_EQ(driver.Read(absl::MakeSpan(bytes)).value(), 16u);
  EXPECT_EQ(bytes[0], 0xff);  // 1023
  EXPECT_EQ(bytes[8], 0xff);  // 2047
}

TEST(RdseedTest, ThousandTriesInVainAreNothingYetAndNoError) {
  gets = 0;
  RdseedDriver driver(
      [](uint64_t*) {
        ++gets;
        return false;
      },
      "");
  uint8_t bytes[64];
  EXPECT_EQ(driver.Read(absl::MakeSpan(bytes)).value(), 0u);
  EXPECT_EQ(gets, 1024);
}

TEST(RdseedTest, WordsBeforeAFailureAreGiven) {
  gets = 0;
  RdseedDriver driver(
      [](uint64_t* word) {
        *word = 1;
        return ++gets <= 2;
      },
      "");
  uint8_t bytes[64];
  EXPECT_EQ(driver.Read(absl::MakeSpan(bytes)).value(), 16u);
}

TEST(RdseedTest, ProcessorThatRepeatsOneValueIsRefused) {
  const Cpuinfo with("rdseed");
  RdseedDriver driver(
      [](uint64_t* word) {
        *word = 0;
        return true;
      },
      with.path());
  EXPECT_TRUE(absl::IsFailedPrecondition(driver.Open().status()));
}

TEST(RdseedTest, ProcessorThatGivesNothingIsTriedAgain) {
  const Cpuinfo with("rdseed");
  RdseedDriver driver([](uint64_t*) { return false; }, with.path());
  EXPECT_TRUE(absl::IsUnavailable(driver.Open().status()));
}

}  // namespace
}  // namespace entropyd
