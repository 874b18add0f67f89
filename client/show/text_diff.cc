#include "client/show/text_diff.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace entropyd {
namespace {

constexpr size_t kContext = 3;

using Lines = std::vector<absl::string_view>;

struct Line {
  char kind;  // ' ', '-' or '+'
  absl::string_view text;
};

Lines Split(absl::string_view text) {
  if (text.empty()) return {};
  return absl::StrSplit(absl::StripSuffix(text, "\n"), '\n');
}

// Merges the lines [begin, end) of both texts along a longest common subsequence.
void Merge(const Lines& before, const Lines& after, size_t begin, size_t before_end,
           size_t after_end, std::vector<Line>* merged) {
  const size_t rows = before_end - begin;
  const size_t columns = after_end - begin;
  // common[i][j]: the length of the longest common subsequence of what follows i and j.
  std::vector<std::vector<uint32_t>> common(rows + 1, std::vector<uint32_t>(columns + 1, 0));
  for (size_t i = rows; i-- > 0;) {
    for (size_t j = columns; j-- > 0;) {
      common[i][j] = before[begin + i] == after[begin + j]
                         ? common[i + 1][j + 1] + 1
                         : std::max(common[i + 1][j], common[i][j + 1]);
    }
  }
  size_t i = 0;
  size_t j = 0;
  while (i < rows || j < columns) {
    if (i < rows && j < columns && before[begin + i] == after[begin + j]) {
      merged->push_back({' ', before[begin + i]});
      ++i, ++j;
    } else if (j == columns || (i < rows && common[i + 1][j] >= common[i][j + 1])) {
      merged->push_back({'-', before[begin + i++]});
    } else {
      merged->push_back({'+', after[begin + j++]});
    }
  }
}

std::vector<Line> MergeAll(const Lines& before, const Lines& after) {
  size_t begin = 0;
  size_t before_end = before.size();
  size_t after_end = after.size();
  while (begin < before_end && begin < after_end && before[begin] == after[begin]) ++begin;
  while (before_end > begin && after_end > begin &&
         before[before_end - 1] == after[after_end - 1]) {
    --before_end, --after_end;
  }
  std::vector<Line> merged;
  for (size_t i = 0; i < begin; ++i) merged.push_back({' ', before[i]});
  Merge(before, after, begin, before_end, after_end, &merged);
  for (size_t i = before_end; i < before.size(); ++i) merged.push_back({' ', before[i]});
  return merged;
}

// The end of the hunk that begins at `at`: after its last change and the equal lines shown there.
size_t HunkEnd(const std::vector<Line>& lines, size_t at) {
  size_t end = at;
  size_t same = 0;
  for (size_t i = at; i < lines.size() && same <= 2 * kContext; ++i) {
    same = lines[i].kind == ' ' ? same + 1 : 0;
    if (same == 0) end = i + 1;
  }
  return std::min(end + kContext, lines.size());
}

// "3,7". For an empty side it names the line before, as `patch` wants it.
std::string Range(size_t first, size_t count) {
  return absl::StrCat(count == 0 ? first - 1 : first, ",", count);
}

}  // namespace

std::string UnifiedDiff(absl::string_view before_name, absl::string_view before,
                        absl::string_view after_name, absl::string_view after) {
  const std::vector<Line> lines = MergeAll(Split(before), Split(after));
  std::string text;
  size_t before_line = 1;
  size_t after_line = 1;
  size_t printed = 0;  // the lines before this one are done
  for (size_t at = 0; at < lines.size(); ++at) {
    if (lines[at].kind == ' ') continue;
    const size_t begin = std::max(printed, at < kContext ? 0 : at - kContext);
    before_line += begin - printed;  // the lines between are equal
    after_line += begin - printed;
    const size_t end = HunkEnd(lines, at);
    std::string hunk;
    size_t removed = 0;
    size_t added = 0;
    for (size_t i = begin; i < end; ++i) {
      absl::StrAppend(&hunk, std::string(1, lines[i].kind), lines[i].text, "\n");
      if (lines[i].kind != '+') ++removed;
      if (lines[i].kind != '-') ++added;
    }
    if (text.empty()) text = absl::StrCat("--- ", before_name, "\n+++ ", after_name, "\n");
    absl::StrAppend(&text, "@@ -", Range(before_line, removed), " +", Range(after_line, added),
                    " @@\n", hunk);
    before_line += removed;
    after_line += added;
    printed = end;
    at = end - 1;
  }
  return text;
}

}  // namespace entropyd
