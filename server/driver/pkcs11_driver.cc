#include "server/driver/pkcs11_driver.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <p11-kit/pkcs11.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "base/crypto/secret_bytes.h"
#include "base/process/fd.h"
#include "base/process/nanos.h"
#include "server/driver/file_rights.h"
#include "server/driver/guarded_driver.h"
#include "server/driver/pkcs11_codes.h"

namespace entropyd {
namespace {

// Modules differ in how much they give at a time. All of them can give 32 bytes, one seed.
constexpr size_t kMaxPerCall = 32;

// 512 calls per second. A module on a network has other work to do.
constexpr uint64_t kDefaultMaxRate = 16 << 10;

// Tokens take at most some tens of characters.
constexpr size_t kMaxPinBytes = 255;

constexpr char kPinRights[] =
    "let it belong to root or the server's user, and let nobody else read it (chmod 400)";

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

absl::string_view FileName(const std::string& module) {
  return absl::string_view(module).substr(module.rfind('/') + 1);
}

bool IsSoftHsm(const std::string& module) { return absl::StrContains(FileName(module), "softhsm"); }

// The codes that an operator meets, in words. The name helps to find a code in the module's manual.
absl::string_view Meaning(CK_RV code) {
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
    case CKR_USER_NOT_LOGGED_IN:
      return "the token wants its user's PIN, so write pin_file: in the source";
    default:
      return "";
  }
}

absl::Status Failed(absl::string_view what, CK_RV code) {
  const absl::string_view meaning = Meaning(code);
  return absl::UnavailableError(absl::StrCat(what, ": ", meaning, meaning.empty() ? "" : ": ",
                                             "the module answers ", Pkcs11CodeText(code)));
}

// The codes with which a token refuses a PIN. Some of them count towards its lock.
bool RefusesPin(CK_RV code) {
  return code == CKR_PIN_INCORRECT || code == CKR_PIN_INVALID || code == CKR_PIN_LEN_RANGE ||
         code == CKR_PIN_LOCKED || code == CKR_PIN_EXPIRED || code == CKR_USER_PIN_NOT_INITIALIZED;
}

// A user who may write the module may do what the server may.
absl::Status CheckModule(const std::string& module, const struct stat& file) {
  const std::string others = WhoElseMayWrite(file);
  if (others.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("load module ", module, ": ", others,
                   " may write it; let it belong to root, and let nobody else write it"));
}

// The file of a PIN, which nobody else may read. *file is what it is.
absl::StatusOr<UniqueFd> OpenPinFile(const std::string& path, struct stat* file) {
  const std::string reading = absl::StrCat("read PIN file ", path);
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (!fd || fstat(fd.get(), file) != 0) return CannotUse(errno, reading, path);
  if (!S_ISREG(file->st_mode)) {
    return absl::FailedPreconditionError(
        absl::StrCat(reading, ": it is no file; name one that holds the PIN"));
  }
  if (const std::string others = WhoElseMayRead(*file); !others.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat(reading, ": ", others, " may read it; ", kPinRights));
  }
  return fd;
}

// A PIN, wiped when it goes.
class Pin {
 public:
  Pin() = default;
  Pin(const Pin&) = delete;
  Pin& operator=(const Pin&) = delete;
  ~Pin() { Wipe(absl::MakeSpan(bytes_)); }

  // Reads the first line of the file. No error holds any of it.
  absl::Status Read(int fd, const std::string& path) {
    ssize_t n = read(fd, bytes_, sizeof(bytes_));
    if (n < 0) return ErrnoStatus(errno, absl::StrCat("read PIN file ", path));
    size_ = 0;
    while (size_ < static_cast<size_t>(n) && bytes_[size_] != '\n' && bytes_[size_] != '\r') {
      ++size_;
    }
    if (size_ > 0 && size_ <= kMaxPinBytes) return absl::OkStatus();
    return absl::FailedPreconditionError(
        absl::StrCat("read PIN file ", path, ": its first line must have 1 to ", kMaxPinBytes,
                     " characters, the PIN and nothing else"));
  }
  unsigned char* data() { return bytes_; }
  size_t size() const { return size_; }

 private:
  unsigned char bytes_[kMaxPinBytes + 1] = {};
  size_t size_ = 0;
};

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
  struct stat st;
  if (!config.pin_file().empty() && stat(config.pin_file().c_str(), &st) == 0 &&
      (st.st_mode & S_IROTH) != 0) {
    return {"pin_file", absl::StrCat("everybody may read ", config.pin_file(), "; ", kPinRights)};
  }
  return {};
}

ConfigFault Pkcs11Driver::Look(const config::v1::SourceConfig& config) {
  const std::string what = absl::StrCat("load module ", config.module());
  absl::Status module = CheckAccess(config.module(), R_OK, what);
  struct stat st;
  if (module.ok() && stat(config.module().c_str(), &st) == 0) {
    module = S_ISREG(st.st_mode) ? CheckModule(config.module(), st)
                                 : absl::FailedPreconditionError(absl::StrCat(
                                       what, ": it is no file; name the module, a shared library"));
  }
  if (!module.ok()) return {"module", std::string(module.message())};
  if (config.pin_file().empty()) return {};
  absl::StatusOr<UniqueFd> pin = OpenPinFile(config.pin_file(), &st);
  return pin.ok() ? ConfigFault{} : ConfigFault{"pin_file", std::string(pin.status().message())};
}

