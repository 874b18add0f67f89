// A source as configured, with its driver's defaults filled in.
//
// Errors: none.
//
// Thread safety: a value.
#pragma once

#include <string>

#include "server/driver/source_identity.h"

namespace entropyd {

struct SourceSpec {
  std::string name;
  // The name of the driver in the configuration.
  std::string driver;
  SourceIdentity identity;
  // The group of its claims, before sources with one root were put into one group.
  std::string own_group;
  // True when the operator gave the figure.
  bool explicit_min_entropy = false;
};

}  // namespace entropyd
