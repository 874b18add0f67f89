#include "hostagent/serving/resume_watch.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/process/fd.h"
#include "base/process/nanos.h"

namespace entropyd {
namespace {

// From linux/vmclock-abi.h, which Debian 12 does not have yet. All numbers are little endian.
constexpr uint32_t kMagic = 0x4b4c4356;  // "VCLK"
constexpr size_t kMarkerAt = 16;
constexpr size_t kPageBytes = 4096;

int64_t Nanos(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return int64_t{now.tv_sec} * kSecondNanos + now.tv_nsec;
}

uint64_t Little(const volatile uint8_t* at, int bytes) {
  uint64_t value = 0;
  for (int i = bytes - 1; i >= 0; --i) value = value << 8 | at[i];
  return value;
}

const volatile uint8_t* MapDevice(const std::string& path) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return nullptr;
  void* const page = mmap(nullptr, kPageBytes, PROT_READ, MAP_SHARED, fd.get(), 0);
  if (page == MAP_FAILED) return nullptr;
  const auto* bytes = static_cast<const volatile uint8_t*>(page);
  if (Little(bytes, 4) == kMagic) return bytes;
  munmap(page, kPageBytes);
  return nullptr;
}

}  // namespace

ResumeWatch::ResumeWatch(Machine machine) : machine_(std::move(machine)) {
  if (!machine_.monotonic_nanos) {
    machine_.monotonic_nanos = [] { return Nanos(CLOCK_MONOTONIC); };
  }
  if (!machine_.boot_nanos) {
    machine_.boot_nanos = [] { return Nanos(CLOCK_BOOTTIME); };
  }
  page_ = MapDevice(machine_.vmclock);
  ahead_ = AheadAtMost();
  marker_ = Marker();
}

ResumeWatch::~ResumeWatch() {
  if (page_ != nullptr) munmap(const_cast<uint8_t*>(page_), kPageBytes);
}

int64_t ResumeWatch::AheadAtMost() const {
  const int64_t monotonic = machine_.monotonic_nanos();
  return machine_.boot_nanos() - monotonic;
}

uint64_t ResumeWatch::Marker() const { return page_ == nullptr ? 0 : Little(page_ + kMarkerAt, 8); }

bool ResumeWatch::Resumed() {
  const uint64_t marker = Marker();
  if (marker != std::exchange(marker_, marker)) {
    ahead_ = AheadAtMost();
    reason_ = absl::StrCat(machine_.vmclock, " tells of a disruption");
    return true;
  }
  const int64_t most = AheadAtMost();
  if (most - ahead_ >= kMinJumpNanos) {
    // A jump, or this thread was held up between the two readings. The clocks the other way round
    // tell what the jump is at least.
    const int64_t boot = machine_.boot_nanos();
    const int64_t jump = boot - machine_.monotonic_nanos() - ahead_;
    if (jump < kMinJumpNanos) return false;
    ahead_ = AheadAtMost();
    reason_ = absl::StrCat("the time since boot has jumped by ", jump / 1'000'000, " ms");
    return true;
  }
  ahead_ = std::min(ahead_, most);
  return false;
}

}  // namespace entropyd
