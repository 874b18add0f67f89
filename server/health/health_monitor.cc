#include "server/health/health_monitor.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace entropyd {
namespace {

// From this width on two equal neighbouring samples raise an alarm, whatever the claim. By chance
// it happens once in 2^32 or 2^64 samples.
constexpr int kContinuousBytes = 4;

constexpr double kSecondsPerYear = 365.25 * 86400;

// The fast path looks at one window of bytes at a time.
constexpr size_t kPiece = kAptWindow;

// The samples of a piece, after the two samples before it. The compiler knows the length of the
// loops over it, a multiple of its vectors. That makes them fast.
template <typename Sample>
struct Piece {
  static constexpr size_t kSamples = kPiece / sizeof(Sample);
  Sample samples[2 + kSamples];

  // `run` samples equal to `last` came before, 0 = none.
  Piece(const uint8_t* bytes, Sample last, uint32_t run) {
    std::memcpy(samples + 2, bytes, kPiece);
    samples[1] = run > 0 ? last : static_cast<Sample>(~samples[2]);
    samples[0] = run > 1 ? last : static_cast<Sample>(~samples[1]);
  }
  bool HasTwoAlike() const {
    Sample found = 0;
    for (size_t i = 2; i < 2 + kSamples; ++i) found |= samples[i] == samples[i - 1];
    return found != 0;
  }
  bool HasThreeAlike() const {
    Sample found = 0;
    for (size_t i = 2; i < 2 + kSamples; ++i) {
      found |= (samples[i] == samples[i - 1]) & (samples[i - 1] == samples[i - 2]);
    }
    return found != 0;
  }
  uint32_t Count(Sample value) const {
    uint32_t count = 0;
    for (size_t i = 2; i < 2 + kSamples; ++i) count += samples[i] == value;
    return count;
  }
  Sample first() const { return samples[2]; }
  Sample last() const { return samples[1 + kSamples]; }
  uint32_t last_run() const { return samples[1 + kSamples] == samples[kSamples] ? 2 : 1; }

  // True when no run in the piece, and no run that goes on into it, reaches `cutoff`. It is exact
  // up to 3; above that it may say false too often.
  bool RunsStayBelow(uint32_t cutoff) const {
    return cutoff <= 2 ? !HasTwoAlike() : !HasThreeAlike();
  }
};

}  // namespace

std::string HealthMonitor::Alarm::ToString() const {
  const std::string samples =
      width_bytes == 1 ? "bytes" : absl::StrCat(width_bytes * 8, "-bit words");
  std::string text;
  switch (test) {
    case Test::kRct:
      text = absl::StrCat("rct at ", samples, ": ", value, " in a row, cutoff ", cutoff);
      break;
    case Test::kApt:
      text = absl::StrCat("apt at ", samples, ": ", value, " of a window of ", kAptWindow,
                          " alike, cutoff ", cutoff);
      break;
    case Test::kContinuous:
      text = absl::StrCat("rct at ", samples, ": two neighbours alike");
      break;
    case Test::kReplay:
      text = absl::StrCat("replay: ", value, " ", samples, " in a row as ", lag,
                          " bytes before, cutoff ", cutoff);
      break;
    case Test::kPrediction:
      text =
          absl::StrCat("replay: ", value, " ", samples, " of a window of ", ReplayDetector::kWindow,
                       " predicted, lately from ", lag, " bytes before, cutoff ", cutoff);
      break;
  }
  if (recurrent) {
    absl::StrAppend(&text, "; alarm ", kRecurrentAlarms, " within ", kRecurrentSamples, " samples");
  }
  return text;
}

