#include "server/driver/source_identity.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "tests/temp_dir.h"

namespace entropyd {
namespace {

TEST(SourceIdentityTest, CharacterDeviceIsItsNumbersAndNothingElseIs) {
  struct stat file {};
  file.st_mode = S_IFCHR;
  file.st_rdev = makedev(10, 183);
  file.st_ino = 7;
  EXPECT_EQ(RootOfFile(file), "device 10:183");
  EXPECT_TRUE(IsHwrng(file));
  file.st_ino = 8;
  file.st_dev = makedev(0, 5);
  EXPECT_EQ(RootOfFile(file), "device 10:183") << "a second node, on another file system";
  file.st_rdev = makedev(10, 182);
  EXPECT_FALSE(IsHwrng(file));
  file.st_mode = S_IFIFO;
  file.st_dev = makedev(0, 26);
  EXPECT_EQ(RootOfFile(file), "FIFO 0:26/8");
  file.st_mode = S_IFSOCK;
  EXPECT_EQ(RootOfFile(file), "socket 0:26/8");
}

TEST(SourceIdentityTest, PathIsWhatStandsAtItsEnd) {
  TempDir directory;
  ASSERT_EQ(mkfifo((directory / "fifo").c_str(), 0600), 0);
  ASSERT_EQ(symlink("fifo", (directory / "link").c_str()), 0);
  EXPECT_EQ(RootOfPath(directory / "fifo"), RootOfPath(directory / "link"));
  EXPECT_EQ(RootOfPath("/dev/null"), "device 1:3");
  EXPECT_EQ(RootOfPath("/dev/../dev/no-such"), "/dev/no-such");
}

TEST(SourceIdentityTest, AddressIsOneWhateverItsSpelling) {
  for (const char* here : {"localhost:8888", "LOCALHOST.:8888", "127.0.0.1:8888", "127.1.2.3:8888",
                           "[::1]:8888", "[::ffff:127.0.0.1]:8888", "0.0.0.0:8888", "[::]:8888",
                           "ip6-localhost:8888", "a.localhost:8888", "localhost:08888"}) {
    EXPECT_EQ(RootOfAddress(here), "localhost:8888") << here;
  }
  EXPECT_EQ(RootOfAddress("[::ffff:192.0.2.1]:1"), RootOfAddress("192.0.2.1:1"));
  EXPECT_EQ(RootOfAddress("[2001:DB8:0::1]:1"), "[2001:db8::1]:1");
  EXPECT_EQ(RootOfAddress("Entropyd-0.Example.:7743"), "entropyd-0.example:7743");
  EXPECT_EQ(RootOfAddress("no address"), "no address");
  EXPECT_NE(RootOfAddress("127.0.0.1:1"), RootOfAddress("127.0.0.1:2"));
  EXPECT_NE(RootOfAddress("192.0.2.1:1"), RootOfAddress("192.0.2.2:1"));
}

TEST(SourceIdentityTest, HwrngOfATpmIsThatTpm) {
  EXPECT_EQ(RootOfHwrng("tpm-rng-0"), RootOfTpm("0"));
  EXPECT_EQ(RootOfHwrng("virtio_rng.0"), "device 10:183");
  EXPECT_EQ(RootOfHwrng(""), "device 10:183");
  EXPECT_EQ(RootOfHwrng("ccp-1-rng"), kRootCpu) << "what RDSEED draws from";
}

TEST(SourceIdentityTest, GroupOrRootMakesSourcesCountTogether) {
  using Firsts = std::vector<size_t>;
  EXPECT_EQ(CountTogether({}), Firsts());
  EXPECT_EQ(CountTogether({{"a", "1"}, {"b", "2"}}), (Firsts{0, 1}));
  EXPECT_EQ(CountTogether({{"a", "1"}, {"a", "2"}, {"b", "1"}}), (Firsts{0, 0, 0}));
  EXPECT_EQ(CountTogether({{"a", "1"}, {"b", "2"}, {"c", "2"}, {"c", "1"}}), (Firsts{0, 0, 0, 0}))
      << "a link that comes late joins those before it";
  EXPECT_EQ(CountTogether({{"a", ""}, {"b", ""}}), (Firsts{0, 1})) << "no root is not a root";
  EXPECT_EQ(CountTogether({{"a", "1"}, {"b", "2"}, {"b", "3"}}), (Firsts{0, 1, 1}));
}

}  // namespace
}  // namespace entropyd
