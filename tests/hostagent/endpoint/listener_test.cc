#include "hostagent/endpoint/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hostagent/endpoint/group_lookup.h"
#include "tests/temp_dir.h"

namespace entropyd {
namespace {

using testing::AllOf;
using testing::Each;
using testing::HasSubstr;
using testing::Not;

UniqueFd Connect(const std::string& path) {
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  EXPECT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0)
      << strerror(errno);
  return fd;
}

class ListenerTest : public testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<Listener>> Listen(const std::string& path, mode_t mode = 0660,
                                                   const std::string& group = "") {
    return Listener::Create(
        {path, mode, group}, loop_.get(),
        [this](UniqueFd fd) { accepted_.push_back(std::move(fd)); },
        [this](const absl::Status& why) { failures_.push_back(why); });
  }

  TempDir dir_;
  ManualClock clock_;
  std::unique_ptr<EventLoop> loop_ = EventLoop::Create(&clock_).value();
  std::vector<UniqueFd> accepted_;
  std::vector<absl::Status> failures_;
};

TEST_F(ListenerTest, MakesItsDirectoryAndAcceptsEverybodyWaiting) {
  const std::string path = dir_ / "a/b/egd.sock";
  auto listener = Listen(path);
  ASSERT_TRUE(listener.ok()) << listener.status();
  std::vector<UniqueFd> clients;
  for (int i = 0; i < 10; ++i) clients.push_back(Connect(path));
  loop_->RunOnce(0);
  ASSERT_EQ(accepted_.size(), 10u);
  EXPECT_TRUE(fcntl(accepted_[0].get(), F_GETFL) & O_NONBLOCK);
  EXPECT_TRUE(fcntl(accepted_[0].get(), F_GETFD) & FD_CLOEXEC);
}

// Whoever connects as fast as the loop accepts must not hold it.
TEST_F(ListenerTest, ATurnAcceptsABoundedNumberAndTheNextTurnsTheRest) {
  const std::string path = dir_ / "egd.sock";
  auto listener = Listen(path);
  ASSERT_TRUE(listener.ok()) << listener.status();
  std::vector<UniqueFd> clients;
  for (int i = 0; i < 2 * EventLoop::kAcceptsPerTurn + 1; ++i) clients.push_back(Connect(path));
  loop_->RunOnce(0);
  EXPECT_EQ(accepted_.size(), size_t{EventLoop::kAcceptsPerTurn});
  loop_->RunOnce(0);
  EXPECT_EQ(accepted_.size(), size_t{2 * EventLoop::kAcceptsPerTurn});
  loop_->RunOnce(0);
  EXPECT_EQ(accepted_.size(), clients.size());
}

// The kernel tells of the same listener first, turn after turn.
TEST_F(ListenerTest, ATurnAcceptsABoundedNumberOfAllListenersAndEachHasItsTurn) {
  constexpr int kListeners = 8;
  constexpr int kWaiting = 2 * EventLoop::kAcceptsPerTurn;
  std::vector<std::unique_ptr<Listener>> listeners;
  std::vector<int> accepted(kListeners);
  std::vector<UniqueFd> clients;
  for (int& count : accepted) {
    const std::string path = dir_ / absl::StrCat(listeners.size(), ".sock");
    listeners.push_back(Listener::Create(
                            {path, 0660, ""}, loop_.get(), [&count](UniqueFd) { ++count; },
                            [](const absl::Status&) {})
                            .value());
    for (int i = 0; i < kWaiting; ++i) clients.push_back(Connect(path));
  }
  for (int turn = 1; turn <= 2 * kListeners; ++turn) {
    loop_->RunOnce(0);
    EXPECT_EQ(std::accumulate(accepted.begin(), accepted.end(), 0),
              turn * EventLoop::kAcceptsPerTurn);
    if (turn != kListeners) continue;
    EXPECT_THAT(accepted, Each(EventLoop::kAcceptsPerTurn));
  }
  EXPECT_THAT(accepted, Each(kWaiting));
}

TEST_F(ListenerTest, SocketFileHasTheModeAskedForAndGoesWithTheListener) {
  const std::string path = dir_ / "egd.sock";
  {
    auto listener = Listen(path, 0640);
    ASSERT_TRUE(listener.ok());
    struct stat file;
    ASSERT_EQ(stat(path.c_str(), &file), 0);
    EXPECT_EQ(file.st_mode & 0777, 0640u);
  }
  EXPECT_NE(access(path.c_str(), F_OK), 0);
}

