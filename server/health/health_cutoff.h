// Cutoffs of the SP 800-90B continuous health tests, and how often they fire by chance.
//
//   const uint32_t rct = RctCutoff(4, 30);                                  // H = 4, alpha = 2^-30
//   const absl::StatusOr<uint32_t> apt = AptCutoff(4, kAptWindow, 30);
//
// Upper tails are summed in log space with long double: "1 - CDF" in double is wrong from alpha =
// 2^-40 on.
//
// Errors: OUT_OF_RANGE for a test that could never fail.
//
// Thread safety: pure functions.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"

namespace entropyd {

// Samples per window of the adaptive proportion test (SP 800-90B 4.4.2, non-binary samples).
inline constexpr uint32_t kAptWindow = 512;

// Repetition count test (SP 800-90B 4.4.1): C = 1 + ceil(alpha_log2 / H), where alpha =
// 2^-alpha_log2 and H is the min-entropy in bits per sample. REQUIRES: H > 0, alpha_log2 > 0.
uint32_t RctCutoff(double min_entropy, int alpha_log2);

// The smallest k with P(X > k) <= 2^-alpha_log2 for X ~ Binomial(n, 2^-H). REQUIRES: alpha_log2
// >= 2.
uint32_t BinomialQuantile(uint32_t n, double min_entropy, int alpha_log2);

// Adaptive proportion test (SP 800-90B 4.4.2): a window fails when its first sample occurs C times
// in it, the first occurrence included: C = 2 + BinomialQuantile(W - 1, H, alpha). (The printed
// formula, 1 + critbinom(W, 2^-H, 1 - alpha), counts the first sample among the random ones.)
// Errors: OUT_OF_RANGE when C would exceed the window: such a test could never fail.
absl::StatusOr<uint32_t> AptCutoff(double min_entropy, uint32_t window, int alpha_log2);

}  // namespace entropyd
