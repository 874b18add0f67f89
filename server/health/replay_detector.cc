#include "server/health/replay_detector.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/health/health_cutoff.h"

namespace entropyd {
namespace {

// An odd multiplier with well mixed bits (2^64 / golden ratio); its powers weigh the hashed bytes.
constexpr uint64_t kFactor = 0x9e3779b97f4a7c15;

constexpr uint64_t kLowBits = 0x0101010101010101;
constexpr uint64_t kHighBits = 0x8080808080808080;

uint32_t ReplayCutoff(double min_entropy, int alpha_log2) {
  return static_cast<uint32_t>(
      std::ceil((alpha_log2 + 2 * ReplayDetector::kWindowLog2) / min_entropy));
}

}  // namespace

ReplayDetector::Cutoffs ReplayDetector::CutoffsFor(double min_entropy) {
  Cutoffs cutoffs;
  cutoffs.replay_intermittent = ReplayCutoff(min_entropy, kIntermittentAlphaLog2);
  cutoffs.replay_permanent = ReplayCutoff(min_entropy, kPermanentAlphaLog2);
  cutoffs.prediction_intermittent =
      1 + BinomialQuantile(kWindow, min_entropy, kIntermittentAlphaLog2);
  cutoffs.prediction_permanent = 1 + BinomialQuantile(kWindow, min_entropy, kPermanentAlphaLog2);
  return cutoffs;
}

absl::StatusOr<ReplayDetector> ReplayDetector::Create(double min_entropy, SecretArena* arena) {
  const Cutoffs cutoffs = CutoffsFor(min_entropy);
  if (cutoffs.replay_permanent > kMaxRun) {
    return absl::OutOfRangeError(absl::StrCat(
        "a replay would be told after ", cutoffs.replay_permanent, " bytes only, at most ", kMaxRun,
        " are looked at; raise the claim above ", min_entropy, " bits per byte"));
  }
  absl::StatusOr<SecretBytes> memory = arena->Allocate(kMemoryBytes);
  if (!memory.ok()) return memory.status();
  return ReplayDetector(cutoffs, *std::move(memory));
}

ReplayDetector::ReplayDetector(const Cutoffs& cutoffs, SecretBytes memory)
    : cutoffs_(cutoffs), memory_(std::move(memory)) {
  constexpr uint32_t kHeads = 1u << kHeadsLog2;
  static_assert(kMemoryBytes == 2 * kFiledWords * sizeof(uint64_t) + kRingMask + 1 +
                                    sizeof(uint32_t) * (kHeads + kPlaces));
  static_assert(kWindow + kMaxRun <= kRingMask);
  filed_ = reinterpret_cast<uint64_t*>(memory_.data());
  heads_ = reinterpret_cast<uint32_t*>(filed_ + 2 * kFiledWords);
  older_ = heads_ + kHeads;
  ring_ = reinterpret_cast<uint8_t*>(older_ + kPlaces);
  gram_.bytes = cutoffs.replay_intermittent - (kStride - 1);
  gram_.factor = 1;
  for (uint32_t i = 0; i <= gram_.bytes; ++i) gram_.factor *= kFactor;
  Forget();
}

void ReplayDetector::Forget() {
  Wipe(memory_.span());
  // A zero in the file counts as older than any window.
  position_ = 4 * kWindow;
  history_ = 0;
  RestartStream();
}

void ReplayDetector::RestartStream() {
  stream_ = 0;
  hash_ = 0;
  run_ = {};
  scores_.fill(0);
  best_ = 0;
  recent_ = 0;
  seen_ = correct_ = 0;
}

void ReplayDetector::Tell(const Verdict& verdict, absl::optional<Verdict>* worst) {
  if (!worst->has_value() || verdict.permanent || !(*worst)->permanent) *worst = verdict;
}

absl::optional<ReplayDetector::Verdict> ReplayDetector::Feed(absl::Span<const uint8_t> bytes) {
  absl::optional<Verdict> worst;
  for (const uint8_t byte : bytes) {
    Predict(byte, &worst);
    hash_ = (hash_ + byte + 1) * kFactor;
    if (stream_ >= gram_.bytes) hash_ -= (uint64_t{At(position_ - gram_.bytes)} + 1) * gram_.factor;
    At(position_) = byte;
    ++position_;
    stream_ += stream_ < kMaxRun;
    history_ += history_ < kWindow + kMaxRun;
    FollowReplay(&worst);
    if (position_ % kStride == 0) File();
  }
  return worst;
}

inline bool ReplayDetector::MayBeFiled() const {
  const uint64_t bit = hash_ >> (64 - kFiledLog2);
  const uint64_t word = filed_[bit / 64 * 2] | filed_[bit / 64 * 2 + 1];
  return (word >> (bit % 64) & 1) != 0;
}

inline void ReplayDetector::File() {
  uint64_t* const filed = filed_ + position_ / kWindow % 2;
  if (position_ % kWindow == 0) {
    for (size_t i = 0; i < kFiledWords; ++i) filed[2 * i] = 0;
  }
  if (stream_ < gram_.bytes) return;
  const uint64_t bit = hash_ >> (64 - kFiledLog2);
  filed[bit / 64 * 2] |= uint64_t{1} << (bit % 64);
  uint32_t& head = heads_[hash_ >> (64 - kHeadsLog2)];
  older_[position_ / kStride % kPlaces] = head;
  head = position_;
}

inline void ReplayDetector::FollowReplay(absl::optional<Verdict>* worst) {
  if (run_.lag != 0 && At(position_ - 1) == At(position_ - 1 - run_.lag)) {
    ++run_.bytes;
  } else {
    run_ = {};
    if (stream_ >= gram_.bytes && MayBeFiled()) LookForReplay();
  }
  for (const bool permanent : {false, true}) {
    const uint32_t cutoff = permanent ? cutoffs_.replay_permanent : cutoffs_.replay_intermittent;
    if (run_.bytes < cutoff || run_.told >= cutoff) continue;
    run_.told = cutoff;
    Tell({Kind::kReplay, permanent, run_.lag, run_.bytes, cutoff}, worst);
  }
}

inline void ReplayDetector::LookForReplay() {
  uint32_t place = heads_[hash_ >> (64 - kHeadsLog2)];
  uint32_t last_lag = 0;
  for (int i = 0; i < kMaxCandidates; ++i) {
    const uint32_t lag = position_ - place;
    // A place whose slot was used again leads to younger places.
    if (lag > kWindow || lag <= last_lag) return;
    const uint32_t run = RunBehind(lag);
    if (run >= gram_.bytes) {
      run_.lag = lag;
      run_.bytes = run;
      return;
    }
    last_lag = lag;
    place = older_[place / kStride % kPlaces];
  }
}

uint32_t ReplayDetector::RunBehind(uint32_t lag) {
  const uint32_t longest = std::min({stream_, cutoffs_.replay_permanent, history_ - lag});
  uint32_t run = 0;
  while (run < longest && At(position_ - 1 - run) == At(position_ - 1 - run - lag)) ++run;
  return run;
}

inline void ReplayDetector::Predict(uint8_t byte, absl::optional<Verdict>* worst) {
  // Which of the last eight bytes equal this one. Mostly there is none.
  const uint64_t difference = recent_ ^ (kLowBits * byte);
  if (((difference - kLowBits) & ~difference & kHighBits) != 0) {
    if (best_ < stream_ && (difference >> (8 * best_) & 0xff) == 0) {
      ++correct_;
      if (correct_ == cutoffs_.prediction_intermittent) {
        Tell({Kind::kPrediction, false, best_ + 1, correct_, correct_}, worst);
      }
      if (correct_ == cutoffs_.prediction_permanent) {
        Tell({Kind::kPrediction, true, best_ + 1, correct_, correct_}, worst);
      }
    }
    for (uint32_t i = 0; i < std::min(kLags, stream_); ++i) {
      if ((difference >> (8 * i) & 0xff) == 0 && ++scores_[i] >= scores_[best_]) best_ = i;
    }
  }
  recent_ = recent_ << 8 | byte;
  if (++seen_ == kWindow) {
    seen_ = correct_ = best_ = 0;
    scores_.fill(0);
  }
}

}  // namespace entropyd
