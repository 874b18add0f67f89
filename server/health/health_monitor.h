// Continuous health tests of SP 800-90B on raw samples, before conditioning:
// * repetition count (RCT) and adaptive proportion (APT), for bytes and for the source's native
//   words;
// * that two neighbouring native words differ, whatever the claim;
// * a replay detector.
//
//   HealthMonitor test = HealthMonitor::Create({.min_entropy = 4, .word_bytes = 8}, arena).value();
//   if (auto alarm = test.Feed(bytes)) …
//
// There are two tiers. An intermittent alarm (probability 2^-30 per sample on a source that is as
// good as claimed) quarantines: the block is dropped and start-up begins again. A permanent alarm
// (2^-60, or the third block with an intermittent alarm within 10^6 native samples) latches. An
// intermittent alarm does not reset the tests, so a source that stays bad soon raises a permanent
// alarm.
//
// The monitor examines samples in blocks of block_bytes(). At the end of a block the windows of all
// widths close. Hold a block's bytes until it has closed without an alarm. Hold its last
// tail_bytes() until the next block has closed as well, because a run may have begun in them.
//
// Errors: Create() refuses claims whose tests could not work. A failed test is an Alarm, not an
// error. It does no I/O and reads no clock.
//
// Thread safety: one thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "base/crypto/secret_bytes.h"
#include "server/health/health_cutoff.h"
#include "server/health/replay_detector.h"

namespace entropyd {

class HealthMonitor {
 public:
  struct Options {
    // Bits per byte that the cutoffs assume, 0 < H <= 8.
    double min_entropy = 0;
    // Native sample: 1, 4 or 8.
    int word_bytes = 1;
    bool operator==(const Options&) const = default;
  };

  enum class Test { kRct, kApt, kContinuous, kReplay, kPrediction };

  struct Alarm {
    Test test = Test::kRct;
    bool permanent = false;
    // The width of the samples that raised it.
    int width_bytes = 1;
    // Run length (RCT, continuous, replay) or count in the window.
    uint32_t value = 0;
    uint32_t cutoff = 0;
    // Replay: the distance in bytes. Prediction: the lag that predicts.
    uint32_t lag = 0;
    // True when it is permanent because intermittent alarms came too often.
    bool recurrent = false;
    // For example "rct at 32-bit words: 3 in a row, cutoff 3".
    std::string ToString() const;
  };

  // False alarm probabilities per sample, SP 800-90B 4.3 (2^-20 .. 2^-40) and the latching tier.
  static constexpr int kIntermittentAlphaLog2 = 30;
  static constexpr int kPermanentAlphaLog2 = 60;
  // This many blocks with an intermittent alarm within this many native samples latch the source.
  static constexpr int kRecurrentAlarms = 3;
  static constexpr uint64_t kRecurrentSamples = 1'000'000;
  // Start-up: at least max(1024, 2 W) consecutive samples (SP 800-90B 4.3, 10.).
  static constexpr uint32_t kStartupSamples = 2 * kAptWindow;

  // The window of the replay detector lives in `arena`. Without an arena there is no replay
  // detector.
  // Errors: INVALID_ARGUMENT for H outside (0, 8] or another word size; OUT_OF_RANGE when a cutoff
  // cannot be reached; RESOURCE_EXHAUSTED when the arena is full.
  static absl::StatusOr<HealthMonitor> Create(const Options& options, SecretArena* arena = nullptr);

  // Examines the next raw bytes. It raises at most one intermittent alarm per block, because all
  // bytes of a block are dropped together. It raises a permanent alarm whenever one occurs, and
  // examines nothing after it.
  absl::optional<Alarm> Feed(absl::Span<const uint8_t> bytes);

  // Forgets runs and open windows, for a device that was opened again. It remembers the alarms of
  // the past million samples.
  void RestartStream();

  // Remembers the alarms of the monitor in whose place it comes, when both make the same claims.
  // REQUIRES: before the first Feed().
  void RememberAlarmsOf(const HealthMonitor& before);

  // Forgets the alarms too: an operator's reset.
  void Forget();

  size_t block_bytes() const { return kAptWindow * options_.word_bytes; }
  // One byte less than the longest run that is not an alarm yet.
  size_t tail_bytes() const { return tail_bytes_; }
  size_t startup_bytes() const { return kStartupSamples * options_.word_bytes; }
  uint64_t samples() const { return native_samples_; }

  // The expected number of permanent alarms per year of a source that is exactly as good as
  // claimed. It is read at this rate without a break, and its words repeat no more often than ideal
  // ones. The number includes those of the replay detector, whether there is one or not.
  double PermanentFalseAlarmsPerYear(double bytes_per_second) const;

 private:
  // RCT and APT over samples of one width.
  struct Width {
    int bytes = 1;
    // Bits per sample.
    double min_entropy = 0;
    uint32_t rct_intermittent = 0, rct_permanent = 0;
    uint32_t apt_intermittent = 0, apt_permanent = 0;
    // rct_intermittent is 2, whatever the claim.
    bool continuous = false;
    // The run and the window that are open now.
    uint64_t last = 0;
    uint32_t run = 0;
    uint64_t first = 0;
    uint32_t count = 0;
    // The samples of the window so far.
    uint32_t position = 0;
  };

  // What the tests found in one sample, in the order of the tests: two widths, two tests each, two
  // tiers each.
  struct Candidates {
    std::array<Alarm, 8> alarms;
    size_t count = 0;
    void Add(const Alarm& alarm) { alarms[count++] = alarm; }
    absl::Span<const Alarm> span() const { return {alarms.data(), count}; }
  };

  static double IntermittentRate(const Width& width);
  explicit HealthMonitor(const Options& options) : options_(options) {}
  static absl::StatusOr<Width> MakeWidth(double min_entropy, int bytes);

  // The tests. They keep runs and windows and report what they find. They decide nothing.
  static void FeedSample(Width* width, uint64_t sample, Candidates* found);
  static Alarm Suspect(const Width& width, Test test, uint32_t value, bool permanent);
  static Alarm Suspect(const ReplayDetector::Verdict& verdict);

  // Makes one alarm or none of what the tests found. It ranks the findings, counts the recent
  // alarms, and decides whether the alarm quarantines or latches.
  absl::optional<Alarm> Decide(absl::Span<const Alarm> candidates);

  // Stops at the first permanent alarm; otherwise returns the worst alarm. REQUIRES: within one
  // block.
  absl::optional<Alarm> FeedOneByOne(absl::Span<const uint8_t> bytes);
  // Takes a whole window of bytes at once when nothing in it can raise an alarm. Otherwise it
  // returns false and changes nothing. REQUIRES: no window of bytes and no native word is open.
  bool FeedQuietly(const uint8_t* bytes);
  template <typename Sample>
  bool FeedWordsQuietly(const uint8_t* bytes);
  void CloseBlock();

  Options options_;
  Width byte_;
  // Unused when word_bytes is 1.
  Width word_;
  absl::optional<ReplayDetector> replay_detector_;
  size_t tail_bytes_ = 0;
  // The bytes of a native word that is not complete yet.
  uint64_t partial_ = 0;
  int partial_bytes_ = 0;
  size_t block_position_ = 0;
  // True when this block has raised an alarm.
  bool alarmed_ = false;
  uint64_t native_samples_ = 0;
  // The native sample numbers of the recent alarms, 0 = none.
  std::array<uint64_t, kRecurrentAlarms - 1> recent_alarms_{};
};

}  // namespace entropyd
