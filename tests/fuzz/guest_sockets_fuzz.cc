// One input = the text of guests.yaml in the agent's state directory. See README.md.
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "google/protobuf/util/message_differencer.h"
#include "hostagent/endpoint/guest_sockets_file.h"
#include "tests/fuzz/check.h"
#include "tests/fuzz/memory_file.h"

namespace entropyd {
namespace {

using fuzz::MemoryDir;
using fuzz::WriteFile;
using google::protobuf::util::MessageDifferencer;

void CheckState(const config::v1::GuestState& state) {
  std::set<std::string> names;
  for (const config::v1::GuestSocket& guest : state.guests()) {
    FUZZ_CHECK(CheckGuestSocket(guest).ok());
    FUZZ_CHECK(ParseMode(guest.mode()).ok());
    FUZZ_CHECK(guest.name().find('/') == std::string::npos && absl::StartsWith(guest.path(), "/"));
    FUZZ_CHECK(names.insert(guest.name()).second);
    for (char c : guest.path()) FUZZ_CHECK(absl::ascii_isprint(c));
  }
}

void Load(absl::string_view text) {
  WriteFile(GuestSocketsPath(MemoryDir()), text);
  const auto state = LoadGuestSockets(MemoryDir());
  if (!state.ok()) {
    FUZZ_CHECK(absl::StrContains(state.status().message(), "guests.yaml"));
    return;
  }
  CheckState(*state);
  FUZZ_CHECK(SaveGuestSockets(MemoryDir(), *state).ok());
  const auto again = LoadGuestSockets(MemoryDir());
  FUZZ_CHECK(again.ok());
  FUZZ_CHECK(MessageDifferencer::Equals(*again, *state));
}

}  // namespace
}  // namespace entropyd

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  entropyd::Load({reinterpret_cast<const char*>(data), size});
  return 0;
}
