#include "server/driver/tpm2_driver.h"

#include <sys/stat.h>
#include <tss2/tss2_esys.h>
#include <tss2/tss2_tctildr.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/crypto/secret_bytes.h"
#include "server/driver/file_rights.h"
#include "server/driver/guarded_driver.h"
#include "server/driver/tcti_library.h"
#include "server/driver/tpm2_codes.h"

namespace entropyd {
namespace {

// The size of a digest: one TPM2_GetRandom returns at most 64 bytes, and most chips return 32.
constexpr size_t kMaxPerCall = 32;

// 256 calls per second. Chips give 1 to 10 kB/s, and must unseal keys as well.
constexpr uint64_t kDefaultMaxRate = 8 << 10;

// Bits 15 to 12 of a response code name the layer that it comes from: 0 is the TPM itself, 11 and
// 12 the kernel's resource manager (TCG TSS 2.0 Overview, "Return codes").
constexpr TSS2_RC kCodeMask = 0xfff;

bool IsSoftware(absl::string_view tcti) {
  return absl::StartsWith(tcti, "swtpm") || absl::StartsWith(tcti, "mssim");
}

std::string RootOfTpmNode(const std::string& path) {
  struct stat st;
  if (stat(path.c_str(), &st) == 0 && S_ISCHR(st.st_mode)) return RootOfFile(st);
  // It is not there yet, so its name must do.
  const std::string node = std::filesystem::path(path).filename().string();
  const absl::string_view number = TpmNumber(node);
  return number.empty() ? RootOfPath(path) : RootOfTpm(number);
}

// The device that it opens; "" = none.
std::string DeviceOfTcti(absl::string_view tcti) {
  const auto [name, path] = SplitTcti(tcti);
  if (name == "pcap") return DeviceOfTcti(path);
  if (name != "device") return "";
  return path.empty() ? "/dev/tpmrm0" : std::string(path);
}

absl::Status Failed(absl::string_view what, TSS2_RC code) {
  absl::string_view meaning;
  if (code == TSS2_TCTI_RC_IO_ERROR) meaning = ": the connection is broken or refused";
  if (code == TPM2_RC_INITIALIZE) meaning = ": the TPM has had no TPM2_Startup";
  if (code == TPM2_RC_FAILURE) meaning = ": the TPM is in failure mode; reset it";
  return absl::UnavailableError(
      absl::StrCat(what, ": the TSS answers ", Tpm2CodeText(code), meaning));
}

}  // namespace

std::string Tpm2Driver::RootOfTcti(absl::string_view tcti) {
  if (IsSoftware(tcti)) return kRootKernel;
  if (const std::string device = DeviceOfTcti(tcti); !device.empty()) return RootOfTpmNode(device);
  const auto [name, rest] = SplitTcti(tcti);
  if (name == "tabrmd") return RootOfTpm("0");  // the daemon opens /dev/tpm0
  if (name == "pcap") return RootOfTcti(rest);  // records, and passes on
  return RootOfTpm("0");  // a way that is not known here may lead to this machine's TPM
}

bool Tpm2Driver::IsBusy(uint32_t code) {
  const TSS2_RC layer = code & TSS2_RC_LAYER_MASK;
  if (layer != 0 && layer != TSS2_RESMGR_RC_LAYER && layer != TSS2_RESMGR_TPM_RC_LAYER) {
    return false;
  }
  const TSS2_RC bare = code & kCodeMask;
  return bare == TPM2_RC_RETRY || bare == TPM2_RC_YIELDED || bare == TPM2_RC_TESTING;
}

ConfigFault Tpm2Driver::Check(const config::v1::SourceConfig& config) {
  if (config.tcti().empty()) {
    return {"tcti", "driver tpm2 needs the way to the TPM, e.g. tcti: device:/dev/tpmrm0"};
  }
  const absl::Status libraries = CheckTctiLibraries(config.tcti());
  return libraries.ok() ? ConfigFault{} : ConfigFault{"tcti", std::string(libraries.message())};
}

ConfigFault Tpm2Driver::Look(const config::v1::SourceConfig& config) {
  const std::string what = absl::StrCat("open TPM ", config.tcti());
  // Not by the TSS, which would load it: what is in the library of a file that is only checked must
  // not run.
  if (const absl::Status found = FindTctiLibraries(config.tcti()); !found.ok()) {
    return {"tcti", absl::StrCat(what, ": the TSS has no such way to a TPM (", found.message(),
                                 "); write e.g. device:/dev/tpmrm0, or install its library")};
  }
  const std::string device = DeviceOfTcti(config.tcti());
  if (device.empty()) return {};
  absl::Status use = CheckAccess(device, R_OK | W_OK, what);
  struct stat st;
  if (use.ok() && stat(device.c_str(), &st) == 0 && !S_ISCHR(st.st_mode)) {
    use = absl::FailedPreconditionError(
        absl::StrCat(what, ": it is no device; name that of the TPM, e.g. /dev/tpmrm0"));
  }
  return use.ok() ? ConfigFault{} : ConfigFault{"tcti", std::string(use.message())};
}

SourceIdentity Tpm2Driver::Identify(const config::v1::SourceConfig& config) {
  const bool software = IsSoftware(config.tcti());
  SourceIdentity identity;
  SourceClaims& claims = identity.claims;
  claims.group = software ? "host" : "tpm";
  claims.min_entropy = software ? 0 : 4;
  claims.health_min_entropy = 4;
  claims.word_bytes = 4;
  claims.max_rate = config.max_rate() == 0 ? kDefaultMaxRate : config.max_rate();
  claims.read_bytes = kMaxPerCall;
  identity.root = RootOfTcti(config.tcti());
  if (software) identity.nature = SourceIdentity::Nature::kBorrowed;
  return identity;
}

std::unique_ptr<SourceDriver> Tpm2Driver::Create(const config::v1::SourceConfig& config,
                                                 const SourceIdentity& identity) {
  const bool believed = IsSoftware(config.tcti()) ||
                        (config.group() == "host" && config.has_min_entropy_bits_per_byte());
  return std::make_unique<GuardedDriver>(absl::StrCat("TPM ", config.tcti()),
                                         std::make_unique<Tpm2Driver>(config.tcti(), believed),
                                         absl::Nanoseconds(identity.claims.silence_nanos));
}

Tpm2Driver::Tpm2Driver(std::string tcti, bool believed)
    : tcti_(std::move(tcti)), believed_(believed) {}

Tpm2Driver::~Tpm2Driver() { Close(); }

// E.g. "IFX", "STM", "IBM".
absl::StatusOr<std::string> Tpm2Driver::Manufacturer() {
  TPMS_CAPABILITY_DATA* data = nullptr;
  TPMI_YES_NO more;
  const TSS2_RC code =
      Esys_GetCapability(esys_, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_CAP_TPM_PROPERTIES,
                         TPM2_PT_MANUFACTURER, 1, &more, &data);
  if (code != TSS2_RC_SUCCESS) return Failed(absl::StrCat("ask TPM ", tcti_, " who made it"), code);
  std::string name;
  if (data->data.tpmProperties.count > 0) {
    const uint32_t value = data->data.tpmProperties.tpmProperty[0].value;
    for (int shift = 24; shift >= 0; shift -= 8) {
      const char c = static_cast<char>(value >> shift);
      if (absl::ascii_isgraph(static_cast<unsigned char>(c))) name.push_back(c);
    }
  }
  Esys_Free(data);
  return name;
}

absl::StatusOr<std::string> Tpm2Driver::Open() {
  Close();
  // It may have come, or changed, since the configuration was read.
  if (auto status = CheckTctiLibraries(tcti_); !status.ok()) return status;
  TSS2_TCTI_CONTEXT* tcti = nullptr;
  TSS2_RC code = Tss2_TctiLdr_Initialize(tcti_.c_str(), &tcti);
  if (code != TSS2_RC_SUCCESS) return Failed(absl::StrCat("open TPM ", tcti_), code);
  code = Esys_Initialize(&esys_, tcti, nullptr);
  if (code != TSS2_RC_SUCCESS) {
    Tss2_TctiLdr_Finalize(&tcti);
    return Failed(absl::StrCat("open TPM ", tcti_), code);
  }
  absl::StatusOr<std::string> maker = Manufacturer();
  if (!maker.ok()) {
    Close();
    return maker.status();
  }
  if (!believed_ && (*maker == "IBM" || absl::StartsWith(*maker, "SW"))) {
    Close();
    return absl::FailedPreconditionError(
        absl::StrCat("open TPM ", tcti_, ": it is software (manufacturer ", *maker,
                     "), which is worth less than was claimed; write group: host and "
                     "min_entropy_bits_per_byte: 0"));
  }
  root_ = RootOfTcti(tcti_);
  return absl::StrCat("TPM of ", *maker);
}

absl::StatusOr<size_t> Tpm2Driver::Read(absl::Span<uint8_t> out) {
  TPM2B_DIGEST* bytes = nullptr;
  const TSS2_RC code =
      Esys_GetRandom(esys_, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                     static_cast<UINT16>(std::min(out.size(), kMaxPerCall)), &bytes);
  if (IsBusy(code)) return size_t{0};
  if (code != TSS2_RC_SUCCESS) return Failed(absl::StrCat("read TPM ", tcti_), code);
  // A TPM may give fewer bytes than asked for, or none.
  const size_t n = std::min<size_t>(bytes->size, out.size());
  MoveOut({bytes->buffer, bytes->size}, out.first(n));
  Esys_Free(bytes);
  return n;
}

void Tpm2Driver::Close() {
  if (esys_ == nullptr) return;
  TSS2_TCTI_CONTEXT* tcti = nullptr;
  Esys_GetTcti(esys_, &tcti);
  Esys_Finalize(&esys_);
  Tss2_TctiLdr_Finalize(&tcti);
}

}  // namespace entropyd