absl::StatusOr<HealthMonitor::Width> HealthMonitor::MakeWidth(double min_entropy, int bytes) {
  Width width;
  width.bytes = bytes;
  const double per_sample = width.min_entropy = min_entropy * bytes;
  width.rct_intermittent = RctCutoff(per_sample, kIntermittentAlphaLog2);
  width.rct_permanent = RctCutoff(per_sample, kPermanentAlphaLog2);
  if (bytes >= kContinuousBytes) {
    width.continuous = width.rct_intermittent > 2;
    width.rct_intermittent = 2;
    // The tier of 2^-60 never latches on the one repeat that raises an alarm of the continuous
    // test.
    if (width.rct_permanent < 3) width.rct_permanent = 3;
  }
  absl::StatusOr<uint32_t> cutoff = AptCutoff(per_sample, kAptWindow, kIntermittentAlphaLog2);
  if (!cutoff.ok()) return cutoff.status();
  width.apt_intermittent = *cutoff;
  cutoff = AptCutoff(per_sample, kAptWindow, kPermanentAlphaLog2);
  if (!cutoff.ok()) return cutoff.status();
  width.apt_permanent = *cutoff;
  return width;
}

absl::StatusOr<HealthMonitor> HealthMonitor::Create(const Options& options, SecretArena* arena) {
  if (!(options.min_entropy > 0 && options.min_entropy <= 8)) {
    return absl::InvalidArgumentError(absl::StrCat("health_min_entropy_bits_per_byte is ",
                                                   options.min_entropy,
                                                   "; it must be above 0 and at most 8"));
  }
  if (options.word_bytes != 1 && options.word_bytes != 4 && options.word_bytes != 8) {
    return absl::InvalidArgumentError(
        absl::StrCat("a native word of ", options.word_bytes, " bytes; it must be 1, 4 or 8"));
  }
  HealthMonitor test(options);
  absl::StatusOr<Width> width = MakeWidth(options.min_entropy, 1);
  if (!width.ok()) return width.status();
  test.byte_ = *width;
  width = MakeWidth(options.min_entropy, options.word_bytes);
  if (!width.ok()) return width.status();
  test.word_ = *width;
  if (arena != nullptr) {
    absl::StatusOr<ReplayDetector> detector = ReplayDetector::Create(options.min_entropy, arena);
    if (!detector.ok()) return detector.status();
    test.replay_detector_ = *std::move(detector);
  }
  const size_t word_run = test.word_.rct_intermittent * static_cast<size_t>(test.word_.bytes);
  test.tail_bytes_ = std::max<size_t>(test.byte_.rct_intermittent, word_run);
  if (arena != nullptr) {
    test.tail_bytes_ =
        std::max<size_t>(test.tail_bytes_, test.replay_detector_->cutoffs().replay_intermittent);
  }
  --test.tail_bytes_;
  return test;
}

HealthMonitor::Alarm HealthMonitor::Suspect(const Width& width, Test test, uint32_t value,
                                            bool permanent) {
  Alarm alarm;
  alarm.test = test;
  alarm.permanent = permanent;
  alarm.width_bytes = width.bytes;
  alarm.value = value;
  if (test == Test::kApt) {
    alarm.cutoff = permanent ? width.apt_permanent : width.apt_intermittent;
  } else {
    alarm.cutoff = permanent ? width.rct_permanent : width.rct_intermittent;
  }
  return alarm;
}

HealthMonitor::Alarm HealthMonitor::Suspect(const ReplayDetector::Verdict& verdict) {
  Alarm alarm;
  alarm.test = verdict.kind == ReplayDetector::Kind::kReplay ? Test::kReplay : Test::kPrediction;
  alarm.permanent = verdict.permanent;
  alarm.value = verdict.value;
  alarm.cutoff = verdict.cutoff;
  alarm.lag = verdict.lag;
  return alarm;
}

