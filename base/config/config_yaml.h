// Parses YAML text into a tree of nodes that know where they stood. Part of base/config/config.h.
//
//   Errors errors("server.yaml");
//   Node root;
//   if (!ParseYaml(text, &errors, &root)) return absl::InvalidArgumentError(errors.Report());
//
// yaml-cpp throws, so only config_yaml.cc includes it. Its own nodes would accept duplicate keys
// and expand aliases, so the tree is built from its event stream.
//
// Errors: ParseYaml() collects them in an Errors, each with its place.
//
// Thread safety: a function without state; Errors and Node belong to one thread at a time.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace entropyd::config {

// A place in the file.
struct Position {
  int line = 1;    // from 1
  int column = 1;  // from 1, in bytes
};

// Collects the errors of one file.
class Errors {
 public:
  explicit Errors(absl::string_view file) : file_(file) {}

  // Escapes control characters in `message`, so that quoted text cannot begin a line of its own.
  void Add(Position at, absl::string_view message);
  bool empty() const { return found_.empty(); }
  const std::string& file() const { return file_; }
  // "FILE:LINE:COLUMN: message" in the order of the file, one a line, at most ten, and a line that
  // says so when there are more.
  std::string Report() const;

 private:
  struct Found {
    Position at;
    std::string message;
  };
  const std::string file_;
  std::vector<Found> found_;
};

// "FILE:LINE:COLUMN"
std::string Where(absl::string_view file, Position at);

// A key of the file for a message; cut when it is much longer than any real key.
std::string Shown(absl::string_view key);

// One value, list or map of the file, with everything below it.
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
// documents, tabs, control characters, text that is not UTF-8. Returns false when the tree ends
// early and is not worth reading. It may add errors in both cases.
bool ParseYaml(absl::string_view text, Errors* errors, Node* root);

}  // namespace entropyd::config
