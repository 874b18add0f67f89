// Writes plain text tables for terminals.
//
//   Table table({"NAME~", "PID>?", "RATE>", "WHY|"});
//   table.Add({"trng0", "17", "12 KiB/s", ""});
//   std::cout << table.ToString(ScreenColumns());
//
// Marks behind the name of a column:
//   >  aligned to the right
//   ?  may be left out where the terminal is too narrow: the table says so
//   ~  may lose the beginning of its cells there, for "…": an identity, a path
//   |  the last column: goes on in the next line there, because no word of it may be lost
//
// Errors: none.
//
// Thread safety: a Table belongs to one thread at a time.
#pragma once

#include <cstddef>
#include <limits>
#include <string>
#include <vector>

namespace entropyd {

// For what is no terminal: scripts read whole cells.
inline constexpr size_t kAnyWidth = std::numeric_limits<size_t>::max();

class Table {
 public:
  explicit Table(std::vector<std::string> columns);
  // Fills up missing cells with empty ones and drops surplus ones. Cells are shown as OneLine()
  // of client/show/output.h shows them.
  void Add(std::vector<std::string> row);
  bool empty() const { return rows_.size() == 1; }
  // Two spaces between columns, none at the end of a line. A table that is wider than `columns`
  // becomes narrower in these steps, until it fits:
  // * columns without a cell go;
  // * one space separates columns instead of two;
  // * columns that may be left out go;
  // * cells that may be cut lose their beginning;
  // * the last column goes on below.
  // A table that is still too wide stays so.
  std::string ToString(size_t columns = kAnyWidth) const;

 private:
  struct Column {
    bool right = false;
    bool may_go = false;
    bool may_be_cut = false;
    bool may_go_on = false;
  };
  struct Layout;

  Layout Fit(size_t columns) const;
  void LeaveOut(size_t column, Layout* layout) const;
  void Cut(size_t columns, Layout* layout) const;
  void AppendRow(const std::vector<std::string>& row, const Layout& layout, std::string* out) const;

  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace entropyd
