#include "base/config/config_yaml.h"

#include <algorithm>
#include <exception>
#include <sstream>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/text/utf8.h"
#include "yaml-cpp/eventhandler.h"
#include "yaml-cpp/exceptions.h"
#include "yaml-cpp/parser.h"

namespace entropyd::config {
namespace {

constexpr size_t kMaxReported = 10;     // fits on a screen
constexpr size_t kMaxCollected = 1000;  // bounds the memory that a hostile file can take
constexpr size_t kMaxDepth = 32;        // the deepest schema has 5 levels; bounds every recursion

// Turns yaml-cpp's message into what to do about it.
std::string Explain(const std::string& message) {
  struct Hint {
    const char* message;
    const char* hint;
  };
  static constexpr Hint kHints[] = {
      {"illegal map value", "check the indentation, or quote a value that contains ': '"},
      {"illegal block entry", "check the indentation of this '-'"},
      {"end of sequence flow not found", "a '[' is not closed"},
      {"end of map flow not found", "a '{' is not closed"},
      {"end of map not found", "check the indentation"},
      {"end of sequence not found", "check the indentation"},
      {"illegal flow end", "a ']' or '}' too many"},
      {"unknown token", "quote a value that begins with a special character"},
  };
  for (const Hint& hint : kHints) {
    if (absl::StartsWith(message, hint.message)) {
      return absl::StrCat("not valid YAML: ", message, "; ", hint.hint);
    }
  }
  return absl::StrCat("not valid YAML: ", message);
}

// The part of a line before its comment. A '#' inside quotes cuts too early; that can only hide a
// tab that does no harm.
absl::string_view WithoutComment(absl::string_view line) {
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '#' && (i == 0 || line[i - 1] == ' ' || line[i - 1] == '\t')) {
      return line.substr(0, i);
    }
  }
  return line;
}

// Reports the first thing in a line that no configuration needs. False when there is none.
bool CheckLine(absl::string_view line, int number, Errors* errors) {
  const auto complain = [&](size_t column, absl::string_view message) {
    errors->Add({number, static_cast<int>(column) + 1}, message);
    return true;
  };
  for (size_t i = 0; i < line.size();) {
    const size_t length = Utf8Length(line.substr(i));
    if (length == 0) return complain(i, "not valid UTF-8; save the file as UTF-8");
    const unsigned char c = static_cast<unsigned char>(line[i]);
    if ((c < 0x20 && c != '\t') || c == 0x7f) {
      return complain(i, absl::StrFormat("control character 0x%02x; remove it", c));
    }
    i += length;
  }
  if (absl::StartsWith(line, "%")) {
    return complain(0, "YAML directives are not supported; remove the line");
  }
  const size_t tab = absl::StripTrailingAsciiWhitespace(WithoutComment(line)).find('\t');
  if (tab != absl::string_view::npos) return complain(tab, "tab; use spaces");
  return false;
}

// Builds the tree from the parser's events.
class Builder : public YAML::EventHandler {
 public:
  Builder(const std::vector<absl::string_view>& lines, Errors* errors)
      : lines_(lines), errors_(errors) {}

  Node TakeRoot() { return std::move(root_); }
  // True after an error whose consequences would only be more errors.
  bool broken() const { return broken_; }

  void OnDocumentStart(const YAML::Mark& mark) override {
    const Position at = PositionOf(mark);
    if (++documents_ == 1) {
      first_document_ = at;
    } else if (at.line == first_document_.line && at.column == first_document_.column) {
      errors_->Add(at, "not valid YAML: unexpected character");  // yaml-cpp made no progress
    } else {
      errors_->Add(at, "a second document begins; keep one document per file");
    }
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    CheckAnchor(mark, anchor);
    Node node;
    node.at = PositionOf(mark);
    Attach(std::move(node));
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    errors_->Add(PositionOf(mark), "aliases are not supported; write the value out");
    broken_ = true;
    Attach(Node());
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    CheckAnchor(mark, anchor);
    CheckTag(mark, tag);
    Node node;
    node.kind = Node::Kind::kScalar;
    node.at = PositionOf(mark);
    node.quoted = tag == "!";
    node.text = value;
    if (node.quoted) CheckClosed(node.at);
    Attach(std::move(node));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Open(Node::Kind::kList, mark, tag, anchor);
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Open(Node::Kind::kMap, mark, tag, anchor);
  }
  void OnMapEnd() override { Close(); }

 private:
  struct Level {
    Node node;
    bool has_key = false;  // kMap: a key waits for its value
    bool usable = true;    // kMap: that key is text and new
    Node::Key key;
    absl::flat_hash_map<std::string, int> lines;  // kMap: where each key stood first
  };

  static Position PositionOf(const YAML::Mark& mark) { return {mark.line + 1, mark.column + 1}; }

