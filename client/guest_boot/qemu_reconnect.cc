#include "client/guest_boot/qemu_reconnect.h"

#include <memory>
#include <tuple>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "client/process/child_process.h"
#include "client/process/scratch_dir.h"
#include "client/process/whole_file.h"

namespace entropyd {
namespace {

// QEMU loads its libraries and prints a line. It must not keep an operator who waits for another.
constexpr absl::Duration kVersionPatience = absl::Seconds(5);
constexpr char kSaysVersion[] = "QEMU emulator version ";
constexpr char kSecondsOption[] = "reconnect=1";
constexpr char kMillisecondsOption[] = "reconnect-ms=1000";
// The first QEMU that has the new option.
constexpr std::pair<int, int> kFirstNew = {9, 2};

// {0, 0} = it does not say.
std::pair<int, int> VersionNumbers(absl::string_view version) {
  const std::pair<int, int> unknown = {0, 0};
  if (!absl::ConsumePrefix(&version, kSaysVersion)) return unknown;
  const std::vector<absl::string_view> parts =
      absl::StrSplit(version.substr(0, version.find_first_not_of("0123456789.")), '.');
  std::pair<int, int> numbers;
  if (parts.size() < 2 || !absl::SimpleAtoi(parts[0], &numbers.first) ||
      !absl::SimpleAtoi(parts[1], &numbers.second)) {
    return unknown;
  }
  return numbers;
}

// Empty = it cannot be asked.
std::string SaidVersion(const std::string& program, const ScratchDir& dir) {
  const std::string output = dir.File("version");
  if (!WriteFile(output, "", 0600).ok()) return "";  // not what another program has said
  auto child = ChildProcess::Start({program, "--version"}, dir.File("errors"), output);
  if (!child.ok()) return "";
  (*child)->ExitedBy(absl::Now() + kVersionPatience);
  return (*child)->Succeeded() ? ReadFile(output).value_or("") : "";
}

}  // namespace

QemuReconnect ReconnectOf(absl::string_view version) {
  const std::pair<int, int> numbers = VersionNumbers(version);
  const std::string installed =
      absl::StrCat("for QEMU ", numbers.first, ".", numbers.second, ", which is installed here; ");
  if (numbers >= kFirstNew) {
    return {kMillisecondsOption, absl::StrCat(installed, "before 9.2 write ", kSecondsOption,
                                              " in the place of ", kMillisecondsOption)};
  }
  return {kSecondsOption, absl::StrCat(numbers.first == 0 ? "for QEMU before 9.2; " : installed,
                                       "from 9.2 on write ", kMillisecondsOption,
                                       " in the place of ", kSecondsOption)};
}

QemuReconnect ReconnectOfInstalledQemu(const std::vector<std::string>& programs) {
  const absl::StatusOr<ScratchDir> dir = ScratchDir::Temporary("entropyd-qemu-");
  std::string version;
  for (const std::string& program : programs) {
    if (dir.ok() && version.empty()) version = SaidVersion(program, *dir);
  }
  return ReconnectOf(version);
}

}  // namespace entropyd
