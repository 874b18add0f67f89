#include "tests/temp_dir.h"

#include <gtest/gtest.h>

#include <fstream>

namespace entropyd {
namespace {

namespace fs = std::filesystem;

TEST(TempDirTest, ADirectoryGoesWithItsOwnerAndAllThatIsInIt) {
  std::string path;
  {
    const TempDir dir;
    path = dir.path();
    std::ofstream(dir / "file") << "x";
    fs::create_directory(dir / "folder");
    EXPECT_TRUE(fs::exists(path + "/file"));
    EXPECT_NE(TempDir().path(), path);
  }
  EXPECT_FALSE(fs::exists(path));
}

TEST(TempDirTest, OnlyWhatTestsHaveLeftLongAgoIsRemoved) {
  const TempDir parent;
  const auto make = [&](const std::string& name, std::chrono::minutes age) {
    fs::create_directory(parent / name);
    std::ofstream((parent / name) + "/file") << "x";
    fs::last_write_time(parent / name, fs::file_time_type::clock::now() - age);
    return parent / name;
  };
  const std::string old = make("entropyd-test.aaaaaa", std::chrono::minutes(61));
  const std::string in_use = make("entropyd-test.bbbbbb", std::chrono::minutes(59));
  const std::string foreign = make("entropyd-bench.cccccc", std::chrono::minutes(61));
  TempDir::RemoveForgotten(parent.path());
  EXPECT_FALSE(fs::exists(old));
  EXPECT_TRUE(fs::exists(in_use));
  EXPECT_TRUE(fs::exists(foreign));
}

}  // namespace
}  // namespace entropyd
