// Self-tests of the algorithms that the output rests on. They run at start, every ten minutes, and
// when an operator asks (SP 800-90A 11.3; FIPS 140 calls them cryptographic algorithm self-tests).
// Each has a negative twin, which shows that the test can fail: a changed input must give another
// answer, and a sound sequence must give no alarm.
//
//   CTR_DRBG   known answers, with and without reseeding (CtrDrbg::SelfTest)
//   SHA-512    the known answer of FIPS 180-4 for "abc"
//   health     a stuck, a biased and a replayed sequence raise the alarm of their test in time, and
//              deterministic bytes of a DRBG none
//
// Thread safety: safe; takes some milliseconds.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/crypto/secret_bytes.h"
#include "base/crypto/seed_provider.h"

namespace entropyd {

// Runs all tests and returns their names when all passed. Errors: INTERNAL names the first test
// that failed; RESOURCE_EXHAUSTED when the arena is full.
absl::StatusOr<std::vector<std::string>> RunSelfTests(const SeedProvider* provider,
                                                      SecretArena* arena);

}  // namespace entropyd
