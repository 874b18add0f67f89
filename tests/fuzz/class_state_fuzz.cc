// One input = the text of STATE_DIR/classes.yaml. See README.md.
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "google/protobuf/util/message_differencer.h"
#include "server/classes/class_state_file.h"
#include "tests/fuzz/check.h"

namespace entropyd {
namespace {

using config::v1::ClassChange;
using config::v1::ClassState;
using google::protobuf::util::MessageDifferencer;

// In memory, where fsync costs nothing.
const std::string& Directory() {
  static const std::string* const directory = [] {
    std::string name =
        absl::StrCat(access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", "/entropyd-fuzz-XXXXXX");
    FUZZ_CHECK(mkdtemp(name.data()) != nullptr);
    atexit([] {
      unlink(ClassStatePath(Directory()).c_str());
      rmdir(Directory().c_str());
    });
    return new std::string(name);
  }();
  return *directory;
}

void Write(absl::string_view text) {
  const int fd =
      open(ClassStatePath(Directory()).c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  FUZZ_CHECK(fd >= 0);
  FUZZ_CHECK(write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  close(fd);
}

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
  Write(text);
  const auto state = LoadClassState(Directory());
  if (!state.ok()) {
    FUZZ_CHECK(absl::StrContains(state.status().message(), "classes.yaml"));
    return;
  }
  CheckRules(*state);
  if (!IsPlain(*state)) return;
  FUZZ_CHECK(SaveClassState(Directory(), *state).ok());
  const auto again = LoadClassState(Directory());
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
