// Writes plain text tables for terminals.
//
//   Table table({"NAME", "RATE>"});      // '>' aligns a column to the right
//   table.Add({"trng0", "12 KiB/s"});
//   std::cout << table.ToString();
//
// Thread safety: a Table belongs to one thread at a time.
#pragma once

#include <string>
#include <vector>

namespace entropyd {

class Table {
 public:
  explicit Table(std::vector<std::string> columns);
  // Fills up missing cells with empty ones and drops surplus ones. Cells are shown as OneLine()
  // of client/show/output.h shows them.
  void Add(std::vector<std::string> row);
  bool empty() const { return rows_.size() == 1; }
  // Two blanks between columns, none at the end of a line.
  std::string ToString() const;

 private:
  std::vector<bool> right_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace entropyd
