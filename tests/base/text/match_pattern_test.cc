#include "base/text/match_pattern.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace entropyd {
namespace {

TEST(MatchesPatternTest, AStarStaysWithinOnePathElement) {
  EXPECT_TRUE(MatchesPattern("spiffe://dc1/agent/*", "spiffe://dc1/agent/h7"));
  EXPECT_FALSE(MatchesPattern("spiffe://dc1/agent/*", "spiffe://dc1/agent/h7/x"));
  EXPECT_FALSE(MatchesPattern("spiffe://dc1/agent/*", "spiffe://dc1/operator/h7"));
  EXPECT_TRUE(MatchesPattern("spiffe://*/agent/*", "spiffe://dc1/agent/h7"));
  EXPECT_FALSE(MatchesPattern("*", "default/gold"));
  EXPECT_TRUE(MatchesPattern("*/*", "default/gold"));
}

TEST(MatchesPatternTest, EverythingElseIsItself) {
  EXPECT_TRUE(MatchesPattern("default/gold", "default/gold"));
  EXPECT_FALSE(MatchesPattern("default/gold", "default/golden"));
  EXPECT_FALSE(MatchesPattern("default/gold", "default/gol"));
  EXPECT_FALSE(MatchesPattern("h.x", "hax"));
  EXPECT_FALSE(MatchesPattern("h?x", "hax"));
  EXPECT_FALSE(MatchesPattern("[a]", "a"));
  EXPECT_FALSE(MatchesPattern("A", "a"));
}

TEST(MatchesPatternTest, StarsMayMatchNothingAndBacktrack) {
  EXPECT_TRUE(MatchesPattern("h*", "h"));
  EXPECT_TRUE(MatchesPattern("*.example", "h7.example"));
  EXPECT_TRUE(MatchesPattern("*.example", "a.example.example"));
  EXPECT_TRUE(MatchesPattern("a*b*c", "aXbXbXc"));
  EXPECT_FALSE(MatchesPattern("a*b*c", "aXbXbX"));
  EXPECT_TRUE(MatchesPattern("**", "anything"));
  EXPECT_TRUE(MatchesPattern("", ""));
  EXPECT_FALSE(MatchesPattern("", "a"));
  EXPECT_TRUE(MatchesPattern("*", ""));
}

TEST(MatchesPatternTest, AgreesWithTheDefinition) {
  // The definition as a recursive function, for all short words.
  struct Naive {
    static bool Match(absl::string_view p, absl::string_view n) {
      if (p.empty()) return n.empty();
      if (p[0] == '*') {
        return Match(p.substr(1), n) || (!n.empty() && n[0] != '/' && Match(p, n.substr(1)));
      }
      return !n.empty() && p[0] == n[0] && Match(p.substr(1), n.substr(1));
    }
  };
  std::vector<std::string> patterns = {""}, names = {""};
  const auto grow = [](std::vector<std::string>* words, absl::string_view alphabet, size_t length) {
    for (size_t i = 0; i < words->size(); ++i) {
      if ((*words)[i].size() == length) break;
      for (char c : alphabet) words->push_back((*words)[i] + c);
    }
  };
  grow(&patterns, "ab*/", 5);
  grow(&names, "ab/", 5);
  for (const std::string& p : patterns) {
    for (const std::string& n : names) {
      ASSERT_EQ(MatchesPattern(p, n), Naive::Match(p, n)) << p << " on " << n;
    }
  }
}

}  // namespace
}  // namespace entropyd
