#include "hostagent/identity/libvirt_directory.h"

#include <sched.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/temp_dir.h"

namespace entropyd {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

class LibvirtDirectoryTest : public testing::Test {
 protected:
  LibvirtDirectoryTest() : path_(dir_ / "qemu") { std::filesystem::create_directory(path_); }

  std::string Backend(const std::string& leaf) {
    return absl::StrCat(
        "<metadata><entropyd:backend xmlns:entropyd='urn:entropyd:libvirt:1' "
        "model='pool' name='default' class='",
        leaf, "'/></metadata>");
  }
  // Writes as libvirt does: a new file, renamed over the old one.
  void Write(const std::string& name, int pid, const std::string& inside = "") {
    const std::string file = absl::StrCat(path_, "/", name, ".xml");
    std::ofstream(file + ".new") << "<domstatus pid='" << pid << "'><domain><name>" << name
                                 << "</name>" << inside << "</domain></domstatus>";
    std::filesystem::rename(file + ".new", file);
  }
  void Remove(const std::string& name) {
    std::filesystem::remove(absl::StrCat(path_, "/", name, ".xml"));
  }
  std::vector<int32_t> Refresh() {
    std::vector<int32_t> changed;
    directory().Refresh(&changed);
    return changed;
  }
  LibvirtDirectory& directory() {
    if (directory_ == nullptr) directory_ = std::make_unique<LibvirtDirectory>(path_, &log_);
    return *directory_;
  }
  std::string NameOf(int pid) {
    const LibvirtDomain* domain = directory().Find(pid, geteuid());
    return domain == nullptr ? "nobody" : domain->name;
  }

  TempDir dir_;
  std::string path_;
  ManualClock clock_{0};
  Log log_{&clock_, -1};
  std::unique_ptr<LibvirtDirectory> directory_;
};

TEST_F(LibvirtDirectoryTest, WhatIsThereIsFound) {
  Write("a", 10);
  Write("b", 11);
  EXPECT_THAT(Refresh(), UnorderedElementsAre(10, 11));
  EXPECT_EQ(NameOf(10), "a");
  EXPECT_EQ(NameOf(11), "b");
  EXPECT_EQ(NameOf(12), "nobody");
}

TEST_F(LibvirtDirectoryTest, WhatComesChangesAndGoesIsFollowed) {
  EXPECT_THAT(Refresh(), IsEmpty());
  Write("a", 10, Backend("gold"));
  EXPECT_THAT(Refresh(), ElementsAre(10));
  EXPECT_EQ(directory().Find(10, geteuid())->class_name, "default/gold");
  Write("a", 10, Backend("bulk"));
  EXPECT_THAT(Refresh(), ElementsAre(10));
  EXPECT_EQ(directory().Find(10, geteuid())->class_name, "default/bulk");
  Remove("a");
  EXPECT_THAT(Refresh(), IsEmpty());
  EXPECT_EQ(NameOf(10), "nobody");
}

TEST_F(LibvirtDirectoryTest, ANewStatusOfTheSameDomainIsNoNews) {
  Write("a", 10);
  Refresh();
  Write("a", 10, "<title>a block job has begun</title>");
  EXPECT_THAT(Refresh(), IsEmpty());
  EXPECT_EQ(NameOf(10), "a");
}

TEST_F(LibvirtDirectoryTest, ARestartedDomainHasAnotherPid) {
  Write("a", 10);
  Refresh();
  Write("a", 20);
  EXPECT_THAT(Refresh(), ElementsAre(20));
  EXPECT_EQ(NameOf(10), "nobody");
  EXPECT_EQ(NameOf(20), "a");
}

TEST_F(LibvirtDirectoryTest, OnlyWhatChangedIsReadAgain) {
  for (int i = 0; i < 100; ++i) Write(absl::StrCat("g", i), 100 + i);
  Refresh();
  ASSERT_EQ(directory().files_read(), 100u);
  Write("g7", 107, Backend("gold"));
  Refresh();
  for (int i = 0; i < 100; ++i) Refresh();
  EXPECT_EQ(directory().files_read(), 101u);
}

TEST_F(LibvirtDirectoryTest, AFileIsReadOnceHoweverOftenItHasChanged) {
  Write("g", 7);
  Refresh();
  for (int i = 0; i < 1'000; ++i) Write("g", 7, Backend(i % 2 == 0 ? "gold" : "bulk"));
  EXPECT_THAT(Refresh(), ElementsAre(7));
  EXPECT_EQ(directory().files_read(), 2u);
  EXPECT_EQ(directory().Find(7, geteuid())->class_name, "default/bulk");
}

TEST_F(LibvirtDirectoryTest, TheDirectoryMayComeLaterAndComeBack) {
  std::filesystem::remove_all(path_);
  EXPECT_THAT(Refresh(), IsEmpty());
  EXPECT_EQ(directory().fd(), -1);
  std::filesystem::create_directory(path_);
  Write("a", 10);
  EXPECT_THAT(Refresh(), ElementsAre(10));
  EXPECT_GE(directory().fd(), 0);
  std::filesystem::remove_all(path_);
  Refresh();
  EXPECT_EQ(directory().size(), 0u);
  std::filesystem::create_directory(path_);
  Write("b", 11);
  EXPECT_THAT(Refresh(), ElementsAre(11));
  Write("c", 12);
  EXPECT_THAT(Refresh(), ElementsAre(12));
}

TEST_F(LibvirtDirectoryTest, RubbishIsIgnoredAndMended) {
  std::ofstream(path_ + "/a.xml") << "<domstatus pid='10'><domain><na";
  std::ofstream(path_ + "/b.pid") << "11";
  std::filesystem::create_directory(path_ + "/c.xml");
  // What a link leads to may be the status of another directory's domain.
  Write("d", 13);
  std::filesystem::rename(path_ + "/d.xml", dir_ / "d.xml");
  std::filesystem::create_symlink(dir_ / "d.xml", path_ + "/d.xml");
  ASSERT_EQ(mkfifo((path_ + "/e.xml").c_str(), 0600), 0);
  EXPECT_THAT(Refresh(), IsEmpty());
  EXPECT_EQ(directory().size(), 0u);
  Write("a", 10);
  EXPECT_THAT(Refresh(), ElementsAre(10));
}

// Root gives the file away. Nobody else can, but in a user namespace of its own a process is
// another user than before, and a stranger to its own file.
TEST_F(LibvirtDirectoryTest, AFileOfAnotherUserCountsForHisPeersOnly) {
  const bool root = geteuid() == 0;
  const uid_t owner = root ? 1000 : geteuid();
  Write("a", 10);
  if (root) {
    ASSERT_EQ(chown((path_ + "/a.xml").c_str(), owner, owner), 0);
  }
  Refresh();
  const auto look = [&] {
    EXPECT_EQ(directory().Find(10, owner + 1), nullptr);
    EXPECT_EQ(directory().Find(10, 0), nullptr);
    EXPECT_NE(directory().Find(10, owner), nullptr);
  };
  if (root) return look();
  const pid_t child = fork();  // only a process with one thread may change its namespace
  if (child == 0) {
    EXPECT_EQ(unshare(CLONE_NEWUSER), 0) << "run as root, or allow user namespaces";
    std::ofstream("/proc/self/uid_map") << owner + 2 << " " << owner << " 1";
    EXPECT_EQ(geteuid(), owner + 2);
    look();
    fflush(nullptr);
    _exit(HasFailure() ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "the child has told why";
}

}  // namespace
}  // namespace entropyd