TEST_F(ListenerTest, StaleSocketFileIsReplaced) {
  const std::string path = dir_ / "egd.sock";
  {
    UniqueFd dead(socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    ASSERT_EQ(bind(dead.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  ASSERT_EQ(access(path.c_str(), F_OK), 0);
  auto listener = Listen(path);
  ASSERT_TRUE(listener.ok()) << listener.status();
  UniqueFd client = Connect(path);
  loop_->RunOnce(0);
  EXPECT_EQ(accepted_.size(), 1u);
}

TEST_F(ListenerTest, LiveSocketIsLeftAlone) {
  const std::string path = dir_ / "egd.sock";
  auto first = Listen(path);
  ASSERT_TRUE(first.ok());
  auto second = Listen(path);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(second.status().message()), HasSubstr("another process listens there"));
  UniqueFd client = Connect(path);  // the first still serves
}

TEST_F(ListenerTest, AFileThatIsNoSocketIsNotRemoved) {
  const std::string path = dir_ / "precious";
  std::ofstream(path) << "data";
  EXPECT_EQ(Listen(path).status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(access(path.c_str(), F_OK), 0);
}

TEST_F(ListenerTest, AGroupMayBeANumber) {
  const std::string path = dir_ / "egd.sock";
  auto listener = Listen(path, 0660, absl::StrCat(getegid()));
  ASSERT_TRUE(listener.ok()) << listener.status();
  struct stat found;
  ASSERT_EQ(stat(path.c_str(), &found), 0);
  EXPECT_EQ(found.st_gid, getegid());
}

TEST_F(ListenerTest, ANumberNeedsNoEntryAmongTheGroups) {
  EXPECT_EQ(FindGroup("0").value(), 0u);
  EXPECT_EQ(FindGroup("root").value(), 0u);
  EXPECT_EQ(FindGroup("4123456789").value(), 4'123'456'789u);
  EXPECT_EQ(FindGroup("4294967294").value(), 4'294'967'294u);
  for (const char* bad : {"4294967295", "4294967296", "99999999999999999999"}) {
    EXPECT_THAT(std::string(FindGroup(bad).status().message()),
                HasSubstr("number is 0 to 4294967294"));
  }
  for (const char* unknown : {"0x1", "1.0", "no-such"}) {
    EXPECT_THAT(std::string(FindGroup(unknown).status().message()),
                HasSubstr("does not exist on this host"))
        << unknown;
  }
}

TEST_F(ListenerTest, WhatCannotBeAGroupIsToldByItsCharacter) {
  const std::pair<const char*, const char*> bad[] = {{"-1", "'-1' begins with '-'"},
                                                     {"+1", "the character '+'"},
                                                     {"107 ", "'107 ' has the character ' '"},
                                                     {"a\tb", "the character '\\t'"},
                                                     {"", "is empty"}};
  for (const auto& [name, why] : bad) {
    const absl::Status status = FindGroup(name).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << name;
    EXPECT_THAT(status.message(),
                AllOf(HasSubstr(why), Not(HasSubstr("groupadd")), HasSubstr("leave it out")));
  }
}

// Another group than this process's, which it may give to its files; nullopt = there is none.
absl::optional<gid_t> OtherGroup() {
  if (geteuid() == 0) return getegid() + 1;
  gid_t groups[64];
  const int n = getgroups(64, groups);
  for (int i = 0; i < n; ++i) {
    if (groups[i] != getegid()) return groups[i];
  }
  return absl::nullopt;
}

TEST_F(ListenerTest, WithoutAGroupTheFileHasTheProcesssOwn) {
  const absl::optional<gid_t> other = OtherGroup();
  ASSERT_TRUE(other.has_value()) << "this user has one group only; run the test as root";
  const std::string path = dir_ / "egd.sock";
  auto listener = Listen(path, 0660, absl::StrCat(*other)).value();
  struct stat found;
  ASSERT_EQ(stat(path.c_str(), &found), 0);
  ASSERT_EQ(found.st_gid, *other);
  ASSERT_TRUE(listener->SetAccess(0600, "").ok());
  ASSERT_EQ(stat(path.c_str(), &found), 0);
  EXPECT_EQ(found.st_gid, getegid());
  EXPECT_EQ(found.st_uid, geteuid());
  EXPECT_EQ(found.st_mode & 0777, 0600u);
}

TEST_F(ListenerTest, WithoutAGroupTheFileHasTheDirectorysWhereThatSetsIt) {
  const absl::optional<gid_t> other = OtherGroup();
  ASSERT_TRUE(other.has_value()) << "this user has one group only; run the test as root";
  const std::string directory = dir_ / "shared";
  ASSERT_EQ(mkdir(directory.c_str(), 0755), 0);
  ASSERT_EQ(chown(directory.c_str(), static_cast<uid_t>(-1), *other), 0);
  ASSERT_EQ(chmod(directory.c_str(), 02755), 0);
  EXPECT_EQ(GroupAt(directory + "/egd.sock", "").value(), *other);
  EXPECT_EQ(GroupAt(dir_ / "egd.sock", "").value(), getegid());
  auto listener = Listen(directory + "/egd.sock", 0660).value();
  struct stat found;
  ASSERT_EQ(stat(listener->path().c_str(), &found), 0);
  EXPECT_EQ(found.st_gid, *other);
}

// Whoever may write in the directory may put a link there, and would be given what it leads to.
TEST_F(ListenerTest, NothingButItsOwnSocketGetsModeAndGroup) {
  const std::string path = dir_ / "egd.sock", secret = dir_ / "secret";
  auto listener = Listen(path, 0600).value();
  UniqueFd file(open(secret.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  ASSERT_TRUE(file);
  const auto mode_of_secret = [&] {
    struct stat found;
    return stat(secret.c_str(), &found) == 0 ? found.st_mode & 0777 : 0;
  };
  ASSERT_EQ(unlink(path.c_str()), 0);
  EXPECT_TRUE(absl::IsNotFound(listener->SetAccess(0666, "")));
  ASSERT_EQ(symlink(secret.c_str(), path.c_str()), 0);
  EXPECT_TRUE(absl::IsFailedPrecondition(listener->SetAccess(0666, "")));
  EXPECT_EQ(mode_of_secret(), 0600u);
  ASSERT_EQ(unlink(path.c_str()), 0);
  ASSERT_EQ(link(secret.c_str(), path.c_str()), 0);
  EXPECT_TRUE(absl::IsFailedPrecondition(listener->SetAccess(0666, "")));
  EXPECT_EQ(mode_of_secret(), 0600u);
  ASSERT_EQ(unlink(path.c_str()), 0);
  auto other = Listen(path, 0600).value();
  EXPECT_TRUE(absl::IsFailedPrecondition(listener->SetAccess(0666, ""))) << "another socket";
  EXPECT_TRUE(other->SetAccess(0666, "").ok());
}

TEST_F(ListenerTest, MissingGroupIsNamedAndLeavesNoSocketBehind) {
  const std::string path = dir_ / "egd.sock";
  auto listener = Listen(path, 0660, "no-such-group");
  EXPECT_EQ(listener.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(listener.status().message()),
              AllOf(HasSubstr("group 'no-such-group' does not exist"),
                    HasSubstr("or give a group's number")));
  EXPECT_NE(access(path.c_str(), F_OK), 0);
}

TEST_F(ListenerTest, PathBeyondWhatASocketCanHaveIsRefused) {
  auto listener = Listen(dir_ / std::string(120, 'x'));
  EXPECT_EQ(listener.status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(ListenerTest, AnotherListenersFileIsNotUnlinked) {
  const std::string path = dir_ / "egd.sock";
  auto first = Listen(path);
  ASSERT_TRUE(first.ok());
  ASSERT_EQ(rename(path.c_str(), (dir_ / "moved.sock").c_str()), 0);
  auto second = Listen(path);
  ASSERT_TRUE(second.ok());
  first->reset();
  EXPECT_EQ(access(path.c_str(), F_OK), 0);
}

TEST_F(ListenerTest, OutOfDescriptorsPausesAndServesTheRestLater) {
  const std::string path = dir_ / "egd.sock";
  auto listener = Listen(path);
  ASSERT_TRUE(listener.ok());
  UniqueFd first = Connect(path);
  UniqueFd second = Connect(path);
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  UniqueFd next(dup(0));
  rlimit none = before;
  none.rlim_cur = static_cast<rlim_t>(next.get()) + 1;  // room for none after `next`
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  loop_->RunOnce(0);
  EXPECT_EQ(failures_.size(), 1u);
  loop_->RunOnce(0);
  EXPECT_EQ(failures_.size(), 1u) << "it must not spin";
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_TRUE(accepted_.empty());
  clock_.AdvanceNanos(Listener::kPauseNanos);
  loop_->RunOnce(0);
  loop_->RunOnce(0);
  EXPECT_EQ(accepted_.size(), 2u);
}

// A service manager keeps a socket that it passed on, and may shut it down.
TEST_F(ListenerTest, ASocketThatIsShutDownIsTriedNowAndThenAndLeavesNothingBehind) {
  UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(listen(socket.get(), 1), 0);  // on a port of the kernel's choice
  auto listener = Listener::Adopt(
      "tcp", {std::move(socket)}, loop_.get(), [](UniqueFd) {},
      [this](const absl::Status& why) { failures_.push_back(why); });
  ASSERT_TRUE(listener.ok()) << listener.status();
  ASSERT_EQ(shutdown((*listener)->fd(), SHUT_RDWR), 0);
  for (int i = 0; i < 10; ++i) loop_->RunOnce(0);
  EXPECT_EQ(failures_.size(), 1u) << "it must not spin";
  clock_.AdvanceNanos(Listener::kPauseNanos);
  for (int i = 0; i < 10; ++i) loop_->RunOnce(0);
  EXPECT_EQ(failures_.size(), 2u);
  listener->reset();
  clock_.AdvanceNanos(10 * Listener::kPauseNanos);
  loop_->RunOnce(0);
  EXPECT_EQ(failures_.size(), 2u);
}

}  // namespace
}  // namespace entropyd
