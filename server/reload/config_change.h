// What a reload has changed, a thing at a time, for the log and for operators.
//
//   ConfigChange change = {ConfigChange::Kind::kClass, ConfigChange::What::kAdded, "default/gold"};
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
  enum class Kind {
    kClass,
    kSource,
    kPool,
    // A key `max_…`.
    kLimit,
    // Another key.
    kSetting,
    kLog,
    kPolicy,
    kCertificate,
    // The authority of the clients' certificates.
    kClientCa,
    kRevocations,
  };

  Kind kind = Kind::kSetting;
  What what = What::kChanged;
  // Empty when there is only one of the kind.
  std::string name = {};
  // "rate 1KiB/s -> 2KiB/s"
  std::string detail = {};

  // The word of the log: "class", "client_ca".
  absl::string_view KindText() const {
    switch (kind) {
      case Kind::kClass:
        return "class";
      case Kind::kSource:
        return "source";
      case Kind::kPool:
        return "pool";
      case Kind::kLimit:
        return "limit";
      case Kind::kLog:
        return "log";
      case Kind::kPolicy:
        return "policy";
      case Kind::kCertificate:
        return "cert";
      case Kind::kClientCa:
        return "client_ca";
      case Kind::kRevocations:
        return "crl";
      case Kind::kSetting:
        break;
    }
    return "setting";
  }
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
    return absl::StrCat(KindText(), " ", WhatText(), name.empty() ? "" : " ", name,
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
