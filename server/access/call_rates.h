// How many calls each identity may make: a rate per second. The unused calls of the last
// kBurstSeconds may come at once.
//
//   CallRates rates;
//   rates.SetLimit(2000);
//   if (!rates.Take("spiffe://dc1/agent/h7", now)) return absl::ResourceExhaustedError(...);
//
// Every call costs memory and time before anybody looks at it, even if it is cancelled at once.
//
// Errors: none.
//
// Thread safety: safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"

namespace entropyd {

class CallRates {
 public:
  // A fleet that starts with one certificate makes many calls at once. So does a script that asks
  // for everything.
  static constexpr int64_t kBurstSeconds = 2;
  // Identities whose calls were long ago are forgotten when there are this many.
  static constexpr size_t kMaxRemembered = 4096;

  // From now on. Another limit than before forgives what is owed. REQUIRES: at least 1.
  void SetLimit(uint32_t calls_per_second);
  uint32_t limit() const;

  // One call more. False when there were too many.
  bool Take(absl::string_view identity, int64_t now_nanos);

 private:
  mutable absl::Mutex mutex_;
  uint32_t limit_ ABSL_GUARDED_BY(mutex_) = 2000;
  // When all calls of an identity have been worked off at the limit's rate (a token bucket as a
  // virtual time).
  absl::flat_hash_map<std::string, int64_t> done_nanos_ ABSL_GUARDED_BY(mutex_);
  size_t forget_at_ ABSL_GUARDED_BY(mutex_) = kMaxRemembered;
};

}  // namespace entropyd