  void CheckAnchor(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor != 0) {
      errors_->Add(PositionOf(mark),
                   "anchors are not supported; write the value out where it is used");
    }
  }

  // yaml-cpp gives "?" for plain and "!" for quoted scalars. Any other tag is in the file.
  void CheckTag(const YAML::Mark& mark, const std::string& tag) {
    if (!tag.empty() && tag != "?" && tag != "!") {
      errors_->Add(PositionOf(mark), absl::StrCat("tag '", tag, "' is not supported; remove it"));
    }
  }

  // yaml-cpp accepts the end of the file as a closing quote; this does not.
  void CheckClosed(Position at) {
    const size_t line = static_cast<size_t>(at.line - 1);
    const size_t column = static_cast<size_t>(at.column - 1);
    if (line >= lines_.size() || column >= lines_[line].size()) return;
    const char quote = lines_[line][column];
    if (quote != '"' && quote != '\'') return;  // a block scalar
    for (size_t l = line; l < lines_.size(); ++l) {
      for (size_t c = l == line ? column + 1 : 0; c < lines_[l].size(); ++c) {
        const bool doubled = c + 1 < lines_[l].size() && lines_[l][c + 1] == quote;
        const bool escaped = quote == '"' ? lines_[l][c] == '\\' : lines_[l][c] == quote && doubled;
        if (escaped) {
          ++c;
        } else if (lines_[l][c] == quote) {
          return;
        }
      }
    }
    errors_->Add(at, "a quote is opened and never closed");
    broken_ = true;
  }

  void Open(Node::Kind kind, const YAML::Mark& mark, const std::string& tag,
            YAML::anchor_t anchor) {
    CheckAnchor(mark, anchor);
    CheckTag(mark, tag);
    if (levels_.size() == kMaxDepth) {
      errors_->Add(PositionOf(mark), "nested too deeply");
      broken_ = true;
    }
    Level level;
    level.node.kind = kind;
    level.node.at = PositionOf(mark);
    levels_.push_back(std::move(level));
  }

  void Close() {
    Node node = std::move(levels_.back().node);
    levels_.pop_back();
    if (levels_.size() >= kMaxDepth) node.children.clear();
    Attach(std::move(node));
  }

  void Attach(Node node) {
    if (levels_.empty()) {
      if (documents_ == 1) root_ = std::move(node);
      return;
    }
    Level& level = levels_.back();
    if (level.node.kind == Node::Kind::kList) {
      level.node.children.push_back(std::move(node));
    } else if (!level.has_key) {
      TakeKey(&level, std::move(node));
    } else {
      level.has_key = false;
      if (!level.usable) return;
      level.node.keys.push_back(std::move(level.key));
      level.node.children.push_back(std::move(node));
    }
  }

  void TakeKey(Level* level, Node node) {
    level->has_key = true;
    level->usable = node.kind == Node::Kind::kScalar;
    if (!level->usable) {
      errors_->Add(node.at, "a key must be plain text");
      return;
    }
    const auto [first, inserted] = level->lines.try_emplace(node.text, node.at.line);
    if (!inserted) {
      errors_->Add(node.at, absl::StrCat("duplicate key '", Shown(node.text), "', first at line ",
                                         first->second, "; remove one"));
      level->usable = false;
      return;
    }
    level->key = {std::move(node.text), node.at};
  }

  const std::vector<absl::string_view>& lines_;
  Errors* const errors_;
  std::vector<Level> levels_;
  Node root_;
  int documents_ = 0;
  Position first_document_;
  bool broken_ = false;
};

}  // namespace

void Errors::Add(Position at, absl::string_view message) {
  if (found_.size() == kMaxCollected) return;
  found_.push_back({at, {}});
  for (char c : message) {  // text quoted from the file must not begin a line of its own
    if (absl::ascii_iscntrl(c)) {
      absl::StrAppendFormat(&found_.back().message, "\\x%02x", static_cast<unsigned char>(c));
    } else {
      found_.back().message.push_back(c);
    }
  }
}

std::string Errors::Report() const {
  std::vector<Found> sorted = found_;
  std::stable_sort(sorted.begin(), sorted.end(), [](const Found& a, const Found& b) {
    return std::pair(a.at.line, a.at.column) < std::pair(b.at.line, b.at.column);
  });
  const size_t left_out = sorted.size() - std::min(sorted.size(), kMaxReported);
  sorted.resize(sorted.size() - left_out);
  std::string report = absl::StrJoin(sorted, "\n", [this](std::string* out, const Found& f) {
    absl::StrAppend(out, Where(file_, f.at), ": ", f.message);
  });
  if (left_out > 0) absl::StrAppend(&report, "\n", file_, ": and more; mend these first");
  return report;
}

std::string Shown(absl::string_view key) {
  constexpr size_t kLongest = 64;  // much longer than any key of a schema
  return key.size() <= kLongest ? std::string(key) : absl::StrCat(key.substr(0, kLongest), "...");
}

std::string Where(absl::string_view file, Position at) {
  return absl::StrCat(file, ":", at.line, ":", at.column);
}

bool ParseYaml(absl::string_view text, Errors* errors, Node* root) {
  absl::ConsumePrefix(&text, "\xef\xbb\xbf");  // a byte order mark says nothing about UTF-8
  std::vector<absl::string_view> lines = absl::StrSplit(text, '\n');
  bool refused = false;
  for (size_t i = 0; i < lines.size(); ++i) {
    absl::ConsumeSuffix(&lines[i], "\r");
    refused |= CheckLine(lines[i], static_cast<int>(i) + 1, errors);
  }
  if (refused) return false;

  std::istringstream stream{std::string(text)};
  Builder builder(lines, errors);
  try {
    // At most two documents: in ", ]" yaml-cpp finds empty documents for ever.
    YAML::Parser parser(stream);
    if (parser.HandleNextDocument(builder)) parser.HandleNextDocument(builder);
  } catch (const YAML::Exception& e) {
    errors->Add({std::max(e.mark.line, 0) + 1, std::max(e.mark.column, 0) + 1}, Explain(e.msg));
    return false;
  } catch (const std::exception& e) {
    errors->Add({1, 1}, absl::StrCat("not valid YAML: ", e.what()));
    return false;
  }
  *root = builder.TakeRoot();
  return !builder.broken();
}

}  // namespace entropyd::config
