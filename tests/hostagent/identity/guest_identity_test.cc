#include "hostagent/identity/guest_identity.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/types/optional.h"
#include "gtest/gtest.h"
#include "tests/temp_dir.h"

namespace entropyd {
namespace {

constexpr auto kLibvirt = config::v1::IDENTIFY_LIBVIRT;
constexpr auto kCgroup = config::v1::IDENTIFY_CGROUP;

class GuestIdentityTest : public testing::Test {
 protected:
  GuestIdentityTest() { std::filesystem::create_directories(proc_ / "7"); }

  void Process(uint64_t start_ticks, const std::string& cgroup = "0::/user.slice\n") {
    std::string stat = "7 (qemu) x (a) S 1";
    for (int field = 5; field < 22; ++field) stat += " 0";
    std::ofstream(proc_ / "7/stat") << stat << " " << start_ticks << " 4096\n";
    std::ofstream(proc_ / "7/cgroup") << cgroup;
  }
  void Domain(int pid) {
    const std::string file = libvirt_ / "web.xml";
    std::ofstream(file + ".new") << "<domstatus pid='" << pid
                                 << "'><domain><name>web</name></domain></domstatus>";
    std::filesystem::rename(file + ".new", file);
    std::vector<int32_t> changed;
    directory_.Refresh(&changed);
  }
  absl::optional<GuestIdentity> Find(uint64_t start_ticks, config::v1::Identify how) {
    pin_ = PeerPin();
    pin_.pid = 7;
    pin_.uid = geteuid();
    pin_.start_ticks = start_ticks;
    return FindIdentity(&pin_, how, directory_, proc_.path());
  }

