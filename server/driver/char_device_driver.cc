#include "server/driver/char_device_driver.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/crypto/secret_bytes.h"
#include "server/driver/file_rights.h"

namespace entropyd {
namespace {

constexpr char kHwrngPath[] = "/dev/hwrng";
constexpr char kRngCurrent[] = "/sys/class/misc/hw_random/rng_current";

// hwrng gives one cache line at a time. Larger reads of slow devices only return less than asked
// for.
constexpr size_t kReadBytes = 64;

// Commands of generators are a few bytes. This much fits into the buffer of any device.
constexpr size_t kMaxInitBytes = 256;

// A serial line of 9600 bit/s takes this many bytes within 270 ms.
constexpr int kInitPatienceMillis = 500;

// Enough for every pool. At this rate, without a break, an ideal device fails the continuous test
// of 32-bit words by chance every five hours.
constexpr uint64_t kDefaultMaxRate = 1'000'000;

// From here on two equal 32-bit words are no longer rare, so words of 64 bits are compared.
constexpr uint64_t kWideWordRate = 1'000'000;

// Device numbers of the kernel's own generator (Documentation/admin-guide/devices.txt).
constexpr unsigned kMemMajor = 1, kRandomMinor = 8, kUrandomMinor = 9;

UniqueFd OpenNames(const std::string& path) {
  return UniqueFd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
}

// The line at the front of an open file; "" when there is none. The kernel makes it again for each
// read at offset 0.
std::string ReadLine(const UniqueFd& fd) {
  if (!fd) return "";
  char buffer[128];
  const ssize_t n = pread(fd.get(), buffer, sizeof(buffer), 0);
  if (n <= 0) return "";
  return std::string(absl::StripSuffix(absl::string_view(buffer, static_cast<size_t>(n)), "\n"));
}

// Of the generators that a hypervisor may give: virtio_rng; smccc_trng, which in a guest of KVM is
// the host's kernel, and else the firmware; pseries-rng, which is the hypercall H_RANDOM.
constexpr absl::string_view kBorrowedGenerators[] = {"virtio", "smccc_trng", "pseries"};

bool IsHardware(const std::string& generator) {
  if (generator.empty() || generator == "none") return false;
  return std::none_of(
      std::begin(kBorrowedGenerators), std::end(kBorrowedGenerators),
      [&](absl::string_view borrowed) { return absl::StartsWith(generator, borrowed); });
}

bool IsKernelGenerator(const struct stat& file) {
  return S_ISCHR(file.st_mode) && major(file.st_rdev) == kMemMajor &&
         (minor(file.st_rdev) == kRandomMinor || minor(file.st_rdev) == kUrandomMinor);
}

// null, zero, mem, kmsg and their like: whatever their rights, none is a generator.
bool IsMemoryDevice(const struct stat& file) {
  return S_ISCHR(file.st_mode) && major(file.st_rdev) == kMemMajor && !IsKernelGenerator(file);
}
constexpr char kMemoryDevice[] = "this is one of the kernel's memory devices, and no generator";

// Why the rights to a file make it unfit for a source; "" = they do not. A user who writes a FIFO
// chooses the samples. Bytes that are written to a device are a command, and go to no reader;
// groups that may do so (dialout, tty) are the system's.
std::string WhoMaySpoil(const struct stat& file) {
  if (S_ISFIFO(file.st_mode)) return WhoElseMayWrite(file);
  return (file.st_mode & S_IWOTH) != 0 ? "everybody" : "";
}

// /dev/null, /dev/tty and their like are no generators, and nobody should change their rights.
std::string RightsRemedy(const struct stat& file) {
  return S_ISFIFO(file.st_mode)
             ? "let it belong to root or the server's user, and let nobody else write it "
               "(chmod 600)"
             : "name a generator's own device; if this is one, let a rule of udev take the right "
               "from everybody else";
}

// What the path leads to now, which Check() may not have seen.
absl::Status CheckFile(const std::string& path, bool has_init, const struct stat& file) {
  if (!S_ISCHR(file.st_mode) && !S_ISFIFO(file.st_mode)) {
    return absl::FailedPreconditionError(
        absl::StrCat("open ", path, ": ", S_ISDIR(file.st_mode) ? "it is a directory, and " : "",
                     "neither a character device nor a FIFO"));
  }
  if (IsKernelGenerator(file)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "open ", path, ": this is the kernel's software generator; use driver getrandom"));
  }
  if (IsMemoryDevice(file)) {
    return absl::FailedPreconditionError(
        absl::StrCat("open ", path, ": ", kMemoryDevice, "; name a generator's own device"));
  }
  if (const std::string others = WhoMaySpoil(file); !others.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("open ", path, ": ", others, " may write it; ", RightsRemedy(file)));
  }
  if (S_ISFIFO(file.st_mode) && has_init) {
    return absl::FailedPreconditionError(
        absl::StrCat("open ", path, ": a FIFO would give the bytes of init: back; remove the key"));
  }
  return absl::OkStatus();
}

