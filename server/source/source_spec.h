// A source as configured, with its driver's defaults filled in.
//
// Thread safety: a value.
#pragma once

#include <string>

#include "server/driver/source_identity.h"

namespace entropyd {

struct SourceSpec {
  std::string name;
  std::string driver;  // as in the configuration
  SourceIdentity identity;
  bool explicit_min_entropy = false;  // the operator gave the figure
};

}  // namespace entropyd
