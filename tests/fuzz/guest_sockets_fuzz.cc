// One input = the text of guests.yaml in the agent's state directory. See README.md.
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/util/message_differencer.h"
#include "hostagent/endpoint/guest_sockets_file.h"
#include "tests/fuzz/check.h"

namespace entropyd {
namespace {

using google::protobuf::util::MessageDifferencer;

// In memory, where fsync costs nothing.
const std::string& Directory() {
  static const std::string* const directory = [] {
    std::string name =
        absl::StrCat(access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", "/entropyd-fuzz-XXXXXX");
    FUZZ_CHECK(mkdtemp(name.data()) != nullptr);
    atexit([] {
      unlink(GuestSocketsPath(Directory()).c_str());
      rmdir(Directory().c_str());
    });
    return new std::string(name);
  }();
  return *directory;
}

void Write(absl::string_view text) {
  const int fd =
      open(GuestSocketsPath(Directory()).c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  FUZZ_CHECK(fd >= 0);
  FUZZ_CHECK(write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  close(fd);
}

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
  Write(text);
  const auto state = LoadGuestSockets(Directory());
  if (!state.ok()) {
    FUZZ_CHECK(absl::StrContains(state.status().message(), "guests.yaml"));
    return;
  }
  CheckState(*state);
  FUZZ_CHECK(SaveGuestSockets(Directory(), *state).ok());
  const auto again = LoadGuestSockets(Directory());
  FUZZ_CHECK(again.ok());
  FUZZ_CHECK(MessageDifferencer::Equals(*again, *state));
}

}  // namespace
}  // namespace entropyd

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  entropyd::Load({reinterpret_cast<const char*>(data), size});
  return 0;
}
