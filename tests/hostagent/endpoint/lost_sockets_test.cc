// Socket files that somebody removes or replaces are made anew, or are a problem until they can be.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/hostagent/endpoint/endpoints_rig.h"

namespace entropyd {
namespace {

using config::v1::GuestSocket;

class LostSocketsTest : public EndpointsTest {};

TEST_F(LostSocketsTest, ASocketFileThatSomebodyRemovesIsMadeAnew) {
  Endpoints& endpoints = Made();
  ASSERT_TRUE(endpoints.Open().ok());
  const std::string path = dir_ / "1.sock";
  endpoints.MakeLostAnew();
  EXPECT_TRUE(TryToConnect(dir_ / "0.sock")) << "nothing is lost";
  ASSERT_EQ(unlink(path.c_str()), 0);
  EXPECT_FALSE(TryToConnect(path));
  endpoints.MakeLostAnew();
  EXPECT_TRUE(TryToConnect(path));
  loop_->RunOnce(0);
  EXPECT_THAT(accepted_, testing::UnorderedElementsAre(0, 1));
  // Something else in its place is not removed, and what is there again is not made twice.
  ASSERT_EQ(unlink(path.c_str()), 0);
  ASSERT_EQ(mkdir(path.c_str(), 0700), 0);
  endpoints.MakeLostAnew();
  EXPECT_TRUE(std::filesystem::is_directory(path));
  ASSERT_EQ(rmdir(path.c_str()), 0);
  endpoints.MakeLostAnew();
  EXPECT_TRUE(TryToConnect(path));
  const auto inode = [&path] {
    struct stat found;
    return stat(path.c_str(), &found) == 0 ? found.st_ino : 0;
  };
  const ino_t made = inode();
  endpoints.MakeLostAnew();
  EXPECT_EQ(inode(), made);
}

TEST_F(LostSocketsTest, TheFileOfAnotherProcessIsNotMade) {
  Endpoints& endpoints = Made();
  ASSERT_TRUE(endpoints.Open().ok());
  endpoints.Disown();
  const std::string path = dir_ / "0.sock";
  ASSERT_EQ(unlink(path.c_str()), 0);
  endpoints.MakeLostAnew();
  EXPECT_FALSE(std::filesystem::exists(path));
  // Its successor finds it lost, too.
  endpoints.Own();
  endpoints.MakeLostAnew();
  EXPECT_TRUE(TryToConnect(path));
}

TEST_F(LostSocketsTest, ASocketFileThatCannotBeMadeAnewIsAProblemAndCounts) {
  Endpoints& endpoints = Made();
  ASSERT_TRUE(endpoints.Open().ok());
  const std::string path = dir_ / "1.sock";
  ASSERT_EQ(unlink(path.c_str()), 0);
  ASSERT_EQ(mkdir(path.c_str(), 0700), 0);
  EXPECT_EQ(endpoints.MakeLostAnew(), 1u);
  EXPECT_EQ(endpoints.MakeLostAnew(), 0u) << "it is lost as before";
  EXPECT_FALSE(endpoints.problem(1).ok());
  EXPECT_EQ(endpoints.waiting(), 1u);
  ASSERT_EQ(rmdir(path.c_str()), 0);
  EXPECT_EQ(endpoints.MakeLostAnew(), 0u);
  EXPECT_TRUE(endpoints.problem(1).ok());
  EXPECT_TRUE(TryToConnect(path));
}

TEST_F(LostSocketsTest, AWholeDirectoryThatIsWipedIsMadeAnew) {
  options_.configured[0].path = dir_ / "run/0.sock";
  Endpoints& endpoints = Made();
  ASSERT_TRUE(endpoints.Open().ok());
  ASSERT_TRUE(endpoints.Add(Guest("vm-1")).ok());
  std::filesystem::remove_all(dir_ / "run");
  std::filesystem::remove_all(dir_ / "guest");
  EXPECT_EQ(endpoints.MakeLostAnew(), 2u);
  EXPECT_TRUE(TryToConnect(dir_ / "run/0.sock"));
  EXPECT_TRUE(TryToConnect(dir_ / "guest/vm-1.sock"));
}

TEST_F(LostSocketsTest, ThousandsOfLostFilesAreMadeSomeAtATime) {
  options_.most_guest_sockets = 600;
  Endpoints& endpoints = Made();
  ASSERT_TRUE(endpoints.Open().ok());
  for (int i = 0; i < 600; ++i) {
    ASSERT_TRUE(endpoints.Add(Guest(absl::StrCat("vm-", i))).ok());
  }
  EXPECT_EQ(endpoints.MakeLostAnew(), 0u);
  EXPECT_TRUE(endpoints.more_to_look_at());
  while (endpoints.more_to_look_at()) endpoints.MakeLostAnew();
  std::filesystem::remove_all(dir_ / "guest");
  size_t lost = endpoints.MakeLostAnew();
  EXPECT_LT(lost, 100u);
  while (endpoints.more_to_look_at()) lost += endpoints.MakeLostAnew();
  EXPECT_EQ(lost, 600u);
  EXPECT_TRUE(TryToConnect(dir_ / "guest/vm-0.sock"));
  EXPECT_TRUE(TryToConnect(dir_ / "guest/vm-599.sock"));
}

// The manager would not make it before it starts the service anew.
TEST_F(LostSocketsTest, ALostSocketOfAProcessManagerIsMadeAnewAsItWas) {
  auto unit = Listener::Create(
                  {options_.configured[0].path, 0622, ""}, loop_.get(), [](UniqueFd) {},
                  [](const absl::Status&) {})
                  .value();
  std::vector<UniqueFd> passed;
  passed.emplace_back(fcntl(unit->fd(), F_DUPFD_CLOEXEC, 0));
  Endpoints& endpoints = Made();
  ASSERT_TRUE(endpoints.Inherit(std::move(passed)).ok());
  ASSERT_TRUE(endpoints.Open().ok());
  EXPECT_EQ(endpoints.MakeLostAnew(), 0u);
  EXPECT_EQ(endpoints.activated().size(), 1u);
  const std::string path = options_.configured[0].path;
  ASSERT_EQ(unlink(path.c_str()), 0);
  EXPECT_EQ(endpoints.MakeLostAnew(), 1u);
  EXPECT_TRUE(TryToConnect(path));
  struct stat made;
  ASSERT_EQ(stat(path.c_str(), &made), 0);
  EXPECT_EQ(made.st_mode & 0777, 0622u) << "not the mode of the configuration";
  EXPECT_TRUE(endpoints.activated().empty()) << "it is this process's now";
}

}  // namespace
}  // namespace entropyd
