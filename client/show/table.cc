#include "client/show/table.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "client/show/output.h"

namespace entropyd {
namespace {

// How many columns a terminal needs for UTF-8 text without wide or combining characters.
size_t Width(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

}  // namespace

Table::Table(std::vector<std::string> columns) {
  for (std::string& name : columns) {
    const bool right = !name.empty() && name.back() == '>';
    if (right) name.pop_back();
    right_.push_back(right);
  }
  rows_.push_back(std::move(columns));
}

void Table::Add(std::vector<std::string> row) {
  row.resize(right_.size());
  for (std::string& cell : row) cell = OneLine(cell);
  rows_.push_back(std::move(row));
}

std::string Table::ToString() const {
  std::vector<size_t> width(right_.size(), 0);
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) width[i] = std::max(width[i], Width(row[i]));
  }
  std::string out;
  for (const auto& row : rows_) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string fill(width[i] - Width(row[i]), ' ');
      if (i > 0) line += "  ";
      line += right_[i] ? fill + row[i] : row[i] + fill;
    }
    absl::StripTrailingAsciiWhitespace(&line);
    out += line + "\n";
  }
  return out;
}

}  // namespace entropyd
