// A machine as a CloneGuard sees it. The test resumes it by moving its clocks, and says what its
// kernel gives.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>

#include "hostagent/serving/clone_guard.h"
#include "tests/temp_dir.h"

namespace entropyd {

struct FakeMachine {
  int64_t monotonic = 5;
  int64_t boot = 5;
  // What its kernel gives: the same bytes in each turn, or others in each machine.
  uint8_t kernel = 0;
  bool kernel_gives = true;
  TempDir dir;

  // A guard of this machine, which outlives it.
  std::unique_ptr<CloneGuard> Guard() {
    CloneGuard::Options options;
    options.kernel = [this](absl::Span<uint8_t> out) {
      std::fill(out.begin(), out.end(), kernel);
      return kernel_gives;
    };
    options.machine.monotonic_nanos = [this] { return monotonic; };
    options.machine.boot_nanos = [this] { return boot; };
    options.machine.vmclock = dir / "none";
    return CloneGuard::Create(std::move(options)).value();
  }
};

}  // namespace entropyd
