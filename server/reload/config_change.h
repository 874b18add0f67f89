// What a reload has changed, a thing at a time, for the log and for operators.
//
//   ConfigChange change = {"class", ConfigChange::What::kAdded, "default/gold"};
//   change.Text();                                     // "class added default/gold"
//
// Errors: none.
//
// Thread safety: values.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace entropyd {

struct ConfigChange {
  enum class What { kAdded, kRemoved, kMoved, kChanged };

  // "class", "source", "pool", "limit", "setting", "policy" …
  std::string kind;
  What what = What::kChanged;
  // Empty when there is only one of the kind.
  std::string name = {};
  // "rate 1KiB/s -> 2KiB/s"
  std::string detail = {};

  absl::string_view WhatText() const {
    switch (what) {
      case What::kAdded:
        return "added";
      case What::kRemoved:
        return "removed";
      case What::kMoved:
        return "moved";
      case What::kChanged:
        break;
    }
    return "changed";
  }
  std::string Text() const {
    return absl::StrCat(kind, " ", WhatText(), name.empty() ? "" : " ", name,
                        detail.empty() ? "" : ": ", detail);
  }
};

// What has come of a reload that succeeded.
struct ReloadOutcome {
  std::vector<ConfigChange> changes;
  // Keys of server.yaml that have changed and are not in force yet.
  std::vector<std::string> needs_restart;
};

}  // namespace entropyd
