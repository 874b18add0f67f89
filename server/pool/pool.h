// A pool: several sources, conditioned with entropy accounting, delivered at one quality.
//
// Sources' threads put conditioned bytes in; the dispatcher's writers get through Readers.
//   full  bytes move out once; Available() is what is stored.
//   drbg  each Reader has a child CTR_DRBG seeded from the pool's root; Available() is unlimited
//         while the pool is ready.
//
// Thread safety: Pool is safe. A Reader belongs to one thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "proto/entropy.pb.h"
#include "server/pool/pool_state.h"

namespace entropyd {

class PoolReader {
 public:
  virtual ~PoolReader() = default;
  // Fills all of `out` with bytes that nobody else gets, and says of which seed generation they
  // are. `epoch` is the discard_epoch under which the bytes were planned.
  // Errors, with `out` cleansed: UNAVAILABLE (not ready, or fewer bytes stored than asked for),
  // ABORTED (the epoch has passed), INTERNAL (DRBG failure: the pool stops).
  virtual absl::StatusOr<uint64_t> Read(absl::Span<uint8_t> out, uint64_t epoch) = 0;
};

class Pool {
 public:
  virtual ~Pool() = default;
  virtual const std::string& name() const = 0;
  virtual v1::Quality quality() const = 0;
  virtual PoolState State() const = 0;
  // Bytes that Read() would give now; UINT64_MAX for a ready drbg pool, 0 when not ready.
  virtual uint64_t Available() const = 0;
  virtual std::unique_ptr<PoolReader> NewReader() = 0;
  // Called from any thread, without locks held, when State() changed or bytes arrived in an empty
  // pool. Must not block. REQUIRES: set before the sources start; at most one.
  virtual void SetChangeCallback(std::function<void()> callback) = 0;
};

}  // namespace entropyd
