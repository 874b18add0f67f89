// Replay detector: detects whether a source repeats earlier bytes.
//
//   ReplayDetector detector = ReplayDetector::Create(4, arena).value();
//   if (auto verdict = detector.Feed(bytes)) …
//
// It runs two tests over bytes, with a window of W = 2^17 bytes:
//   replay      The last C bytes equal those of some d <= W bytes earlier: a device plays a record
//               again, whatever the record's length. C = ceil((alpha_log2 + 2 log2 W) / H). With H
//               bits of min-entropy in every byte, given those before it, one lag is right C times
//               in a row with probability 2^-HC, and a window has W places at which any of W lags
//               may begin.
//   prediction  The better of the lags 1 .. 8 so far (SP 800-90B 6.3.8, with D = 8) is right too
//               often in a window: more often than the upper quantile of Binomial(W, 2^-H), since
//               no prediction of a byte is right with more than 2^-H.
// Each has the two tiers of the other health tests: 2^-22 per window is an intermittent alarm,
// 2^-60 a permanent one.
//
// How a replay is found: every fourth place of the window is filed under a hash of the C - 3 bytes
// that end there, and every new byte looks its own hash up. So a replay is found at its C-th byte
// at the latest. One bit for each filed hash, in one set for the open window and one for the last
// window, answers nearly every look-up. A new opening of the device does not erase what came
// before: a replay across it is a replay.
//
// Errors: RESOURCE_EXHAUSTED and OUT_OF_RANGE at Create(); none later. It does no I/O and reads no
// clock.
//
// Thread safety: one thread.
#pragma once

#include <array>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "base/crypto/secret_bytes.h"

namespace entropyd {

class ReplayDetector {
 public:
  static constexpr int kWindowLog2 = 17;
  static constexpr uint32_t kWindow = uint32_t{1} << kWindowLog2;
  static constexpr int kIntermittentAlphaLog2 = 22;
  static constexpr int kPermanentAlphaLog2 = 60;
  static constexpr uint32_t kLags = 8;

  enum class Kind { kReplay, kPrediction };

  struct Verdict {
    Kind kind = Kind::kReplay;
    bool permanent = false;
    // Replay: the distance in bytes.
    uint32_t lag = 0;
    // Bytes in a row, or right predictions.
    uint32_t value = 0;
    uint32_t cutoff = 0;
  };

  struct Cutoffs {
    // Bytes in a row.
    uint32_t replay_intermittent = 0, replay_permanent = 0;
    // Right predictions in a window.
    uint32_t prediction_intermittent = 0, prediction_permanent = 0;
  };
  // REQUIRES: 0 < min_entropy <= 8, bits per byte.
  static Cutoffs CutoffsFor(double min_entropy);

  // It takes kMemoryBytes of `arena`, because the window consists of samples. Errors:
  // RESOURCE_EXHAUSTED; OUT_OF_RANGE when the replay cutoff exceeds kMaxRun (H below about 0.06).
  static absl::StatusOr<ReplayDetector> Create(double min_entropy, SecretArena* arena);

  // Examines the next bytes and returns the last finding within `bytes`; a permanent verdict comes
  // before all others. It reports each kind once per run or window and tier.
  absl::optional<Verdict> Feed(absl::Span<const uint8_t> bytes);

  // Says that the next byte does not follow the last one: runs and the open window of predictions
  // end.
  void RestartStream();
  // Forgets everything.
  void Forget();

  const Cutoffs& cutoffs() const { return cutoffs_; }

  // The longest run that the detector can report, and how far back it can look for it.
  static constexpr uint32_t kMaxRun = 2048;
  static constexpr size_t kMemoryBytes = size_t{768} << 10;

 private:
  // One place in this many is filed.
  static constexpr uint32_t kStride = 4;
  static constexpr uint32_t kRingMask =
      2 * kWindow - 1;  // the window, and the longest run before it
  static constexpr uint32_t kPlaces = kWindow / kStride;
  static constexpr int kHeadsLog2 = 16;
  // The detector looks at this many places with one hash, from the newest on. By chance there is
  // not even one.
  static constexpr int kMaxCandidates = 16;
  // The bits for 2^15 places in a window: by chance one question in ten gets a false yes.
  static constexpr int kFiledLog2 = 19;
  static constexpr size_t kFiledWords = (size_t{1} << kFiledLog2) / 64;

  struct Gram {
    // How many bytes are hashed.
    uint32_t bytes = 0;
    // The weight of the byte that leaves the hash.
    uint64_t factor = 0;
  };
  // The replay that it follows.
  struct Run {
    // 0 = none.
    uint32_t lag = 0;
    // The number of bytes for which this lag holds.
    uint32_t bytes = 0;
    // The highest cutoff that the run has reached.
    uint32_t told = 0;
  };

  ReplayDetector(const Cutoffs& cutoffs, SecretBytes memory);
  uint8_t& At(uint32_t position) { return ring_[position & kRingMask]; }
  uint32_t RunBehind(uint32_t lag);
  bool MayBeFiled() const;
  void File();
  void LookForReplay();
  void FollowReplay(absl::optional<Verdict>* worst);
  void Predict(uint8_t byte, absl::optional<Verdict>* worst);
  static void Tell(const Verdict& verdict, absl::optional<Verdict>* worst);

  Cutoffs cutoffs_;
  Gram gram_;

  SecretBytes memory_;
  // The bytes of the window, by position.
  uint8_t* ring_;
  // For each hash the newest place filed under it.
  uint32_t* heads_;
  // For each place the one filed before it under the same hash.
  uint32_t* older_;
  // One bit per hash. Words of this window and of the last window alternate.
  uint64_t* filed_;

  // The position of the next byte. It counts modulo 2^32, and no look-back is longer.
  uint32_t position_;
  // Bytes since the stream began, up to kMaxRun.
  uint32_t stream_ = 0;
  // The bytes that the detector can look back on.
  uint32_t history_ = 0;
  uint64_t hash_ = 0;

  Run run_;

  std::array<uint32_t, kLags> scores_{};
  // The index of the lag that predicts.
  uint32_t best_ = 0;
  // The last eight bytes, with the newest in the lowest bits.
  uint64_t recent_ = 0;
  // The bytes of the window so far.
  uint32_t seen_ = 0;
  // The right predictions in it.
  uint32_t correct_ = 0;
};

}  // namespace entropyd
