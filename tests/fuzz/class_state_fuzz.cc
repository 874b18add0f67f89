// One input = the text of STATE_DIR/classes.yaml. See README.md.
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/time/time.h"
#include "google/protobuf/util/message_differencer.h"
#include "server/classes/class_state_file.h"
#include "tests/fuzz/check.h"
#include "tests/fuzz/memory_file.h"

namespace entropyd {
namespace {

using config::v1::ClassChange;
using config::v1::ClassState;
using fuzz::MemoryDir;
using fuzz::WriteFile;
using google::protobuf::util::MessageDifferencer;

void CheckRules(const ClassState& state) {
  FUZZ_CHECK(state.version() == 1);
  std::set<std::pair<std::string, std::string>> seen;
  for (const ClassChange& change : state.changes()) {
    FUZZ_CHECK(seen.emplace(change.pool(), change.class_()).second);
    absl::Time ignored;
    FUZZ_CHECK(absl::ParseTime(absl::RFC3339_full, change.at(), &ignored, nullptr));
    const auto& set = change.set();
    FUZZ_CHECK(set.prio() <= 7 && set.weight() >= 0);
    FUZZ_CHECK(!set.has_burst() || set.burst() >= 1);
    FUZZ_CHECK(!set.has_cburst() || set.cburst() >= 1);
  }
}

// Names of classes are plain. Of anything else the file keeps a question mark for each character.
bool IsPlain(const ClassState& state) {
  for (const ClassChange& change : state.changes()) {
    for (const std::string& text : {change.pool(), change.class_(), change.by(), change.at()}) {
      for (const unsigned char c : text) {
        if (c < 0x20 || c >= 0x7f) return false;
      }
    }
  }
  return true;
}

void Load(absl::string_view text) {
  WriteFile(ClassStatePath(MemoryDir()), text);
  const auto state = LoadClassState(MemoryDir());
  if (!state.ok()) {
    FUZZ_CHECK(absl::StrContains(state.status().message(), "classes.yaml"));
    return;
  }
  CheckRules(*state);
  if (!IsPlain(*state)) return;
  FUZZ_CHECK(SaveClassState(MemoryDir(), *state).ok());
  const auto again = LoadClassState(MemoryDir());
  FUZZ_CHECK(again.ok());
  // Numbers are written with the digits that people need.
  FUZZ_CHECK(ClassStateText(*again) == ClassStateText(*state));
  FUZZ_CHECK(again->changes_size() == state->changes_size());
}

}  // namespace
}  // namespace entropyd

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  entropyd::Load({reinterpret_cast<const char*>(data), size});
  return 0;
}
