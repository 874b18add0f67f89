#include "hostagent/endpoint/peer.h"

#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "base/process/fd.h"
#include "gtest/gtest.h"
#include "tests/temp_dir.h"

namespace entropyd {
namespace {

class PeerTest : public testing::Test {
 protected:
  void SetUp() override {
    int fds[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    own_.reset(fds[0]);
    other_.reset(fds[1]);
    self_ = absl::StrCat(dir_.path(), "/", getpid());
    std::filesystem::create_directory(self_);
  }
  void Executable(const std::string& path) {
    std::filesystem::create_symlink(path, self_ + "/exe");
  }
  Peer Identify() { return IdentifyPeer(own_.get(), dir_.path()).value(); }

  TempDir dir_;
  std::string self_;  // a made-up /proc/PID
  UniqueFd own_;
  UniqueFd other_;
};

TEST_F(PeerTest, CredentialsComeFromTheSocket) {
  const Peer peer = IdentifyPeer(own_.get()).value();
  EXPECT_EQ(peer.pid, getpid());
  EXPECT_EQ(peer.uid, getuid());
  EXPECT_EQ(peer.program, "hostagent_test");
  EXPECT_FALSE(peer.qemu);
}

TEST_F(PeerTest, ExecutableTellsQemu) {
  Executable("/usr/bin/qemu-system-x86_64");
  EXPECT_EQ(Identify().program, "qemu-system-x86_64");
  EXPECT_TRUE(Identify().qemu);
}

TEST_F(PeerTest, AQemuThatWasUpgradedUnderItsFeetIsStillQemu) {
  Executable("/usr/libexec/qemu-kvm (deleted)");
  EXPECT_EQ(Identify().program, "qemu-kvm");
  EXPECT_TRUE(Identify().qemu);
}

TEST_F(PeerTest, CommServesWhereTheExecutableMayNotBeRead) {
  std::ofstream(self_ + "/comm") << "qemu-system-x86\n";
  EXPECT_EQ(Identify().program, "qemu-system-x86");
  EXPECT_TRUE(Identify().qemu);
}

TEST_F(PeerTest, ANameThatIsNoUtf8OrHasEscapeCodesIsMadePlain) {
  std::ofstream(self_ + "/comm") << "q\xff\x1b[31m\xc2\x9b\n";
  EXPECT_EQ(Identify().program, "q\\xff\\x1b[31m\\xc2\\x9b");
  Executable("/tmp/qemu-\xc3\xbc\xe2\x82\n");
  EXPECT_EQ(Identify().program, "qemu-\xc3\xbc\\xe2\\x82\\n");
  EXPECT_TRUE(Identify().qemu);
}

TEST_F(PeerTest, UnknownProgramIsNotQemu) {
  EXPECT_EQ(Identify().program, "");
  EXPECT_FALSE(Identify().qemu);
}

TEST_F(PeerTest, OnlyQemusNamesAreQemu) {
  EXPECT_TRUE(IsQemuProgram("qemu-system-aarch64"));
  EXPECT_TRUE(IsQemuProgram("qemu-kvm"));
  EXPECT_TRUE(IsQemuProgram("kvm"));
  EXPECT_FALSE(IsQemuProgram("not-qemu-system"));
  EXPECT_FALSE(IsQemuProgram("kvmtool"));
  EXPECT_FALSE(IsQemuProgram(""));
}

TEST_F(PeerTest, WhatIsNoSocketIsAnError) { EXPECT_FALSE(IdentifyPeer(-1).ok()); }

}  // namespace
}  // namespace entropyd
