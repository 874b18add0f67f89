#include "base/text/match_pattern.h"

#include <cstddef>

namespace entropyd {

bool MatchesPattern(absl::string_view pattern, absl::string_view name) {
  // A star never matches '/', so path elements match one by one. Within one element it is enough to
  // lengthen the match of the last star.
  size_t p = 0, n = 0;
  size_t star = absl::string_view::npos, star_end = 0;
  while (n < name.size() || p < pattern.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      star_end = n;
    } else if (p < pattern.size() && n < name.size() && pattern[p] == name[n]) {
      ++p;
      ++n;
    } else if (star != absl::string_view::npos && star_end < name.size() && name[star_end] != '/') {
      p = star + 1;
      n = ++star_end;
    } else {
      return false;
    }
  }
  return true;
}

}  // namespace entropyd
