#include "client/guest_boot/initramfs.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

// A reader of the format that shares no code with the writer. It reads the fields as the kernel's
// init/initramfs.c does.
struct Entry {
  std::string name, contents;
  unsigned long inode, mode, links, major, minor;
};

unsigned long Field(const std::string& archive, size_t at, int index) {
  return std::stoul(archive.substr(at + 6 + 8 * static_cast<size_t>(index), 8), nullptr, 16);
}

std::vector<Entry> ReadNewc(const std::string& archive) {
  std::vector<Entry> entries;
  size_t at = 0;
  while (at + 110 <= archive.size()) {
    EXPECT_EQ(archive.substr(at, 6), "070701") << "at " << at;
    const unsigned long size = Field(archive, at, 6);
    const unsigned long name_size = Field(archive, at, 11);
    Entry entry;
    entry.inode = Field(archive, at, 0);
    entry.mode = Field(archive, at, 1);
    entry.links = Field(archive, at, 4);
    entry.major = Field(archive, at, 9);
    entry.minor = Field(archive, at, 10);
    entry.name = archive.substr(at + 110, name_size - 1);
    EXPECT_EQ(archive[at + 110 + name_size - 1], '\0');
    at = (at + 110 + name_size + 3) / 4 * 4;
    entry.contents = archive.substr(at, size);
    at = (at + size + 3) / 4 * 4;
    entries.push_back(entry);
    if (entry.name == "TRAILER!!!") break;
  }
  EXPECT_EQ(at, archive.size());
  return entries;
}

TEST(InitramfsTest, EmptyArchiveIsJustTheTrailer) {
  const std::vector<Entry> entries = ReadNewc(Initramfs().Finish());
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0].name, "TRAILER!!!");
}

TEST(InitramfsTest, FilesKeepContentsAndModeWhateverTheirLength) {
  for (size_t length = 0; length <= 9; ++length) {
    const std::string contents(length, 'x');
    Initramfs image;
    image.AddFile(std::string(length + 1, 'n'), 0755, contents);
    image.AddFile("next", 0600, "tail");
    const std::vector<Entry> entries = ReadNewc(std::move(image).Finish());
    ASSERT_EQ(entries.size(), 3u);
    EXPECT_EQ(entries[0].name, std::string(length + 1, 'n'));
    EXPECT_EQ(entries[0].contents, contents);
    EXPECT_EQ(entries[0].mode, 0100755u);
    EXPECT_EQ(entries[0].links, 1u);
    EXPECT_EQ(entries[1].contents, "tail");
    EXPECT_EQ(entries[1].mode, 0100600u);
  }
}

TEST(InitramfsTest, DirectoriesAndDevicesCarryTheirTypeAndNumbers) {
  Initramfs image;
  image.AddDirectory("dev");
  image.AddCharDevice("dev/console", 0600, 5, 1);
  const std::vector<Entry> entries = ReadNewc(std::move(image).Finish());
  ASSERT_EQ(entries.size(), 3u);
  EXPECT_EQ(entries[0].mode, 040755u);
  EXPECT_EQ(entries[0].links, 2u);
  EXPECT_EQ(entries[1].mode, 020600u);
  EXPECT_EQ(entries[1].major, 5u);
  EXPECT_EQ(entries[1].minor, 1u);
}

// Two files with the same inode number would count as hard links of each other.
TEST(InitramfsTest, InodeNumbersDiffer) {
  Initramfs image;
  image.AddFile("a", 0644, "1");
  image.AddFile("b", 0644, "2");
  const std::vector<Entry> entries = ReadNewc(std::move(image).Finish());
  ASSERT_EQ(entries.size(), 3u);
  EXPECT_NE(entries[0].inode, entries[1].inode);
}

}  // namespace
}  // namespace entropyd
