// The one place where a test keeps its files: a directory that goes when its owner goes.
//
//   const TempDir dir;
//   std::ofstream(dir / "agent.yaml") << yaml;
//
// A test that crashes or is killed leaves its directory behind. So the first TempDir of each
// process removes the directories that nobody has used for an hour.
//
// Thread safety: a TempDir belongs to one thread.
#pragma once

#include <stdlib.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <system_error>

#include "absl/strings/match.h"

namespace entropyd {

class TempDir {
 public:
  // What all of them begin with, so that they can be told from the files of others.
  static constexpr char kPrefix[] = "entropyd-test.";

  // In memory ("/dev/shm"), where fsync must cost nothing.
  explicit TempDir(const std::string& parent = "/tmp") {
    [[maybe_unused]] static const bool swept =
        RemoveForgotten("/tmp") && RemoveForgotten("/dev/shm");
    std::string name = parent + "/" + kPrefix + "XXXXXX";
    if (mkdtemp(name.data()) == nullptr) abort();
    path_ = std::move(name);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

  // Removes what tests have left in `parent` and nobody has changed for so long.
  static constexpr std::chrono::hours kLongest{1};  // far longer than any test
  static bool RemoveForgotten(const std::string& parent) {
    std::error_code error;
    const auto oldest = std::filesystem::file_time_type::clock::now() - kLongest;
    for (const auto& entry : std::filesystem::directory_iterator(parent, error)) {
      if (!absl::StartsWith(entry.path().filename().string(), kPrefix)) continue;
      const auto changed = entry.last_write_time(error);
      if (!error && changed < oldest) std::filesystem::remove_all(entry.path(), error);
    }
    return true;
  }

 private:
  std::string path_;
};

}  // namespace entropyd