// A permanent alarm is worse than an intermittent one. Among equals the first is reported. A block
// counts once, whatever the tests find in it.
absl::optional<HealthMonitor::Alarm> HealthMonitor::Decide(absl::Span<const Alarm> candidates) {
  absl::optional<Alarm> worst;
  for (const Alarm& candidate : candidates) {
    if (!worst.has_value() || candidate.permanent > worst->permanent) worst = candidate;
  }
  if (!worst.has_value() || worst->permanent) return worst;
  if (alarmed_) return absl::nullopt;
  alarmed_ = true;
  const uint64_t now = native_samples_ + 1;  // 0 means that there was none
  const uint64_t oldest = recent_alarms_.front();
  if (oldest != 0 && now - oldest <= kRecurrentSamples) worst->permanent = worst->recurrent = true;
  recent_alarms_.front() = recent_alarms_.back();
  recent_alarms_.back() = now;
  return worst;
}

inline void HealthMonitor::FeedSample(Width* width, uint64_t sample, Candidates* found) {
  width->run = width->run > 0 && sample == width->last ? width->run + 1 : 1;
  width->last = sample;
  if (width->run >= width->rct_intermittent) {
    if (width->run == width->rct_intermittent) {
      const Test test = width->continuous ? Test::kContinuous : Test::kRct;
      found->Add(Suspect(*width, test, width->run, false));
    }
    if (width->run == width->rct_permanent) {
      found->Add(Suspect(*width, Test::kRct, width->run, true));
    }
  }
  if (width->position == 0) {
    width->first = sample;
    width->count = 0;
  }
  if (sample == width->first) {
    ++width->count;
    if (width->count == width->apt_intermittent) {
      found->Add(Suspect(*width, Test::kApt, width->count, false));
    }
    if (width->count == width->apt_permanent) {
      found->Add(Suspect(*width, Test::kApt, width->count, true));
    }
  }
  if (++width->position == kAptWindow) width->position = 0;
}

absl::optional<HealthMonitor::Alarm> HealthMonitor::Feed(absl::Span<const uint8_t> bytes) {
  absl::optional<Alarm> worst;
  // Returns whether the examination goes on.
  const auto keep = [&worst](const absl::optional<Alarm>& alarm) {
    if (!alarm.has_value()) return true;
    if (!worst.has_value() || alarm->permanent) worst = alarm;
    return !alarm->permanent;
  };
  bool go_on = true;
  while (go_on && !bytes.empty()) {
    // A piece ends where a window of bytes ends, so it lies within one block.
    const size_t piece = std::min<size_t>(kPiece - byte_.position, bytes.size());
    absl::optional<ReplayDetector::Verdict> verdict;
    if (replay_detector_.has_value()) verdict = replay_detector_->Feed(bytes.first(piece));
    if (piece < kPiece || partial_bytes_ > 0 || !FeedQuietly(bytes.data())) {
      go_on = keep(FeedOneByOne(bytes.first(piece)));
    }
    // This test comes after the others, so that a fault that several tests notice gets its plainest
    // name.
    if (go_on && verdict.has_value()) go_on = keep(Decide({Suspect(*verdict)}));
    if (block_position_ == block_bytes()) CloseBlock();
    bytes.remove_prefix(piece);
  }
  return worst;
}

void HealthMonitor::CloseBlock() {
  block_position_ = 0;
  alarmed_ = false;
}

bool HealthMonitor::FeedQuietly(const uint8_t* bytes) {
  const Piece<uint8_t> piece(bytes, static_cast<uint8_t>(byte_.last), byte_.run);
  if (!piece.RunsStayBelow(byte_.rct_intermittent) ||
      piece.Count(piece.first()) >= byte_.apt_intermittent) {
    return false;
  }
  if (options_.word_bytes == 4 && !FeedWordsQuietly<uint32_t>(bytes)) return false;
  if (options_.word_bytes == 8 && !FeedWordsQuietly<uint64_t>(bytes)) return false;
  byte_.first = piece.first();
  byte_.last = piece.last();
  byte_.run = piece.last_run();
  native_samples_ += kPiece / static_cast<size_t>(options_.word_bytes);
  block_position_ += kPiece;
  return true;
}

