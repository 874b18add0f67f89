#include "hostagent/endpoint/guest_sockets_file.h"

#include <algorithm>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/config/config.h"
#include "base/process/durable_file.h"
#include "base/process/state_dir.h"

namespace entropyd {
namespace {

using config::v1::GuestSocket;
using config::v1::GuestState;

// It becomes a file name.
constexpr size_t kMaxName = 64;

std::string Quoted(const std::string& text) {
  return absl::StrCat("\"", absl::StrReplaceAll(text, {{"\\", "\\\\"}, {"\"", "\\\""}}), "\"");
}

std::string TextOf(const GuestState& state) {
  std::string text =
      "# Sockets made by `entropyctl guests add`; the agent writes this file.\nversion: 1\n";
  if (state.guests_size() > 0) absl::StrAppend(&text, "guests:\n");
  for (const GuestSocket& guest : state.guests()) {
    absl::StrAppend(&text, "  - name: ", Quoted(guest.name()),
                    "\n    class: ", Quoted(guest.class_()), "\n    path: ", Quoted(guest.path()),
                    "\n    mode: ", Quoted(guest.mode()), "\n");
    if (!guest.group().empty()) absl::StrAppend(&text, "    group: ", Quoted(guest.group()), "\n");
  }
  return text;
}

}  // namespace

std::string GuestSocketsPath(const std::string& state_dir) {
  return absl::StrCat(state_dir, "/guests.yaml");
}

absl::StatusOr<uint32_t> ParseMode(const std::string& text) {
  uint32_t mode = 0;
  bool good = !text.empty() && text.size() <= 4;
  for (char c : text) {
    good = good && c >= '0' && c <= '7';
    mode = mode * 8 + static_cast<uint32_t>(c - '0');
  }
  if (good && mode <= 0777) return mode;
  return absl::InvalidArgumentError(
      absl::StrCat("'", text, "' is not a file mode; write e.g. 0660"));
}

absl::Status CheckGuestSocket(const GuestSocket& socket) {
  const std::string& name = socket.name();
  const bool plain = !name.empty() && absl::ascii_isalnum(name[0]) &&
                     std::all_of(name.begin(), name.end(), [](char c) {
                       return absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '.';
                     });
  if (!plain || name.size() > kMaxName) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", name, "' is not a guest's name; use up to ", kMaxName,
                     " letters, digits and -_., a letter or digit first"));
  }
  const std::string& path = socket.path();
  if (path.empty() || path[0] != '/' ||
      !std::all_of(path.begin(), path.end(), [](char c) { return absl::ascii_isprint(c); })) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", path, "' is not an absolute path of printable ASCII characters"));
  }
  return ParseMode(socket.mode()).status();
}

absl::StatusOr<GuestState> LoadGuestSockets(const std::string& state_dir) {
  const std::string path = GuestSocketsPath(state_dir);
  GuestState state;
  config::Locations locations;
  absl::Status loaded = config::Load(path, &state, &locations);
  if (absl::IsNotFound(loaded) || IsEmptyFile(path)) {
    state.Clear();
    state.set_version(1);
    return state;
  }
  std::set<std::string> names;
  for (int i = 0; loaded.ok() && i < state.guests_size(); ++i) {
    const std::string key = absl::StrCat("guests[", i, "]");
    loaded = CheckGuestSocket(state.guests(i));
    if (!loaded.ok()) {
      loaded = locations.Error(key, loaded.message());
    } else if (!names.insert(state.guests(i).name()).second) {
      loaded = locations.Error(key, "the guest is there twice; leave one of the two out");
    }
  }
  if (loaded.ok()) return state;
  return absl::Status(loaded.code(),
                      absl::StrCat(loaded.message(), "\n", path,
                                   ": holds the sockets that were made for single guests; mend it, "
                                   "or remove it to go on without them"));
}

absl::Status SaveGuestSockets(const std::string& state_dir, const GuestState& state) {
  return WriteDurably(GuestSocketsPath(state_dir), TextOf(state));
}

}  // namespace entropyd
