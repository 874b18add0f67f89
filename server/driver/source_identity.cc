#include "server/driver/source_identity.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/process/host_port.h"

namespace entropyd {
namespace {

// Numbers of /dev/hwrng (Documentation/admin-guide/devices.txt).
constexpr unsigned kMiscMajor = 10, kHwrngMinor = 183;

constexpr char kThisMachine[] = "localhost";

std::string HostOf(const in_addr& v4) {
  const uint32_t address = ntohl(v4.s_addr);
  // A connection to 0.0.0.0 reaches this machine.
  if (address >> 24 == IN_LOOPBACKNET || address == INADDR_ANY) return kThisMachine;
  char text[INET_ADDRSTRLEN];
  return inet_ntop(AF_INET, &v4, text, sizeof(text));
}

std::string HostOf(const in6_addr& v6) {
  if (IN6_IS_ADDR_LOOPBACK(&v6) || IN6_IS_ADDR_UNSPECIFIED(&v6)) return kThisMachine;
  if (IN6_IS_ADDR_V4MAPPED(&v6)) {
    in_addr v4;
    std::memcpy(&v4, v6.s6_addr + 12, sizeof(v4));
    return HostOf(v4);
  }
  char text[INET6_ADDRSTRLEN];
  return absl::StrCat("[", inet_ntop(AF_INET6, &v6, text, sizeof(text)), "]");
}

}  // namespace

std::string RootOfTpm(absl::string_view number) { return absl::StrCat("TPM ", number); }

absl::string_view TpmNumber(absl::string_view node) {
  if (!absl::ConsumePrefix(&node, "tpm")) return "";
  absl::ConsumePrefix(&node, "rm");
  return std::all_of(node.begin(), node.end(), absl::ascii_isdigit) ? node : "";
}

std::string RootOfFile(const struct stat& file) {
  if (S_ISCHR(file.st_mode)) {
    // The node may have any name. The kernel knows the TPM's own name.
    std::error_code error;
    const std::filesystem::path device = std::filesystem::read_symlink(
        absl::StrCat("/sys/dev/char/", major(file.st_rdev), ":", minor(file.st_rdev)), error);
    const std::string name = error ? "" : device.filename().string();
    if (const absl::string_view number = TpmNumber(name); !number.empty()) return RootOfTpm(number);
    return absl::StrCat("device ", major(file.st_rdev), ":", minor(file.st_rdev));
  }
  const char* const kind = S_ISFIFO(file.st_mode)   ? "FIFO "
                           : S_ISSOCK(file.st_mode) ? "socket "
                                                    : "file ";
  return absl::StrCat(kind, major(file.st_dev), ":", minor(file.st_dev), "/", file.st_ino);
}

std::string RootOfPath(const std::string& path) {
  struct stat file;
  if (stat(path.c_str(), &file) == 0) return RootOfFile(file);
  std::error_code error;
  const std::filesystem::path whole = std::filesystem::weakly_canonical(path, error);
  return error ? path : whole.string();
}

std::string RootOfAddress(absl::string_view address) {
  const absl::StatusOr<HostPort> parsed = ParseHostPort(address);
  if (!parsed.ok()) return std::string(address);
  std::string name = absl::AsciiStrToLower(absl::StripSuffix(parsed->host, "."));
  in_addr v4;
  in6_addr v6;
  if (inet_pton(AF_INET, name.c_str(), &v4) == 1) {
    name = HostOf(v4);
  } else if (inet_pton(AF_INET6, name.c_str(), &v6) == 1) {
    name = HostOf(v6);
  } else if (absl::EndsWith(name, ".localhost") || name == "ip6-localhost") {
    name = kThisMachine;
  }
  return absl::StrCat(name, ":", parsed->port);
}

bool IsHwrng(const struct stat& file) {
  return S_ISCHR(file.st_mode) && major(file.st_rdev) == kMiscMajor &&
         minor(file.st_rdev) == kHwrngMinor;
}

std::string RootOfHwrng(absl::string_view generator) {
  if (absl::ConsumePrefix(&generator, "tpm-rng-")) return RootOfTpm(generator);
  if (absl::StartsWith(generator, "ccp-")) return kRootCpu;
  return absl::StrCat("device ", kMiscMajor, ":", kHwrngMinor);
}

std::vector<size_t> CountTogether(const std::vector<Kin>& all) {
  std::vector<size_t> first(all.size());
  for (size_t i = 0; i < all.size(); ++i) {
    first[i] = i;
    for (size_t j = 0; j < i; ++j) {
      const bool one_root = !all[i].root.empty() && all[i].root == all[j].root;
      if (!one_root && all[i].group != all[j].group) continue;
      // Both sides join, and all that count with them.
      const size_t joined = std::min(first[i], first[j]);
      const size_t other = std::max(first[i], first[j]);
      std::replace(first.begin(), first.begin() + i + 1, other, joined);
    }
  }
  return first;
}

}  // namespace entropyd