template <typename Sample>
bool HealthMonitor::FeedWordsQuietly(const uint8_t* bytes) {
  // The lowest byte of a word comes first, as in FeedOneByOne().
  static_assert(std::endian::native == std::endian::little);
  const Piece<Sample> piece(bytes, static_cast<Sample>(word_.last), word_.run);
  const Sample first = word_.position == 0 ? piece.first() : static_cast<Sample>(word_.first);
  const uint32_t count = (word_.position == 0 ? 0 : word_.count) + piece.Count(first);
  if (!piece.RunsStayBelow(word_.rct_intermittent) || count >= word_.apt_intermittent) return false;
  word_.first = first;
  word_.count = count;
  word_.last = piece.last();
  word_.run = piece.last_run();
  word_.position = (word_.position + Piece<Sample>::kSamples) % kAptWindow;
  return true;
}

absl::optional<HealthMonitor::Alarm> HealthMonitor::FeedOneByOne(absl::Span<const uint8_t> bytes) {
  const int word_bytes = options_.word_bytes;
  absl::optional<Alarm> worst;
  Candidates found;
  for (const uint8_t byte : bytes) {
    FeedSample(&byte_, byte, &found);
    if (word_bytes == 1) {
      ++native_samples_;
    } else {
      partial_ |= uint64_t{byte} << (8 * partial_bytes_);
      if (++partial_bytes_ == word_bytes) {
        FeedSample(&word_, partial_, &found);
        ++native_samples_;
        partial_ = 0;
        partial_bytes_ = 0;
      }
    }
    ++block_position_;
    if (found.count == 0) continue;
    const absl::optional<Alarm> alarm = Decide(found.span());
    found.count = 0;
    if (!alarm.has_value()) continue;
    if (!worst.has_value() || alarm->permanent) worst = alarm;
    if (alarm->permanent) break;
  }
  return worst;
}

void HealthMonitor::RestartStream() {
  for (Width* width : {&byte_, &word_}) {
    width->last = width->first = 0;
    width->run = width->count = width->position = 0;
  }
  partial_ = 0;
  partial_bytes_ = 0;
  CloseBlock();
  if (replay_detector_.has_value()) replay_detector_->RestartStream();
}

void HealthMonitor::RememberAlarmsOf(const HealthMonitor& before) {
  if (options_ != before.options_) return;
  native_samples_ = before.native_samples_;
  recent_alarms_ = before.recent_alarms_;
}

void HealthMonitor::Forget() {
  RestartStream();
  if (replay_detector_.has_value()) replay_detector_->Forget();
  recent_alarms_ = {};
}

// Intermittent false alarms per sample of that width.
double HealthMonitor::IntermittentRate(const Width& width) {
  const double rct = width.continuous
                         ? std::exp2(-8.0 * width.bytes)
                         : std::exp2(-width.min_entropy * (width.rct_intermittent - 1));
  return rct + std::exp2(-kIntermittentAlphaLog2) / kAptWindow;
}

double HealthMonitor::PermanentFalseAlarmsPerYear(double bytes_per_second) const {
  const double words = bytes_per_second * kSecondsPerYear / options_.word_bytes;
  double per_word = options_.word_bytes * IntermittentRate(byte_);
  double samples_per_word = options_.word_bytes;
  if (options_.word_bytes > 1) {
    per_word += IntermittentRate(word_);
    samples_per_word += 1;
  }
  double direct =
      words * samples_per_word * (1 + 1.0 / kAptWindow) * std::exp2(-kPermanentAlphaLog2);
  // The two tests of the replay detector, with their chances per window.
  const double windows_per_word =
      static_cast<double>(options_.word_bytes) / ReplayDetector::kWindow;
  per_word += 2 * windows_per_word * std::exp2(-ReplayDetector::kIntermittentAlphaLog2);
  direct += 2 * windows_per_word * words * std::exp2(-ReplayDetector::kPermanentAlphaLog2);
  // A first alarm, and two more of a Poisson process within kRecurrentSamples after it.
  const double lambda = per_word * kRecurrentSamples;
  const double recurrent = words * per_word * lambda * lambda / 2;
  return direct + recurrent;
}

}  // namespace entropyd
