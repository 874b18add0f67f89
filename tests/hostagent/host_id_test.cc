#include "hostagent/host_id.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/temp_dir.h"

namespace entropyd {
namespace {

using testing::HasSubstr;

TEST(HostIdTest, IsMadeOnceAndKept) {
  TempDir dir;
  const std::string state = dir / "a/state";
  const std::string id = LoadOrCreateHostId(state).value();
  EXPECT_EQ(id.size(), kHostIdBytes);
  EXPECT_EQ(LoadOrCreateHostId(state).value(), id);
  struct stat file;
  ASSERT_EQ(stat((state + "/host_id").c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 0777, 0600u);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(state), {}), 1) << "left-over file";
}

TEST(HostIdTest, TwoHostsDiffer) {
  TempDir dir;
  EXPECT_NE(LoadOrCreateHostId(dir / "one").value(), LoadOrCreateHostId(dir / "two").value());
}

TEST(HostIdTest, ADamagedFileIsRefusedWithTheRemedy) {
  TempDir dir;
  for (const char* text :
       {"\n", "00", "zz00112233445566778899aabbccddee", "00112233445566778899aabbccddeeff00\n"}) {
    std::ofstream(dir / "host_id", std::ios::trunc) << text;
    auto id = LoadOrCreateHostId(dir.path());
    EXPECT_EQ(id.status().code(), absl::StatusCode::kFailedPrecondition) << text;
    EXPECT_THAT(std::string(id.status().message()), HasSubstr("remove the file"));
  }
}

TEST(HostIdTest, AnEmptyFileIsAsGoodAsNoneAndIsTold) {
  TempDir dir;
  std::ofstream(dir / "host_id", std::ios::trunc).flush();
  EXPECT_TRUE(CheckHostId(dir.path()).ok());
  bool was_empty = false;
  const auto id = LoadOrCreateHostId(dir.path(), &was_empty);
  ASSERT_TRUE(id.ok()) << id.status();
  EXPECT_TRUE(was_empty);
  was_empty = false;
  EXPECT_EQ(LoadOrCreateHostId(dir.path(), &was_empty).value(), *id) << "it is kept";
  EXPECT_FALSE(was_empty);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir.path()), {}), 1);
}

TEST(HostIdTest, WhoeverFindsItEmptyAtOnceGetsTheSame) {
  for (int round = 0; round < 20; ++round) {
    TempDir dir;
    std::ofstream(dir / "host_id", std::ios::trunc).flush();
    std::vector<std::string> ids(8);
    std::vector<std::thread> threads;
    for (std::string& id : ids) {
      threads.emplace_back([&] { id = LoadOrCreateHostId(dir.path()).value(); });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(std::set<std::string>(ids.begin(), ids.end()).size(), 1u);
  }
}

TEST(HostIdTest, AStateDirThatCannotBeMadeIsNamed) {
  TempDir dir;
  std::ofstream(dir / "file") << "in the way";
  auto id = LoadOrCreateHostId(dir / "file/state");
  ASSERT_FALSE(id.ok());
  EXPECT_THAT(std::string(id.status().message()), HasSubstr("file/state"));
}

TEST(HostIdTest, WhoeverMakesItAtOnceGetsTheSame) {
  TempDir dir;
  const std::string made = LoadOrCreateHostId(dir / "state").value();
  std::vector<std::string> ids(8);
  std::vector<std::thread> threads;
  for (std::string& id : ids) {
    threads.emplace_back([&] { id = LoadOrCreateHostId(dir / "state").value(); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(std::set<std::string>(ids.begin(), ids.end()), std::set<std::string>{made});
}

}  // namespace
}  // namespace entropyd
