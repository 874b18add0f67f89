// Tells whether the machine was suspended, or restored from a snapshot, since somebody last asked.
//
//   ResumeWatch watch;
//   if (watch.Resumed()) Drop(watch.reason());
//
// There are two signs. The time since boot has jumped against the monotonic clock, which stands
// still while a machine sleeps. Or the disruption marker of /dev/vmclock0 has changed, where there
// is one. A hypervisor changes it when it starts a machine from a snapshot, and also after a live
// migration. A snapshot that shows neither sign is not noticed.
//
// Errors: none; a device or a clock that cannot be read gives no sign.
//
// Thread safety: none; belongs to one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/process/nanos.h"

namespace entropyd {

class ResumeWatch {
 public:
  // A jump of less is no suspension: the two clocks are adjusted alike.
  static constexpr int64_t kMinJumpNanos = 10 * kMillisecondNanos;

  struct Machine {
    // Absent = CLOCK_MONOTONIC and CLOCK_BOOTTIME.
    std::function<int64_t()> monotonic_nanos = nullptr;
    std::function<int64_t()> boot_nanos = nullptr;
    std::string vmclock = "/dev/vmclock0";
  };

  ResumeWatch() : ResumeWatch(Machine()) {}
  explicit ResumeWatch(Machine machine);
  ResumeWatch(const ResumeWatch&) = delete;
  ResumeWatch& operator=(const ResumeWatch&) = delete;
  ~ResumeWatch();

  // Costs two readings of a clock.
  bool Resumed();
  // By what sign Resumed() knew, for people.
  const std::string& reason() const { return reason_; }

 private:
  // How far the time since boot is ahead of the monotonic clock, at most: the thread may be held up
  // between the two readings.
  int64_t AheadAtMost() const;
  uint64_t Marker() const;

  Machine machine_;
  // The page of the device; nullptr = there is none.
  const volatile uint8_t* page_ = nullptr;
  // The least that AheadAtMost() has said since the last jump.
  int64_t ahead_;
  uint64_t marker_ = 0;
  std::string reason_;
};

}  // namespace entropyd
