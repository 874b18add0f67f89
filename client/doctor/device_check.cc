// Whether a server may read its sources, and what they promise beside what is promised of them.
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/config/units.h"
#include "base/text/quoting.h"
#include "client/doctor/checks.h"

namespace entropyd::doctor {
namespace {

using config::v1::SourceConfig;

constexpr absl::string_view kHwrng = "/dev/hwrng";
constexpr char kWhyNoBytes[] = "the source gives nothing; its pools do without it, or not at all";
constexpr double kBitsOfAByte = 8;

// The file of the device; empty = the source has none.
std::string DeviceOf(const SourceConfig& source) {
  absl::string_view tcti = source.tcti();
  if (absl::ConsumePrefix(&tcti, "device:")) return std::string(tcti);
  return source.driver() == "pkcs11" ? source.module() : source.path();
}

unsigned WantOf(const SourceConfig& source) {
  const bool both = source.driver() == "tpm2" || source.driver() == "egd" || !source.init().empty();
  return both ? kRead | kWrite : static_cast<unsigned>(kRead);
}

// "char-hwrng" and other patterns of systemd are left to the person who wrote them.
bool UnitAllows(const Unit& unit, const std::string& device) {
  return std::any_of(unit.device_allow.begin(), unit.device_allow.end(),
                     [&](const std::string& allowed) {
                       return allowed == device || !absl::StartsWith(allowed, "/");
                     });
}

// What lets the server's user at the device.
std::string AllowCommand(const Subject& subject, const std::string& device) {
  if (!subject.service.unit.has_value()) {
    return absl::StrCat("setfacl -m u:", subject.service.actor.uid, ":rw ", device);
  }
  return "systemctl edit entropyd  # [Service] SupplementaryGroups= the group of the device; then "
         "systemctl restart entropyd";
}

// Whether nothing stands behind /dev/hwrng.
bool IsEmptyHwrng(const Machine& machine, const std::string& device) {
  if (device != kHwrng) return false;
  const std::string current =
      ReadSystemFile(machine.System("/sys/class/misc/hw_random/rng_current"));
  return absl::StripSuffix(current, "\n") == "none";
}

bool LookAtDevice(const Subject& subject, const std::string& at, const SourceConfig& source,
                  Report* report) {
  const std::string device = DeviceOf(source);
  const std::string named = absl::StrCat("source ", source.name(), ": ");
  if (IsEmptyHwrng(subject.machine, device)) {
    report->Broken({.what = absl::StrCat(named, device, " has no generator (rng_current is none)"),
                    .why = kWhyNoBytes,
                    .mend = "modprobe virtio-rng || modprobe tpm-rng",
                    .key = at + ".path"});
    return false;
  }
  struct stat found;
  if (stat(device.c_str(), &found) != 0) {
    report->Broken({.what = absl::StrCat(named, "there is no ", device),
                    .why = kWhyNoBytes,
                    .mend = device == kHwrng ? "modprobe virtio-rng || modprobe tpm-rng"
                                             : absl::StrCat("ls -l ", device),
                    .key = at + ".path"});
    return false;
  }
  if (const std::string why = WhyNot(subject.service.actor, device, WantOf(source)); !why.empty()) {
    report->Broken({.what = named + why,
                    .why = kWhyNoBytes,
                    .mend = AllowCommand(subject, device),
                    .key = at + ".path"});
    return false;
  }
  const absl::optional<Unit>& unit = subject.service.unit;
  if (S_ISCHR(found.st_mode) && unit.has_value() && unit->devices_closed &&
      !UnitAllows(*unit, device)) {
    report->Broken(
        {.what = absl::StrCat(named, "the unit of the server has no DeviceAllow=", device),
         .why = kWhyNoBytes,
         .mend = absl::StrCat("systemctl edit entropyd  # [Service] DeviceAllow=", device,
                              " rw; then systemctl restart entropyd"),
         .key = at + ".path"});
    return false;
  }
  return true;
}

// Whether the processor has the instruction of that name.
bool HasInstruction(const Machine& machine, absl::string_view name) {
  const std::string info = ReadSystemFile(machine.System("/proc/cpuinfo"));
  for (absl::string_view line : absl::StrSplit(info, '\n')) {
    if (!absl::StartsWith(line, "flags")) continue;
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
    return std::find(words.begin(), words.end(), name) != words.end();
  }
  return true;  // it does not tell
}

// Bytes of full entropy a second that the sources of a pool claim at most; nullopt where the
// configuration leaves a figure to a driver.
absl::optional<double> ClaimOf(const config::v1::Server& config,
                               const config::v1::PoolConfig& pool) {
  double bytes = 0;
  for (const std::string& name : pool.sources()) {
    const auto source = std::find_if(config.sources().begin(), config.sources().end(),
                                     [&](const SourceConfig& one) { return one.name() == name; });
    if (source == config.sources().end() || source->max_rate() == 0 ||
        !source->has_min_entropy_bits_per_byte()) {
      return absl::nullopt;
    }
    bytes += static_cast<double>(source->max_rate()) * source->min_entropy_bits_per_byte() /
             kBitsOfAByte;
  }
  return bytes;
}

}  // namespace

void LookAtDevices(const Subject& subject, Report* report) {
  const config::v1::Server& config = subject.service.server;
  int sound = 0;
  for (int i = 0; i < config.sources_size(); ++i) {
    const SourceConfig& source = config.sources(i);
    const std::string at = absl::StrCat("sources[", i, "]");
    if (source.driver() == "rdrand" || source.driver() == "rdseed") {
      if (HasInstruction(subject.machine, source.driver())) {
        ++sound;
        continue;
      }
      report->Broken(
          {.what =
               absl::StrCat("source ", source.name(), ": this processor has no ", source.driver()),
           .why = kWhyNoBytes,
           .mend = absl::StrCat("sensible-editor ", ShellWord(subject.service.config_path)),
           .key = at + ".driver"});
    } else if (DeviceOf(source).empty() || LookAtDevice(subject, at, source, report)) {
      ++sound;
    }
  }
  report->Passed(absl::StrCat(sound, " of ", config.sources_size(), " can be read"));
}

void LookAtClaims(const Subject& subject, Report* report) {
  const config::v1::Server& config = subject.service.server;
  int compared = 0;
  for (int i = 0; i < config.pools_size(); ++i) {
    const config::v1::PoolConfig& pool = config.pools(i);
    if (pool.quality() != config::v1::POOL_QUALITY_FULL) continue;  // a DRBG stretches what it gets
    const absl::optional<double> claim = ClaimOf(config, pool);
    if (!claim.has_value()) continue;
    ++compared;
    double promised = 0;
    for (const config::v1::ClassConfig& one : pool.classes()) {
      if (one.parent().empty()) promised += static_cast<double>(one.rate());
    }
    if (promised <= *claim) continue;
    report->Warn(
        {.what =
             absl::StrCat("pool ", pool.name(), " guarantees its classes ", FormatRate(promised),
                          ", and its sources claim ", FormatRate(*claim), " at most"),
         .why = "of quality full it gives no more than its sources: guarantees are not kept",
         .mend = absl::StrCat("sensible-editor ", ShellWord(subject.service.config_path),
                              "  # lower rate of the top classes, or add a source"),
         .key = absl::StrCat("pools[", i, "].classes")});
  }
  report->Passed(
      absl::StrCat(compared, compared == 1 ? " pool" : " pools", " of quality full compared"));
}

}  // namespace entropyd::doctor
