#include "server/driver/char_device_driver.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/crypto/secret_bytes.h"

namespace entropyd {
namespace {

constexpr char kHwrngPath[] = "/dev/hwrng";
constexpr char kRngCurrent[] = "/sys/class/misc/hw_random/rng_current";

// hwrng gives one cache line at a time. Larger reads of slow devices only return less than asked
// for.
constexpr size_t kReadBytes = 64;

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

// The line at the front of an open file; "" when there is none. The kernel makes it anew for each
// read at offset 0.
std::string ReadLine(const UniqueFd& fd) {
  if (!fd) return "";
  char buffer[128];
  const ssize_t n = pread(fd.get(), buffer, sizeof(buffer), 0);
  if (n <= 0) return "";
  return std::string(absl::StripSuffix(absl::string_view(buffer, static_cast<size_t>(n)), "\n"));
}

bool IsHardware(const std::string& generator) {
  return !generator.empty() && generator != "none" && !absl::StartsWith(generator, "virtio");
}

bool IsKernelGenerator(const struct stat& file) {
  return S_ISCHR(file.st_mode) && major(file.st_rdev) == kMemMajor &&
         (minor(file.st_rdev) == kRandomMinor || minor(file.st_rdev) == kUrandomMinor);
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
  if (there && !S_ISCHR(st.st_mode) && !S_ISFIFO(st.st_mode)) {
    return {"path", absl::StrCat("'", config.path(),
                                 "' is neither a character device nor a FIFO; bytes of a file "
                                 "would be given out again at every start")};
  }
  return {};
}

SourceIdentity CharDeviceDriver::IdentityFor(const std::string& path, bool is_hwrng,
                                             const std::string& generator, uint64_t max_rate) {
  const bool hardware = !is_hwrng || IsHardware(generator);
  SourceIdentity identity;
  identity.root = is_hwrng ? RootOfHwrng(generator) : RootOfPath(path);
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
  return IdentityFor(config.path(), is_hwrng, is_hwrng ? ReadLine(OpenNames(kRngCurrent)) : "",
                     config.max_rate());
}

std::unique_ptr<SourceDriver> CharDeviceDriver::Create(const config::v1::SourceConfig& config,
                                                       const SourceIdentity& identity) {
  return std::make_unique<CharDeviceDriver>(config.path(), "",
                                            identity.nature == SourceIdentity::Nature::kHardware);
}

CharDeviceDriver::CharDeviceDriver(std::string path, std::string rng_current, bool hardware)
    : path_(std::move(path)), rng_current_(std::move(rng_current)), hardware_(hardware) {}

absl::StatusOr<std::string> CharDeviceDriver::Open() {
  fd_.reset(open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!fd_) return ErrnoStatus(errno, absl::StrCat("open ", path_));
  UniqueFd opened = std::move(fd_);
  struct stat st;
  if (fstat(opened.get(), &st) != 0) return ErrnoStatus(errno, absl::StrCat("stat ", path_));
  if (!S_ISCHR(st.st_mode) && !S_ISFIFO(st.st_mode)) {
    return absl::FailedPreconditionError(
        absl::StrCat("open ", path_, ": neither a character device nor a FIFO"));
  }
  if (IsKernelGenerator(st)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "open ", path_, ": this is the kernel's software generator; use driver getrandom"));
  }
  const std::string names = rng_current_.empty() && IsHwrng(st) ? kRngCurrent : rng_current_;
  names_ = names.empty() ? UniqueFd() : OpenNames(names);
  generator_ = names.empty() ? path_ : ReadLine(names_);
  if (hardware_ && !names.empty() && !IsHardware(generator_)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "open ", path_, ": the generator behind it is now '", generator_,
        "', which is worth less than what was claimed at the start; restart to claim anew"));
  }
  if (isatty(opened.get())) {
    if (absl::Status raw = MakeRaw(opened.get(), path_); !raw.ok()) return raw;
  }
  fd_ = std::move(opened);
  root_ = names.empty() ? RootOfFile(st) : RootOfHwrng(generator_);
  return generator_;
}

absl::StatusOr<size_t> CharDeviceDriver::Read(absl::Span<uint8_t> out) {
  const ssize_t n = read(fd_.get(), out.data(), std::min(out.size(), kReadBytes));
  if (n > 0) {
    if (!names_ || ReadLine(names_) == generator_) return static_cast<size_t>(n);
    Cleanse(out.first(static_cast<size_t>(n)));
    return absl::UnavailableError(absl::StrCat("read ", path_, ": the generator behind it is now '",
                                               ReadLine(names_), "', and was '", generator_, "'"));
  }
  if (n == 0) {
    return absl::UnavailableError(absl::StrCat("read ", path_, ": end of file, nobody writes"));
  }
  if (errno == EAGAIN || errno == EINTR) return size_t{0};
  const int error = errno;
  return absl::UnavailableError(ErrnoStatus(error, absl::StrCat("read ", path_)).message());
}

}  // namespace entropyd
