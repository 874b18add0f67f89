#include "server/driver/pkcs11_driver.h"

#include <dlfcn.h>
#include <p11-kit/pkcs11.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "server/driver/guarded_driver.h"

namespace entropyd {
namespace {

// Modules differ in how much they give at a time. All of them can give 32 bytes, one seed.
constexpr size_t kMaxPerCall = 32;

// 512 calls per second. A module on a network has other work to do.
constexpr uint64_t kDefaultMaxRate = 16 << 10;

constexpr char kSoftHsmManufacturer[] = "SoftHSM project";

// Fields of PKCS#11 are padded with blanks and have no end of their own.
std::string Trimmed(const unsigned char* field, size_t size) {
  return std::string(absl::StripTrailingAsciiWhitespace(
      absl::string_view(reinterpret_cast<const char*>(field), size)));
}

// The module of the TPM software stack calls itself "TPM2.0 Cryptoki". It gives each of its tokens
// another serial number, and all of them are one TPM.
bool IsTpm(CK_FUNCTION_LIST* functions) {
  CK_INFO info{};
  return functions->C_GetInfo != nullptr && functions->C_GetInfo(&info) == CKR_OK &&
         absl::StrContains(Trimmed(info.libraryDescription, sizeof(info.libraryDescription)),
                           "TPM");
}

bool IsSoftHsm(const std::string& module) {
  return absl::StrContains(absl::string_view(module).substr(module.rfind('/') + 1), "softhsm");
}

// The codes that an operator meets. Messages name all others by number, as the module's manual
// does.
std::string CodeName(CK_RV code) {
  switch (code) {
    case CKR_SESSION_HANDLE_INVALID:
    case CKR_SESSION_CLOSED:
      return "the session is lost";
    case CKR_CRYPTOKI_NOT_INITIALIZED:
      return "the module is not initialised any more";
    case CKR_DEVICE_REMOVED:
      return "the device is removed";
    case CKR_TOKEN_NOT_PRESENT:
      return "the token is not present";
    case CKR_RANDOM_NO_RNG:
      return "the token has no generator";
    default:
      return absl::StrFormat("the module answers 0x%x", code);
  }
}

absl::Status Failed(absl::string_view what, CK_RV code) {
  return absl::UnavailableError(absl::StrCat(what, ": ", CodeName(code)));
}

}  // namespace

struct Pkcs11Driver::Module {
  CK_FUNCTION_LIST* functions = nullptr;
  CK_SESSION_HANDLE session = CK_INVALID_HANDLE;
};

ConfigFault Pkcs11Driver::Check(const config::v1::SourceConfig& config) {
  if (config.module().empty()) {
    return {"module", "driver pkcs11 needs a module, e.g. module: /usr/lib/softhsm/libsofthsm2.so"};
  }
  if (config.module().front() != '/') {
    return {"module", absl::StrCat("'", config.module(),
                                   "' would be looked for in many places; write the full path")};
  }
  if (config.token().empty()) {
    return {"token", "driver pkcs11 needs the label of a token, e.g. token: entropy"};
  }
  if (config.token().size() > sizeof(CK_TOKEN_INFO::label)) {
    return {"token", absl::StrCat("a token's label has ", sizeof(CK_TOKEN_INFO::label),
                                  " bytes at most; write the label that the module shows")};
  }
  return {};
}

SourceIdentity Pkcs11Driver::Identify(const config::v1::SourceConfig& config) {
  const bool software = IsSoftHsm(config.module());
  SourceIdentity identity;
  SourceClaims& claims = identity.claims;
  claims.group = software ? "host" : absl::StrCat("pkcs11:", config.token());
  claims.min_entropy = software ? 0 : 4;
  claims.health_min_entropy = 4;
  claims.word_bytes = 8;
  claims.max_rate = config.max_rate() == 0 ? kDefaultMaxRate : config.max_rate();
  claims.read_bytes = kMaxPerCall;
  identity.root =
      software ? kRootKernel
               : absl::StrCat("token '", config.token(), "' of ", RootOfPath(config.module()));
  if (software) identity.nature = SourceIdentity::Nature::kBorrowed;
  return identity;
}

std::unique_ptr<SourceDriver> Pkcs11Driver::Create(const config::v1::SourceConfig& config,
                                                   const SourceIdentity&) {
  const bool believed = IsSoftHsm(config.module()) ||
                        (config.group() == "host" && config.has_min_entropy_bits_per_byte());
  return std::make_unique<GuardedDriver>(
      absl::StrCat("token '", config.token(), "' of ", config.module()),
      std::make_unique<Pkcs11Driver>(config.module(), config.token(), believed));
}

Pkcs11Driver::Pkcs11Driver(std::string module, std::string token, bool believed)
    : module_(std::move(module)), token_(std::move(token)), believed_(believed) {}

Pkcs11Driver::~Pkcs11Driver() { Close(); }

// A loaded module stays loaded, whether or not it can be used.
absl::Status Pkcs11Driver::Load() {
  if (loaded_ == nullptr) {
    void* library = dlopen(module_.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
      return absl::NotFoundError(absl::StrCat("load module ", module_, ": ", dlerror(),
                                              "; install the module or mend its path"));
    }
    const auto get_functions =
        reinterpret_cast<CK_C_GetFunctionList>(dlsym(library, "C_GetFunctionList"));
    CK_FUNCTION_LIST* functions = nullptr;
    if (get_functions == nullptr || get_functions(&functions) != CKR_OK || functions == nullptr) {
      return absl::FailedPreconditionError(
          absl::StrCat("load module ", module_, ": it is no PKCS#11 module; mend its path"));
    }
    loaded_ = std::make_unique<Module>();
    loaded_->functions = functions;
  }
  CK_C_INITIALIZE_ARGS args{};
  args.flags = CKF_OS_LOCKING_OK;  // other sources and their threads may share the module
  const CK_RV code = loaded_->functions->C_Initialize(&args);
  if (code != CKR_OK && code != CKR_CRYPTOKI_ALREADY_INITIALIZED) {
    return Failed(absl::StrCat("initialise module ", module_), code);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> Pkcs11Driver::Open() {
  Close();
  if (absl::Status status = Load(); !status.ok()) return status;
  CK_FUNCTION_LIST* const f = loaded_->functions;
  CK_ULONG count = 0;
  // The first question has no buffer: only then modules look for tokens that have come or gone.
  CK_RV code = f->C_GetSlotList(CK_TRUE, nullptr, &count);
  std::vector<CK_SLOT_ID> slots(count);
  if (code == CKR_OK) code = f->C_GetSlotList(CK_TRUE, slots.data(), &count);
  if (code != CKR_OK) return Failed(absl::StrCat("list tokens of module ", module_), code);
  slots.resize(std::min<size_t>(slots.size(), count));
  std::vector<std::string> labels;
  for (const CK_SLOT_ID slot : slots) {
    CK_TOKEN_INFO info;
    if (f->C_GetTokenInfo(slot, &info) != CKR_OK) continue;
    labels.push_back(absl::StrCat("'", Trimmed(info.label, sizeof(info.label)), "'"));
    if (Trimmed(info.label, sizeof(info.label)) != token_) continue;
    const std::string what = absl::StrCat("open token '", token_, "' of ", module_);
    if ((info.flags & CKF_RNG) == 0) {
      return absl::FailedPreconditionError(
          absl::StrCat(what, ": the token has no generator (CKF_RNG); use another token"));
    }
    const std::string maker = Trimmed(info.manufacturerID, sizeof(info.manufacturerID));
    if (maker == kSoftHsmManufacturer && !believed_) {
      return absl::FailedPreconditionError(
          absl::StrCat(what, ": it is software (", maker,
                       "), which is worth less than was claimed; write group: host and "
                       "min_entropy_bits_per_byte: 0"));
    }
    code = f->C_OpenSession(slot, CKF_SERIAL_SESSION, nullptr, nullptr, &loaded_->session);
    if (code != CKR_OK) return Failed(what, code);
    const std::string serial = Trimmed(info.serialNumber, sizeof(info.serialNumber));
    // A token without a serial number is known only by its module.
    if (maker == kSoftHsmManufacturer) {
      root_ = kRootKernel;
    } else if (IsTpm(f)) {
      root_ = RootOfTpm("0");  // the module does not say which one; a second one is rare
    } else if (!serial.empty()) {
      // One device may show several tokens, under other labels.
      root_ = absl::StrCat("token of ", maker, ", serial number ", serial);
    }
    return absl::StrCat(maker, " ", Trimmed(info.model, sizeof(info.model)));
  }
  return absl::NotFoundError(absl::StrCat(
      "open token '", token_, "' of ", module_, ": no such token; there are ",
      labels.empty() ? "none" : absl::StrJoin(labels, ", "), "; plug it in or mend its label"));
}

absl::StatusOr<size_t> Pkcs11Driver::Read(absl::Span<uint8_t> out) {
  const size_t n = std::min(out.size(), kMaxPerCall);
  const CK_RV code = loaded_->functions->C_GenerateRandom(loaded_->session, out.data(), n);
  if (code != CKR_OK) return Failed(absl::StrCat("read token '", token_, "' of ", module_), code);
  return n;
}

void Pkcs11Driver::Close() {
  if (loaded_ == nullptr || loaded_->session == CK_INVALID_HANDLE) return;
  // A session that the module has lost cannot be closed and needs no closing.
  loaded_->functions->C_CloseSession(std::exchange(loaded_->session, CK_INVALID_HANDLE));
}

}  // namespace entropyd