// A terminal line would swallow and translate bytes.
absl::Status MakeRaw(int fd, const std::string& path) {
  termios mode;
  if (tcgetattr(fd, &mode) != 0)
    return ErrnoStatus(errno, absl::StrCat("read line mode of ", path));
  cfmakeraw(&mode);
  mode.c_cflag |= CLOCAL;
  if (tcsetattr(fd, TCSANOW, &mode) != 0) {
    return ErrnoStatus(errno, absl::StrCat("set line mode of ", path));
  }
  return absl::OkStatus();
}

}  // namespace

ConfigFault CharDeviceDriver::Check(const config::v1::SourceConfig& config) {
  if (config.path().empty()) {
    return {"path", "driver char_device needs a path, e.g. path: /dev/hwrng"};
  }
  struct stat st;
  const bool there = stat(config.path().c_str(), &st) == 0;
  if (config.path() == "/dev/random" || config.path() == "/dev/urandom" ||
      (there && IsKernelGenerator(st))) {
    return {"path", absl::StrCat(config.path(),
                                 " is the kernel's software generator; write driver: getrandom")};
  }
  const std::string node = config.path().substr(config.path().rfind('/') + 1);
  if (!TpmNumber(node).empty()) {
    return {"path", absl::StrCat(config.path(),
                                 " is a TPM, which gives no bytes by itself; write "
                                 "driver: tpm2 and tcti: device:",
                                 config.path())};
  }
  if (there && S_ISDIR(st.st_mode)) {
    return {"path", absl::StrCat("'", config.path(),
                                 "' is a directory; name a generator's device, e.g. /dev/hwrng")};
  }
  if (there && !S_ISCHR(st.st_mode) && !S_ISFIFO(st.st_mode)) {
    return {"path", absl::StrCat("'", config.path(),
                                 "' is neither a character device nor a FIFO; bytes of a file "
                                 "would be given out again at every start")};
  }
  if (there && IsMemoryDevice(st)) {
    return {"path",
            absl::StrCat(config.path(), ": ", kMemoryDevice, "; name a generator's own device")};
  }
  // Who runs the check may not be who runs the server. So this looks only at what is wrong for all.
  if (there && (st.st_mode & S_IWOTH) != 0) {
    return {"path", absl::StrCat("everybody may write ", config.path(), "; ", RightsRemedy(st))};
  }
  if (config.init().empty()) return {};
  if (const auto init = ParseInit(config.init()); !init.ok()) {
    return {"init", std::string(init.status().message())};
  }
  if (there && S_ISFIFO(st.st_mode)) {
    return {"init", absl::StrCat(config.path(),
                                 " is a FIFO, which would give these bytes back as samples; "
                                 "remove the key")};
  }
  if (there && IsHwrng(st)) {
    return {"init", absl::StrCat(config.path(), " takes no bytes; remove the key")};
  }
  return {};
}

ConfigFault CharDeviceDriver::Look(const config::v1::SourceConfig& config) {
  const std::string& path = config.path();
  const int mode = config.init().empty() ? R_OK : R_OK | W_OK;
  absl::Status fit = CheckAccess(path, mode, absl::StrCat("open ", path));
  struct stat st;
  if (fit.ok() && stat(path.c_str(), &st) == 0) fit = CheckFile(path, !config.init().empty(), st);
  return fit.ok() ? ConfigFault{} : ConfigFault{"path", std::string(fit.message())};
}

absl::StatusOr<std::string> CharDeviceDriver::ParseInit(absl::string_view text) {
  std::string bytes;
  if (absl::ConsumePrefix(&text, "text:")) {
    bytes = std::string(text);
  } else if (absl::ConsumePrefix(&text, "hex:")) {
    std::string digits;
    for (const char c : text) {
      if (absl::ascii_isxdigit(static_cast<unsigned char>(c))) {
        digits.push_back(c);
      } else if (c != ' ') {
        return absl::InvalidArgumentError(
            absl::StrCat("'", absl::CHexEscape(std::string(1, c)),
                         "' is no hex digit; write e.g. hex:02 00 ff"));
      }
    }
    if (digits.size() % 2 != 0) {
      return absl::InvalidArgumentError(
          "an odd number of hex digits; write two for each byte, e.g. hex:02 00 ff");
    }
    bytes = absl::HexStringToBytes(digits);
  } else {
    return absl::InvalidArgumentError(
        "write hex: and the bytes, e.g. \"hex:02 00 ff\", or text: and the characters, e.g. "
        "\"text:START\\r\\n\"");
  }
  if (bytes.empty() || bytes.size() > kMaxInitBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(bytes.size(), " bytes; write 1 to ", kMaxInitBytes));
  }
  return bytes;
}

