// YAML text as a tree of nodes that know where they stood. Part of base/config; yaml-cpp (which
// throws) is fenced in config_yaml.cc.
//
// yaml-cpp's own nodes would let duplicate keys pass and expand aliases, so the tree is built from
// its event stream.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace entropyd::config {

struct Position {
  int line = 1;    // from 1
  int column = 1;  // from 1, in bytes
};

// Complaints about one file. Thread safety: none of its own.
class Errors {
 public:
  explicit Errors(absl::string_view file) : file_(file) {}

  // Control characters in `message` are escaped.
  void Add(Position at, absl::string_view message);
  bool empty() const { return found_.empty(); }
  const std::string& file() const { return file_; }
  // "FILE:LINE:COLUMN: message" in the order of the file, one a line, at most ten.
  std::string Report() const;

 private:
  struct Found {
    Position at;
    std::string message;
  };
  const std::string file_;
  std::vector<Found> found_;
};

std::string Where(absl::string_view file, Position at);

// A key of the file, for messages: cut when it is absurdly long.
std::string Shown(absl::string_view key);

struct Node {
  enum class Kind { kNull, kScalar, kList, kMap };
  struct Key {
    std::string text;
    Position at;
  };

  Kind kind = Kind::kNull;
  Position at;
  bool quoted = false;         // kScalar
  std::string text;            // kScalar
  std::vector<Key> keys;       // kMap, unique; parallel to children
  std::vector<Node> children;  // kMap: the values; kList: the items
};

// Parses one document; an empty one is a node of kind kNull. Refuses what YAML allows and a
// configuration does not need: duplicate keys, anchors, aliases, tags, directives, several
// documents, tabs, control characters, text that is not UTF-8. Returns false when the tree is not
// worth walking (it ends early); errors may be added in both cases.
bool ParseYaml(absl::string_view text, Errors* errors, Node* root);

}  // namespace entropyd::config
