// A pool: several sources, conditioned with entropy accounting, delivered at one quality.
//
// The threads of sources put conditioned bytes in. The dispatcher's writers read through Readers.
//   full  Bytes leave once. Available() is what is stored.
//   drbg  Each reader has a child CTR_DRBG that is seeded from the pool's root. Available() is
//         unlimited while the pool is ready.
//
//   std::unique_ptr<PoolReader> reader = pool->NewReader();
//   absl::StatusOr<uint64_t> generation = reader->Read(out, pool->State().discard_epoch);
//
// Errors: those of PoolReader::Read().
//
// Thread safety: Pool is safe. A reader belongs to one thread at a time.
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
  // Fills all of `out` with bytes that nobody else gets, and returns their seed generation. `epoch`
  // is the discard_epoch under which the bytes were planned. Every error leaves `out` wiped:
  // UNAVAILABLE (not ready, or fewer bytes are stored than asked for), ABORTED (the epoch has
  // passed), INTERNAL (the DRBG failed: the pool stops).
  virtual absl::StatusOr<uint64_t> Read(absl::Span<uint8_t> out, uint64_t epoch) = 0;
};

class Pool {
 public:
  virtual ~Pool() = default;
  virtual const std::string& name() const = 0;
  virtual v1::Quality quality() const = 0;
  virtual PoolState State() const = 0;
  // The bytes that Read() would give now: UINT64_MAX for a ready drbg pool, 0 when not ready.
  virtual uint64_t Available() const = 0;
  virtual std::unique_ptr<PoolReader> NewReader() = 0;
  // The pool calls it when State() changed or bytes arrived in an empty pool, from any thread,
  // without locks held. It must not block. REQUIRES: set before the sources start; at most one.
  virtual void SetChangeCallback(std::function<void()> callback) = 0;
};

}  // namespace entropyd
