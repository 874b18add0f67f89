#include "client/show/table.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/text/wrap_text.h"
#include "client/show/output.h"

namespace entropyd {
namespace {

// What stays of a cell that is cut: the end of an identity, enough to tell hosts apart.
constexpr size_t kMinCut = 10;
// A reason in a narrower column would be a word or two on each line.
constexpr size_t kMinReason = 16;

bool Continues(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

// How many columns a terminal needs for UTF-8 text without wide or combining characters.
size_t Width(const std::string& text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return !Continues(c); }));
}

// The end of `text`, behind an ellipsis.
std::string LastPart(const std::string& text, size_t width) {
  if (Width(text) <= width) return text;
  size_t at = text.size();
  for (size_t kept = 0; kept + 1 < width; ++kept) {
    do --at;
    while (Continues(text[at]));
  }
  return absl::StrCat("…", text.substr(at));
}

}  // namespace

// How wide each column is; 0 = it is left out.
struct Table::Layout {
  std::vector<size_t> width;
  size_t gap = 2;
  std::vector<std::string> left_out;

  size_t total() const {
    size_t sum = 0;
    for (const size_t one : width) sum += one > 0 ? one + gap : 0;
    return sum > 0 ? sum - gap : 0;
  }
};

Table::Table(std::vector<std::string> columns) {
  for (std::string& name : columns) {
    Column column;
    for (; !name.empty(); name.pop_back()) {
      if (name.back() == '>') {
        column.right = true;
      } else if (name.back() == '?') {
        column.may_go = true;
      } else if (name.back() == '~') {
        column.may_be_cut = true;
      } else if (name.back() == '|') {
        column.may_go_on = true;
      } else {
        break;
      }
    }
    columns_.push_back(column);
  }
  rows_.push_back(std::move(columns));
}

void Table::Add(std::vector<std::string> row) {
  row.resize(columns_.size());
  for (std::string& cell : row) cell = OneLine(cell);
  rows_.push_back(std::move(row));
}

void Table::LeaveOut(size_t column, Layout* layout) const {
  layout->width[column] = 0;
  layout->left_out.push_back(rows_[0][column]);
}

// Takes from the widest column that may be cut, until the table fits.
void Table::Cut(size_t columns, Layout* layout) const {
  while (layout->total() > columns) {
    size_t* widest = nullptr;
    for (size_t i = 0; i < columns_.size(); ++i) {
      size_t* const width = &layout->width[i];
      const size_t least = std::max(kMinCut, Width(rows_[0][i]));
      if (!columns_[i].may_be_cut || *width <= least) continue;
      if (widest == nullptr || *width > *widest) widest = width;
    }
    if (widest == nullptr) return;
    --*widest;
  }
}

Table::Layout Table::Fit(size_t columns) const {
  Layout layout;
  layout.width.resize(columns_.size(), 0);
  std::vector<bool> empty(columns_.size(), true);
  for (size_t row = 0; row < rows_.size(); ++row) {
    for (size_t i = 0; i < columns_.size(); ++i) {
      layout.width[i] = std::max(layout.width[i], Width(rows_[row][i]));
      if (row > 0 && !rows_[row][i].empty()) empty[i] = false;
    }
  }
  if (layout.total() <= columns) return layout;
  for (size_t i = 0; i < columns_.size(); ++i) {
    if (empty[i]) layout.width[i] = 0;
  }
  if (layout.total() > columns) layout.gap = 1;
  // A reason needs less than its longest line.
  const bool reason = !columns_.empty() && columns_.back().may_go_on;
  const size_t whole_reason = reason ? layout.width.back() : 0;
  if (reason) layout.width.back() = std::min(whole_reason, kMinReason);
  for (size_t i = 0; i < columns_.size() && layout.total() > columns; ++i) {
    if (columns_[i].may_go && layout.width[i] > 0) LeaveOut(i, &layout);
  }
  Cut(columns, &layout);
  if (reason && layout.total() < columns && whole_reason > 0) {
    const size_t room = layout.width.back() + columns - layout.total();
    layout.width.back() = std::min(whole_reason, room);
  }
  return layout;
}

void Table::AppendRow(const std::vector<std::string>& row, const Layout& layout,
                      std::string* out) const {
  std::string line;
  size_t shown = 0;  // columns of the terminal that the line has so far
  std::vector<std::string> below;
  for (size_t i = 0; i < row.size(); ++i) {
    const size_t width = layout.width[i];
    if (width == 0) continue;
    if (shown > 0) line.append(layout.gap, ' ');
    if (shown > 0) shown += layout.gap;
    std::string cell = row[i];
    if (columns_[i].may_be_cut) cell = LastPart(cell, width);
    if (columns_[i].may_go_on && Width(cell) > width) {
      below = WrapText(cell, width);
      cell = below.front();
      for (size_t n = 1; n < below.size(); ++n) below[n].insert(0, shown, ' ');
    }
    const std::string fill(width - std::min(width, Width(cell)), ' ');
    line += columns_[i].right ? fill + cell : cell + fill;
    shown += width;
  }
  absl::StripTrailingAsciiWhitespace(&line);
  absl::StrAppend(out, line, "\n");
  for (size_t n = 1; n < below.size(); ++n) absl::StrAppend(out, below[n], "\n");
}

std::string Table::ToString(size_t columns) const {
  const Layout layout = Fit(columns);
  std::string out;
  for (const auto& row : rows_) AppendRow(row, layout, &out);
  if (!layout.left_out.empty()) {
    absl::StrAppend(&out, "left out on this terminal: ", absl::StrJoin(layout.left_out, ", "),
                    "\n");
  }
  return out;
}

}  // namespace entropyd