SourceIdentity CharDeviceDriver::IdentityFor(const std::string& path, bool is_hwrng,
                                             const std::string& generator, uint64_t max_rate) {
  const bool hardware = !is_hwrng || IsHardware(generator);
  SourceIdentity identity;
  identity.root = is_hwrng ? RootOfHwrng(generator) : RootOfPath(path);
  identity.known = !is_hwrng || (!generator.empty() && generator != "none");
  identity.nature =
      hardware ? SourceIdentity::Nature::kHardware : SourceIdentity::Nature::kBorrowed;
  SourceClaims& claims = identity.claims;
  claims.group = hardware ? path : "host";
  claims.min_entropy = hardware ? 4 : 1;
  claims.health_min_entropy = 4;
  claims.max_rate = max_rate == 0 ? kDefaultMaxRate : max_rate;
  claims.word_bytes = claims.max_rate > kWideWordRate ? 8 : 4;
  claims.read_bytes = kReadBytes;
  return identity;
}

SourceIdentity CharDeviceDriver::Identify(const config::v1::SourceConfig& config) {
  struct stat st;
  const bool there = stat(config.path().c_str(), &st) == 0;
  const bool is_hwrng = there ? IsHwrng(st) : config.path() == kHwrngPath;
  SourceIdentity identity = IdentityFor(
      config.path(), is_hwrng, is_hwrng ? ReadLine(OpenNames(kRngCurrent)) : "", config.max_rate());
  identity.known &= there;
  return identity;
}

std::unique_ptr<SourceDriver> CharDeviceDriver::Create(const config::v1::SourceConfig& config,
                                                       const SourceIdentity& identity) {
  return std::make_unique<CharDeviceDriver>(
      config.path(), "", identity.nature == SourceIdentity::Nature::kHardware,
      Habits{.pauses = config.silence() > 0, .init = ParseInit(config.init()).value_or("")});
}

CharDeviceDriver::CharDeviceDriver(std::string path, std::string rng_current, bool hardware,
                                   Habits habits)
    : path_(std::move(path)),
      rng_current_(std::move(rng_current)),
      hardware_(hardware),
      habits_(std::move(habits)) {}

absl::Status CharDeviceDriver::SendInit(int fd) const {
  absl::string_view rest = habits_.init;
  while (!rest.empty()) {
    const ssize_t n = write(fd, rest.data(), rest.size());
    if (n > 0) {
      rest.remove_prefix(static_cast<size_t>(n));
      continue;
    }
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno != EAGAIN)
      return ErrnoStatus(errno, absl::StrCat("write the init bytes to ", path_));
    pollfd ready = {.fd = fd, .events = POLLOUT, .revents = 0};
    // A device that says that it is ready, and takes nothing, would keep us here.
    if (poll(&ready, 1, kInitPatienceMillis) == 0 || n == 0) {
      return absl::UnavailableError(
          absl::StrCat("write the init bytes to ", path_, ": the device took ",
                       habits_.init.size() - rest.size(), " of ", habits_.init.size(), " bytes"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> CharDeviceDriver::Open() {
  const int direction = habits_.init.empty() ? O_RDONLY : O_RDWR;
  fd_.reset(open(path_.c_str(), direction | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!fd_) return CannotUse(errno, absl::StrCat("open ", path_), path_);
  UniqueFd opened = std::move(fd_);
  struct stat st;
  if (fstat(opened.get(), &st) != 0) return ErrnoStatus(errno, absl::StrCat("stat ", path_));
  if (absl::Status fit = CheckFile(path_, !habits_.init.empty(), st); !fit.ok()) return fit;
  const std::string names = rng_current_.empty() && IsHwrng(st) ? kRngCurrent : rng_current_;
  names_ = names.empty() ? UniqueFd() : OpenNames(names);
  generator_ = names.empty() ? path_ : ReadLine(names_);
  if (hardware_ && !names.empty() && !IsHardware(generator_)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "open ", path_, ": the generator behind it is now '", generator_,
        "', which is worth less than what the source claims; reload the server to claim anew"));
  }
  if (isatty(opened.get())) {
    if (absl::Status raw = MakeRaw(opened.get(), path_); !raw.ok()) return raw;
  }
  if (absl::Status sent = SendInit(opened.get()); !sent.ok()) return sent;
  is_fifo_ = S_ISFIFO(st.st_mode);
  fd_ = std::move(opened);
  root_ = names.empty() ? RootOfFile(st) : RootOfHwrng(generator_);
  return generator_;
}

absl::StatusOr<size_t> CharDeviceDriver::Read(absl::Span<uint8_t> out) {
  const ssize_t n = read(fd_.get(), out.data(), std::min(out.size(), kReadBytes));
  if (n > 0) {
    if (!names_ || ReadLine(names_) == generator_) return static_cast<size_t>(n);
    Wipe(out.first(static_cast<size_t>(n)));
    return absl::UnavailableError(absl::StrCat("read ", path_, ": the generator behind it is now '",
                                               ReadLine(names_), "', and was '", generator_, "'"));
  }
  if (n == 0) {
    if (is_fifo_ && habits_.pauses) return size_t{0};
    return absl::UnavailableError(
        absl::StrCat("read ", path_, ": end of file", is_fifo_ ? ", nobody writes" : ""));
  }
  if (errno == EAGAIN || errno == EINTR) return size_t{0};
  const int error = errno;
  return absl::UnavailableError(ErrnoStatus(error, absl::StrCat("read ", path_)).message());
}

}  // namespace entropyd
