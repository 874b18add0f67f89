#include "hostagent/handover/last_words.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

constexpr char kVariable[] = "ENTROPYD_LAST_WORDS_FD";

TEST(LastWordsTest, WhatOneProcessWritesTheOtherReads) {
  LastWords words = LastWords::Create().value();
  const UniqueFd theirs(dup(words.fd()));
  words.Started();
  EXPECT_EQ(words.Read(), "") << "nothing yet, and nobody waits";
  WriteLastWords(theirs.get(), "agent.yaml:1:1: wrong\n");
  EXPECT_EQ(words.Read(), "agent.yaml:1:1: wrong");
}

TEST(LastWordsTest, ALongReasonIsCut) {
  LastWords words = LastWords::Create().value();
  const UniqueFd theirs(dup(words.fd()));
  WriteLastWords(theirs.get(), std::string(1 << 20, 'x'));
  EXPECT_EQ(words.Read().size(), LastWords::kMaxBytes);
}

TEST(LastWordsTest, ALongReasonIsNotCutWithinACharacter) {
  LastWords words = LastWords::Create().value();
  const UniqueFd theirs(dup(words.fd()));
  const std::string begin(LastWords::kMaxBytes - 1, 'x');
  WriteLastWords(theirs.get(), begin + "é");
  EXPECT_EQ(words.Read(), begin);
}

// Another version of the program may write what it likes.
TEST(LastWordsTest, WhatIsNoUtf8IsReplaced) {
  LastWords words = LastWords::Create().value();
  const UniqueFd theirs(dup(words.fd()));
  WriteLastWords(theirs.get(), "agent.yaml: '\xff'");
  EXPECT_EQ(words.Read(), "agent.yaml: '\uFFFD'");
}

TEST(LastWordsTest, TheEnvironmentNamesThePipeOnce) {
  setenv(kVariable, "77", 1);
  LastWords words = LastWords::Create().value();
  int named = 0;
  for (char* const* variable = words.environment(); *variable != nullptr; ++variable) {
    const std::string text = *variable;
    if (text.rfind(kVariable, 0) != 0) continue;
    ++named;
    EXPECT_EQ(text, absl::StrCat(kVariable, "=", words.fd()));
  }
  EXPECT_EQ(named, 1);
  unsetenv(kVariable);
}

TEST(LastWordsTest, TheNewProcessKeepsThePipeForItself) {
  LastWords words = LastWords::Create().value();
  const int theirs = dup(words.fd());
  setenv(kVariable, absl::StrCat(theirs).c_str(), 1);
  const UniqueFd taken = TakeLastWordsFd();
  EXPECT_EQ(taken.get(), theirs);
  EXPECT_EQ(getenv(kVariable), nullptr);
  EXPECT_EQ(fcntl(theirs, F_GETFD), FD_CLOEXEC);
}

TEST(LastWordsTest, WhatIsNoPipeIsNotTaken) {
  unsetenv(kVariable);
  EXPECT_EQ(TakeLastWordsFd().get(), -1);
  const UniqueFd file(open("/dev/null", O_RDONLY | O_CLOEXEC));
  for (const std::string& value : {absl::StrCat(file.get()), std::string("9999"), std::string("x"),
                                   std::string("2"), std::string("-1"), std::string()}) {
    setenv(kVariable, value.c_str(), 1);
    EXPECT_EQ(TakeLastWordsFd().get(), -1) << value;
    EXPECT_EQ(getenv(kVariable), nullptr);
  }
  WriteLastWords(-1, "to nobody");
}

}  // namespace
}  // namespace entropyd
