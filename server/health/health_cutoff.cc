#include "server/health/health_cutoff.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"

namespace entropyd {
namespace {

constexpr long double kLogOf2 = 0.693147180559945309417232121458176568L;

// Below this share of the sum so far, further terms cannot change a comparison of long doubles.
constexpr long double kNegligible = 1e-21L;

// ln P(X > k), X ~ Binomial(n, 2^-H), k < n.
long double LogUpperTail(uint32_t n, uint32_t k, double min_entropy) {
  const long double log_p = -static_cast<long double>(min_entropy) * kLogOf2;
  const long double log_q = std::log(-std::expm1(log_p));
  const auto log_term = [&](uint32_t j) {
    return std::lgamma(n + 1.0L) - std::lgamma(j + 1.0L) - std::lgamma(n - j + 1.0L) + j * log_p +
           (n - j) * log_q;
  };
  // The sum starts at the largest term of the tail and goes outwards; all terms are relative to the
  // first.
  const long double reference = log_term(k + 1);
  long double sum = 0;
  for (uint32_t j = k + 1; j <= n; ++j) {
    const long double term = std::exp(log_term(j) - reference);
    sum += term;
    if (term < sum * kNegligible && j > n * std::exp(log_p)) break;
  }
  return reference + std::log(sum);
}

}  // namespace

uint32_t RctCutoff(double min_entropy, int alpha_log2) {
  return 1 + static_cast<uint32_t>(std::ceil(alpha_log2 / min_entropy));
}

uint32_t BinomialQuantile(uint32_t n, double min_entropy, int alpha_log2) {
  const long double log_alpha = -alpha_log2 * kLogOf2;
  // P(X > k) falls with k, and P(X > n) = 0. Below the mean it is about a half or more, and the sum
  // there would be long.
  uint32_t low = static_cast<uint32_t>(std::max(0.0, n * std::exp2(-min_entropy) - 1)), high = n;
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    if (LogUpperTail(n, middle, min_entropy) <= log_alpha) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

absl::StatusOr<uint32_t> AptCutoff(double min_entropy, uint32_t window, int alpha_log2) {
  const uint32_t cutoff = 2 + BinomialQuantile(window - 1, min_entropy, alpha_log2);
  if (cutoff > window) {
    return absl::OutOfRangeError(
        absl::StrCat("at ", min_entropy,
                     " bits per sample the adaptive proportion test could never "
                     "fail (cutoff ",
                     cutoff, " of ", window, " samples); claim more, or drop the source"));
  }
  return cutoff;
}

}  // namespace entropyd
