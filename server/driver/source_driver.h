// What a random number generator must offer to be a source.
//
// A new driver works with one file pair NAME_driver.{h,cc} that implements SourceDriver, and one
// line in the list of registry.cc (with its include); tests/new_driver adds one. CONTRIBUTING.md
// lists the keys, tests and texts that belong to it. What it has to pass is
// tests/server/driver/driver_conformance_test.cc.
//
// Life: Open() → Read()… → Close(), again and again as the device comes and goes, all on the
// source's own thread. Interrupt() alone comes from another thread.
//
// Thread safety: one thread, except Interrupt().
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/driver/source_identity.h"

namespace entropyd {

class SourceDriver {
 public:
  virtual ~SourceDriver() = default;

  // Opens the device. On success it returns what is there now, for operators ("virtio_rng.0"). It
  // may block for a moment. The source calls it again about once a second while the device is away.
  // Errors: NOT_FOUND or UNAVAILABLE = the device is not there now; PERMISSION_DENIED;
  // FAILED_PRECONDITION = something is there, but this driver cannot use it. The message names the
  // device and the remedy.
  virtual absl::StatusOr<std::string> Open() = 0;

  // Reads up to out.size() fresh raw bytes, never any that an earlier Read() gave.
  //   > 0        this many bytes; fewer than asked for is normal.
  //   0          nothing yet (EAGAIN): the caller waits 10 ms and asks again; after
  //              SourceClaims::silence_nanos without a byte it gives the device up.
  //   an error   the device is gone or broken (ENODEV, end of file); the caller closes it.
  //   CANCELLED  Interrupt() was called.
  // May block only where the device leaves no choice, and must then heed Interrupt().
  // REQUIRES: opened; out is not empty.
  virtual absl::StatusOr<size_t> Read(absl::Span<uint8_t> out) = 0;

  // The root of what is open, when it may differ from what the configuration named: a path may lead
  // elsewhere now, a name may have been resolved. Empty = nothing new. It is known after Open() or
  // after the first Read().
  virtual std::string root() const { return ""; }

  // Closes the device. Never blocks. Does no harm when nothing is open.
  virtual void Close() = 0;

  // Makes each Read() or Open() return soon, one that blocks now and every later one. Another
  // thread calls it once, at the end. Drivers that never block need not override it.
  virtual void Interrupt() {}
};

}  // namespace entropyd
