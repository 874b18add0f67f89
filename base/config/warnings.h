// Collects warnings about settings that are valid but surely not what their writer wanted. Each
// program adds what only it knows. What holds for every program is here.
//
//   config::Warnings warnings(&locations);
//   warnings.AddForKey("max_gets", "does nothing: ...; remove it");
//   warnings.LookAtPrivateKey("tls.key", config.tls().key());
//   return warnings.Take();
//
// A warning is a line as Locations::Error() writes it: "server.yaml:14:13: KEY: MESSAGE". The
// message says why the key has no effect, and what to do.
//
// Errors: none.
//
// Thread safety: none; one owner. LookAtPrivateKey() looks at a file's mode.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/config/config.h"

namespace entropyd::config {

class Warnings {
 public:
  // The locations outlive it.
  explicit Warnings(const Locations* locations) : locations_(locations) {}

  void Add(absl::string_view path, absl::string_view message);
  // Adds it only if the operator has written the key: a default is nobody's mistake.
  void AddForKey(absl::string_view path, absl::string_view message);

  // Everybody may read the private key in `file`, which the key at `path` names.
  void LookAtPrivateKey(absl::string_view path, const std::string& file);
  // The limit `share` of each of `whom` is above `whole`, which all of them have together.
  void LookAtShare(absl::string_view share, uint64_t share_value, absl::string_view whole,
                   uint64_t whole_value, absl::string_view whom);

  // In the order in which they were added.
  std::vector<std::string> Take() { return std::move(lines_); }

 private:
  const Locations* const locations_;
  std::vector<std::string> lines_;
};

}  // namespace entropyd::config