  TempDir proc_;
  TempDir libvirt_;
  ManualClock clock_{0};
  Log log_{&clock_, -1};
  LibvirtDirectory directory_{libvirt_.path(), &log_};
  PeerPin pin_;
};

TEST_F(GuestIdentityTest, LibvirtKnowsItsDomains) {
  Process(100);
  Domain(7);
  auto identity = Find(100, kLibvirt);
  ASSERT_TRUE(identity.has_value());
  EXPECT_EQ(identity->source, IdentitySource::kLibvirt);
  EXPECT_EQ(identity->name, "web");
}

TEST_F(GuestIdentityTest, ThePinLearnsWhenTheProcessBegan) {
  Process(100);
  Domain(7);
  ASSERT_TRUE(Find(0, kLibvirt).has_value());
  EXPECT_EQ(pin_.start_ticks, 100u);
}

TEST_F(GuestIdentityTest, AReusedPidIsNobody) {
  Process(101);
  Domain(7);
  EXPECT_FALSE(Find(100, kLibvirt).has_value());
}

TEST_F(GuestIdentityTest, AnEndedProcessIsNobody) {
  Domain(7);
  EXPECT_FALSE(Find(100, kLibvirt).has_value());
}

TEST_F(GuestIdentityTest, TheCgroupServesWhereLibvirtSaysNothing) {
  Process(100, "0::/machine.slice/machine-qemu\\x2d3\\x2dweb\\x2d1.scope/libvirt/emulator\n");
  for (const auto how : {kLibvirt, kCgroup}) {
    auto identity = Find(100, how);
    ASSERT_TRUE(identity.has_value());
    EXPECT_EQ(identity->source, IdentitySource::kCgroup);
    EXPECT_EQ(identity->name, "web-1");
  }
  Domain(7);
  EXPECT_EQ(Find(100, kLibvirt)->source, IdentitySource::kLibvirt);
  EXPECT_EQ(Find(100, kCgroup)->source, IdentitySource::kCgroup);
}

TEST_F(GuestIdentityTest, OthersAreUnknown) {
  Process(100);
  EXPECT_FALSE(Find(100, kLibvirt).has_value());
  EXPECT_FALSE(Find(100, kCgroup).has_value());
}

TEST(DomainOfCgroupTest, KnowsTheFormsThatLibvirtUses) {
  EXPECT_EQ(DomainOfCgroup("0::/machine.slice/machine-qemu\\x2d12\\x2dg.scope"), "g");
  EXPECT_EQ(DomainOfCgroup("0::/../../machine.slice/machine-qemu\\x2d1\\x2dg.scope/libvirt"), "g");
  EXPECT_EQ(DomainOfCgroup("12:cpu:/other\n3:name=systemd:/machine/qemu-1-g1.libvirt-qemu/vcpu0\n"),
            "g1");
  EXPECT_EQ(DomainOfCgroup("0::/machine.slice/machine-a.slice/machine-qemu\\x2d1\\x2dx.scope"),
            "x");
}

TEST(DomainOfCgroupTest, ANameThatIsNoUtf8IsMadeSo) {
  EXPECT_EQ(DomainOfCgroup("0::/machine.slice/machine-qemu\\x2d1\\x2da\\xffb.scope"), "a\\xffb");
  EXPECT_EQ(DomainOfCgroup("0::/machine/qemu-1-a\xff\xc2\x9b.libvirt-qemu"), "a\\xff\\xc2\\x9b");
  EXPECT_EQ(DomainOfCgroup("0::/machine/qemu-1-gr\xc3\xbcn.libvirt-qemu"), "gr\xc3\xbcn");
}

TEST(IdentityOfDomainTest, WhatItsXmlSaysReachesNoTerminalAsItIs) {
  LibvirtDomain domain;
  domain.name = "gr\xc3\xbcn\xc2\x9b";
  domain.class_error = "class='\x1b[31m' is not the name of a class";
  const GuestIdentity identity = IdentityOf(domain);
  EXPECT_EQ(identity.name, "gr\xc3\xbcn\\xc2\\x9b");
  EXPECT_EQ(identity.class_error, "class='\\x1b[31m' is not the name of a class");
}

TEST(DomainOfCgroupTest, AUsersOwnCgroupsAreNoMachines) {
  EXPECT_EQ(DomainOfCgroup("0::/user.slice/user-1000.slice/machine-qemu\\x2d1\\x2dvictim.scope"),
            "");
  EXPECT_EQ(DomainOfCgroup("0::/user.slice/machine.slice/machine-qemu\\x2d1\\x2dvictim.scope"), "");
}

TEST(DomainOfCgroupTest, WhatIsNoMachineHasNoName) {
  for (const char* text : {"", "0::/", "0::", "nonsense", "0::/machine.slice",
                           "0::/machine.slice/machine-lxc\\x2d1\\x2dg.scope",
                           "0::/machine.slice/machine-qemu\\x2dg.scope",
                           "0::/machine.slice/machine-qemu\\x2d1\\x2d.scope",
                           "0::/machine.slice/machine-qemu\\x2d1\\x2da\\x0ab.scope",
                           "0::/machine.slice/machine-qemu\\x2d1\\x2dg.service"}) {
    EXPECT_EQ(DomainOfCgroup(text), "") << text;
  }
}

// A process of its own, because a pin must notice its end.
class PinPeerTest : public testing::Test {
 protected:
  PinPeerTest() {
    int fds[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    own_.reset(fds[0]);
    other_.reset(fds[1]);
  }
  UniqueFd own_;
  UniqueFd other_;
};

TEST_F(PinPeerTest, APinHoldsAProcessAndTellsItFromTheNext) {
  PeerPin pin = PinPeer(own_.get());
  EXPECT_EQ(pin.pid, getpid());
  EXPECT_EQ(pin.uid, geteuid());
  EXPECT_GT(StartTicks(getpid()), 0u);
  EXPECT_TRUE(pin.pidfd || pin.start_ticks == StartTicks(getpid()));
}

TEST_F(PinPeerTest, TheStartTimeIsTheFieldWithNumber22WhateverTheNameHolds) {
  const TempDir proc;
  std::filesystem::create_directory(proc / "77");
  std::ofstream stat(proc / "77/stat");
  stat << "77 (a) (b c) S";
  for (int field = 4; field <= 52; ++field) stat << ' ' << field;
  stat << '\n';
  stat.close();
  EXPECT_EQ(StartTicks(77, proc.path()), 22u);
}

TEST_F(PinPeerTest, AProcessThatIsGoneHasNoStartTime) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) _exit(0);
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  EXPECT_EQ(StartTicks(child), 0u);
}

TEST_F(PinPeerTest, WhatIsNoSocketPinsNobody) { EXPECT_EQ(PinPeer(-1).pid, 0); }

// The socket stays, and the process that connected it has gone: as when it gives it to a child.
TEST_F(PinPeerTest, AProcessThatIsGonePinsNobodyWhoeverHasItsPidNow) {
  const TempDir dir, proc;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = dir / "s";
  std::memcpy(address.sun_path, path.data(), path.size());
  const UniqueFd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const UniqueFd kept(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(listen(listener.get(), 1), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    _exit(connect(kept.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 ? 0 : 1);
  }
  int status = 1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  // The next owner of the pid.
  std::filesystem::create_directory(proc / absl::StrCat(child));
  std::ofstream stat(proc / absl::StrCat(child, "/stat"));
  stat << child << " (qemu) S";
  for (int field = 4; field <= 52; ++field) stat << ' ' << field;
  stat.close();
  const UniqueFd accepted(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  ASSERT_TRUE(accepted);
  const PeerPin pin = PinPeer(accepted.get(), proc.path());
  EXPECT_EQ(pin.pid, 0);
  EXPECT_EQ(pin.start_ticks, 0u);
}

}  // namespace
}  // namespace entropyd
