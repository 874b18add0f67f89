#include "server/classes/class_state_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "tests/temp_dir.h"

namespace entropyd {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class ClassStateFileTest : public ::testing::Test {
 protected:
  static config::v1::ClassState OneChange() {
    config::v1::ClassState state;
    state.set_version(1);
    config::v1::ClassChange* change = state.add_changes();
    change->set_pool("default");
    change->set_class_("slow");
    change->set_by("spiffe://test/operator");
    change->set_at("2026-01-02T03:04:05Z");
    change->mutable_set()->set_ceil(8192);
    return state;
  }
  void Write(const std::string& text) { std::ofstream(ClassStatePath(dir_)) << text; }
  std::string Complaint() {
    const auto loaded = LoadClassState(dir_);
    EXPECT_FALSE(loaded.ok());
    return std::string(loaded.status().message());
  }

  const TempDir temp_;
  const std::string dir_ = temp_.path();
};

TEST_F(ClassStateFileTest, WithoutAFileNothingIsKept) {
  const auto state = LoadClassState(dir_);
  ASSERT_TRUE(state.ok()) << state.status();
  EXPECT_EQ(state->version(), 1u);
  EXPECT_EQ(state->changes_size(), 0);
}

TEST_F(ClassStateFileTest, WhatIsSavedLoadsAgainToTheLastDigit) {
  config::v1::ClassState state = OneChange();
  config::v1::ClassFigures* set = state.mutable_changes(0)->mutable_set();
  set->set_rate(1'048'577);
  set->set_ceil(0);  // none
  set->set_burst((uint64_t{1} << 40) + 1);
  set->set_cburst(5000);
  set->set_prio(7);
  for (const double weight : {0.1, 1e-7, 1.0 / 3, 3e20, 12345678.9}) {
    set->set_weight(weight);
    ASSERT_TRUE(SaveClassState(dir_, state).ok()) << SaveClassState(dir_, state);
    const auto back = LoadClassState(dir_);
    ASSERT_TRUE(back.ok()) << back.status();
    EXPECT_EQ(back->SerializeAsString(), state.SerializeAsString()) << ClassStateText(state);
  }
  struct stat file;
  ASSERT_EQ(stat(ClassStatePath(dir_).c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 0777, 0600u);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir_), {}), 1) << "no other";
}

TEST_F(ClassStateFileTest, AStrangeIdentityCannotBreakTheFile) {
  config::v1::ClassState state = OneChange();
  state.mutable_changes(0)->set_by("a\"b\\c\nd: {\xff#");
  ASSERT_TRUE(SaveClassState(dir_, state).ok());
  const auto back = LoadClassState(dir_);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->changes(0).by(), "a\"b\\c?d: {?#");
}

TEST_F(ClassStateFileTest, AFileWithoutAByteKeepsNothing) {
  std::ofstream(ClassStatePath(dir_)).flush();
  const auto state = LoadClassState(dir_);
  ASSERT_TRUE(state.ok()) << state.status();
  EXPECT_EQ(state->version(), 1u);
  EXPECT_EQ(state->changes_size(), 0);
}

TEST_F(ClassStateFileTest, ACorruptFileIsNamedWithPlaceAndRemedy) {
  Write("version: 1\nchanges:\n  - {pool: default, class: slow, set: {ciel: 8KiB/s}}\n");
  EXPECT_THAT(Complaint(), AllOf(HasSubstr("classes.yaml:3:"), HasSubstr("did you mean 'ceil'"),
                                 HasSubstr("remove it to return to the figures of server.yaml")));
  Write("changes: []\n");
  EXPECT_THAT(Complaint(), HasSubstr("'version'"));
  Write("version: 2\n");
  EXPECT_THAT(Complaint(), HasSubstr("was written by a newer entropyd; this one reads version 1"));
  Write(std::string("\0\0\0\0", 4));
  EXPECT_THAT(Complaint(), HasSubstr("classes.yaml"));
  config::v1::ClassState state = OneChange();
  Write(ClassStateText(state).substr(0, 120));
  EXPECT_THAT(Complaint(), HasSubstr("classes.yaml"));
  *state.add_changes() = state.changes(0);
  Write(ClassStateText(state));
  EXPECT_THAT(Complaint(), HasSubstr("'default/slow' is there twice"));
  state = OneChange();
  state.mutable_changes(0)->set_at("yesterday");
  Write(ClassStateText(state));
  EXPECT_THAT(Complaint(), HasSubstr("'yesterday' is no time"));
}

TEST_F(ClassStateFileTest, AFileThatCannotBeReadIsAnError) {
  std::filesystem::create_directory(ClassStatePath(dir_));
  EXPECT_FALSE(LoadClassState(dir_).ok());
}

TEST_F(ClassStateFileTest, WithoutItsDirectoryThereIsNoChangeAndNoneIsMade) {
  const std::string fresh = dir_ + "/fresh";
  ASSERT_TRUE(LoadClassState(fresh).ok()) << "a check of the configuration comes before the start";
  EXPECT_FALSE(std::filesystem::exists(fresh));
}

TEST_F(ClassStateFileTest, WhatCannotBeWrittenLeavesTheOldFile) {
  ASSERT_TRUE(SaveClassState(dir_, OneChange()).ok());
  config::v1::ClassState other = OneChange();
  other.mutable_changes(0)->mutable_set()->set_ceil(4096);
  // No file may grow, as if the disk were full.
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = signal(SIGXFSZ, SIG_IGN);
  const rlimit none = {0, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &none), 0);
  const absl::Status full = SaveClassState(dir_, other);
  setrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, handler);
  EXPECT_FALSE(full.ok());
  EXPECT_THAT(std::string(full.message()), HasSubstr("classes.yaml.new"));
  EXPECT_EQ(LoadClassState(dir_)->changes(0).set().ceil(), 8192u);
  EXPECT_TRUE(SaveClassState(dir_, other).ok()) << "the next one is not in its way";
  EXPECT_EQ(LoadClassState(dir_)->changes(0).set().ceil(), 4096u);
  EXPECT_FALSE(SaveClassState(dir_ + "/nowhere", other).ok());
}

}  // namespace
}  // namespace entropyd