SourceIdentity Pkcs11Driver::Identify(const config::v1::SourceConfig& config) {
  const bool software = IsSoftHsm(config.module());
  SourceIdentity identity;
  SourceClaims& claims = identity.claims;
  // The module of the TPM software stack has this name in every distribution.
  const bool tpm = absl::StrContains(FileName(config.module()), "tpm2_pkcs11");
  claims.group = software ? "host" : tpm ? "tpm" : absl::StrCat("pkcs11:", config.token());
  claims.min_entropy = software ? 0 : 4;
  claims.health_min_entropy = 4;
  claims.word_bytes = 8;
  claims.max_rate = config.max_rate() == 0 ? kDefaultMaxRate : config.max_rate();
  claims.read_bytes = kMaxPerCall;
  identity.root =
      software ? kRootKernel
      : tpm    ? RootOfTpm("0")
               : absl::StrCat("token '", config.token(), "' of ", RootOfPath(config.module()));
  if (software) identity.nature = SourceIdentity::Nature::kBorrowed;
  return identity;
}

std::unique_ptr<SourceDriver> Pkcs11Driver::Create(const config::v1::SourceConfig& config,
                                                   const SourceIdentity& identity) {
  const bool believed = IsSoftHsm(config.module()) ||
                        (config.group() == "host" && config.has_min_entropy_bits_per_byte());
  return std::make_unique<GuardedDriver>(
      absl::StrCat("token '", config.token(), "' of ", config.module()),
      std::make_unique<Pkcs11Driver>(config.module(), config.token(), believed, config.pin_file()),
      absl::Nanoseconds(identity.claims.silence_nanos));
}

Pkcs11Driver::Pkcs11Driver(std::string module, std::string token, bool believed,
                           std::string pin_file)
    : module_(std::move(module)),
      token_(std::move(token)),
      believed_(believed),
      pin_file_(std::move(pin_file)) {}

Pkcs11Driver::~Pkcs11Driver() { Close(); }

// A loaded module stays loaded, whether or not it can be used.
absl::Status Pkcs11Driver::Load() {
  if (loaded_ == nullptr) {
    struct stat st;
    const bool there = stat(module_.c_str(), &st) == 0;
    absl::Status module = there ? CheckModule(module_, st) : absl::OkStatus();
    if (!module.ok()) return module;
    void* library = dlopen(module_.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
      return absl::NotFoundError(absl::StrCat("load module ", module_, ": ", dlerror(),
                                              "; install the module or mend its path"));
    }
    const auto get_functions =
        reinterpret_cast<CK_C_GetFunctionList>(dlsym(library, "C_GetFunctionList"));
    CK_FUNCTION_LIST* functions = nullptr;
    if (get_functions == nullptr) {
      return absl::FailedPreconditionError(
          absl::StrCat("load module ", module_, ": it is no PKCS#11 module; mend its path"));
    }
    if (const CK_RV code = get_functions(&functions); code != CKR_OK) {
      return Failed(absl::StrCat("load module ", module_), code);
    }
    if (functions == nullptr) {
      return absl::FailedPreconditionError(
          absl::StrCat("load module ", module_, ": it gives no list of functions"));
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
    if (absl::Status in = LogIn(what); !in.ok()) {
      Close();
      return in;
    }
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

// The login belongs to the module, not to the session: another source may have logged in already.
absl::Status Pkcs11Driver::LogIn(absl::string_view what) {
  if (pin_file_.empty()) return absl::OkStatus();
  struct stat st;
  const absl::StatusOr<UniqueFd> fd = OpenPinFile(pin_file_, &st);
  if (!fd.ok()) return fd.status();
  const PinVersion version = {
      .inode = st.st_ino, .changed_nanos = st.st_ctim.tv_sec * kSecondNanos + st.st_ctim.tv_nsec};
  if (refused_pin_ == version) {
    return absl::FailedPreconditionError(
        absl::StrCat(what, ": the token refused the PIN in ", pin_file_,
                     "; write the right one into it; until then there is no other try, because a "
                     "token locks itself after some wrong PINs"));
  }
  refused_pin_.reset();
  Pin pin;
  if (absl::Status status = pin.Read(fd->get(), pin_file_); !status.ok()) return status;
  const auto log_in = loaded_->functions->C_Login;
  const CK_RV code = log_in == nullptr ? CKR_FUNCTION_NOT_SUPPORTED
                                       : log_in(loaded_->session, CKU_USER, pin.data(), pin.size());
  if (code == CKR_OK || code == CKR_USER_ALREADY_LOGGED_IN) return absl::OkStatus();
  if (RefusesPin(code)) refused_pin_ = version;
  return Failed(absl::StrCat("log in: ", what), code);
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
