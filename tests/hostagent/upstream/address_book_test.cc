#include "hostagent/upstream/address_book.h"

#include <fstream>
#include <sstream>

#include "absl/types/optional.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/base/process/no_more_threads.h"
#include "tests/fake_log.h"
#include "tests/temp_dir.h"

namespace entropyd {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class AddressBookTest : public testing::Test {
 protected:
  // A book of a process that does not serve yet.
  AddressBook* Took(const std::vector<std::string>& servers = {"a:7743", "b:7743"}) {
    book_.reset();
    return &book_.emplace(dir_.path(), servers, &log_);
  }
  // Of the next process.
  AddressBook* Open(const std::vector<std::string>& servers = {"a:7743", "b:7743"}) {
    Took(servers)->Own();
    return &*book_;
  }
  void Write(const std::string& text) { std::ofstream(AddressBookPath(dir_.path())) << text; }
  std::string Text() {
    std::ostringstream text;
    text << std::ifstream(AddressBookPath(dir_.path())).rdbuf();
    return text.str();
  }

  const TempDir dir_;
  ManualClock clock_{1};
  FakeLog log_{&clock_};
  absl::optional<AddressBook> book_;
};

TEST_F(AddressBookTest, TheNextProcessKnowsWhereAServerWas) {
  EXPECT_THAT(Open()->Find("a:7743"), IsEmpty());
  book_->Keep("a:7743", {"192.0.2.7:7743", "[2001:db8::1]:7743"});
  book_->Keep("b:7743", {"192.0.2.8:7743"});
  Open();
  EXPECT_THAT(book_->Find("a:7743"), ElementsAre("192.0.2.7:7743", "[2001:db8::1]:7743"));
  EXPECT_THAT(book_->Find("b:7743"), ElementsAre("192.0.2.8:7743"));
  EXPECT_THAT(log_.lines(), IsEmpty());
}

TEST_F(AddressBookTest, OtherAddressesReplaceThoseOfBefore) {
  Open()->Keep("a:7743", {"192.0.2.7:7743"});
  book_->Keep("a:7743", {"192.0.2.9:7743"});
  EXPECT_THAT(Open()->Find("a:7743"), ElementsAre("192.0.2.9:7743"));
}

// The process that it takes over from writes the same file.
TEST_F(AddressBookTest, OnlyTheProcessThatServesWrites) {
  Took()->Keep("a:7743", {"192.0.2.7:7743"});
  EXPECT_THAT(book_->Find("a:7743"), ElementsAre("192.0.2.7:7743"));
  EXPECT_THAT(Took()->Find("a:7743"), IsEmpty()) << "it never served";
  book_->Keep("a:7743", {"192.0.2.8:7743"});
  book_->Own();
  EXPECT_THAT(Took()->Find("a:7743"), ElementsAre("192.0.2.8:7743"));
}

TEST_F(AddressBookTest, AnotherOrderIsNoNews) {
  Open()->Keep("a:7743", {"192.0.2.7:7743", "192.0.2.8:7743"});
  Open();
  Write("");  // would be written over
  book_->Keep("a:7743", {"192.0.2.8:7743", "192.0.2.7:7743"});
  book_.reset();
  EXPECT_EQ(Text(), "");
}

TEST_F(AddressBookTest, AServerThatIsNoLongerConfiguredIsForgotten) {
  Open()->Keep("a:7743", {"192.0.2.7:7743"});
  EXPECT_THAT(Open({"b:7743"})->Find("a:7743"), IsEmpty());
  book_->Keep("b:7743", {"192.0.2.8:7743"});
  EXPECT_THAT(Open()->Find("a:7743"), IsEmpty());
}

TEST_F(AddressBookTest, AFileThatCannotBeReadIsToldAndWrittenAnew) {
  Write("version: 1\nservers: nonsense\n");
  EXPECT_THAT(Open()->Find("a:7743"), IsEmpty());
  EXPECT_THAT(log_.lines(), ElementsAre(HasSubstr("warning addresses.unreadable")));
  book_->Keep("a:7743", {"192.0.2.7:7743"});
  EXPECT_THAT(Open()->Find("a:7743"), ElementsAre("192.0.2.7:7743"));
}

TEST_F(AddressBookTest, WhatIsNoAddressIsLeftOut) {
  Write(
      "version: 1\nservers:\n  - server: \"a:7743\"\n    addresses:\n      - "
      "\"evil.example:7743\"\n"
      "      - \"192.0.2.7\"\n      - \"192.0.2.8:7743\"\n");
  EXPECT_THAT(Open()->Find("a:7743"), ElementsAre("192.0.2.8:7743"));
}

TEST_F(AddressBookTest, AFileThatCannotBeWrittenIsToldAndNobodyWaits) {
  {
    AddressBook book(dir_.path() + "/gone", {"a:7743"}, &log_);
    book.Own();
    book.Keep("a:7743", {"192.0.2.7:7743"});
    EXPECT_THAT(book.Find("a:7743"), ElementsAre("192.0.2.7:7743"));
  }
  EXPECT_THAT(log_.lines(), ElementsAre(HasSubstr("warning addresses.unwritten")));
}

TEST_F(AddressBookTest, WithoutAThreadItIsToldAndWrittenTheNextTime) {
  Open();
  {
    const NoMoreThreads none;
    book_->Keep("a:7743", {"192.0.2.7:7743"});
  }
  EXPECT_THAT(log_.lines(), ElementsAre(HasSubstr("warning addresses.unwritten")));
  EXPECT_THAT(book_->Find("a:7743"), ElementsAre("192.0.2.7:7743"));
  book_->Keep("a:7743", {"192.0.2.7:7743"});
  EXPECT_THAT(Open()->Find("a:7743"), ElementsAre("192.0.2.7:7743"));
}

}  // namespace
}  // namespace entropyd
