// One input = the text of /proc/PID/cgroup of a guest's process. See README.md.
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "hostagent/identity/guest_identity.h"
#include "tests/fuzz/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string name = entropyd::DomainOfCgroup(text);
  // A byte that is escaped has up to four.
  FUZZ_CHECK(name.size() <= 4 * size);
  for (char c : name) FUZZ_CHECK(!absl::ascii_iscntrl(c));
  if (name.empty()) return 0;
  // Who may not write below the machine partition may name no domain.
  FUZZ_CHECK(absl::StrContains(text, "machine"));
  // What hierarchies tell that come after the one that names it changes nothing.
  FUZZ_CHECK(entropyd::DomainOfCgroup(absl::StrCat(text, "\n1:cpu:/user.slice\n")) == name);
  return 0;
}
