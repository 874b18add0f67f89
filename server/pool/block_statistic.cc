#include "server/pool/block_statistic.h"

#include <algorithm>
#include <bit>

#include "base/crypto/secret_bytes.h"

namespace entropyd {
namespace {

constexpr size_t kPeriodBytes = BlockStatistic::kBlocksPerExamined * BlockStatistic::kBlockBytes;

// A block passes within these bounds, which are included (FIPS 140-2 with change notice 1).
struct Bounds {
  uint32_t least, most;
  bool Hold(uint32_t value) const { return least <= value && value <= most; }
};
constexpr Bounds kOnes = {9726, 10274};
// 2.16 < 16/5000 * S - 5000 < 46.17 where S is the sum of the squares of the nibbles' counts.
constexpr Bounds kPokerSquares = {1563176, 1576928};
constexpr std::array<Bounds, 7> kRunsOfLength = {
    {{}, {2315, 2685}, {1114, 1386}, {527, 723}, {240, 384}, {103, 209}, {103, 209}}};
constexpr uint32_t kLongestClass = 6;
constexpr uint32_t kLongRunBits = 26;

// What the bits of a byte say by themselves.
struct Anatomy {
  uint8_t head = 0, tail = 0;  // lengths of the runs at its edges; both 8 when it is one run
};

struct Tables {
  std::array<Anatomy, 256> anatomy{};
  // How many runs of a bit and a length a byte has between head and tail.
  std::array<std::array<std::array<uint8_t, 256>, kLongestClass + 1>, 2> inner_runs{};

  constexpr Tables() {
    for (int value = 0; value < 256; ++value) {
      const auto bit = [value](int i) { return (value >> (7 - i)) & 1; };  // highest first
      for (int begin = 0, end; begin < 8; begin = end) {
        for (end = begin + 1; end < 8 && bit(end) == bit(begin);) ++end;
        const int length = end - begin;
        if (begin == 0) anatomy[value].head = static_cast<uint8_t>(length);
        if (end == 8) anatomy[value].tail = static_cast<uint8_t>(length);
        if (begin > 0 && end < 8) ++inner_runs[bit(begin)][length][value];
      }
    }
  }
};
constexpr Tables kTables;

// The numbers of runs by length, in one word: additions to memory would wait for each other.
constexpr int kPackedBits = 10;
constexpr std::array<uint64_t, kLongestClass + 1> kPackedRun = {
    0, 1, 1ull << 10, 1ull << 20, 1ull << 30, 1ull << 40, 1ull << 50};
constexpr uint32_t Unpacked(uint64_t runs, uint32_t length) {
  return static_cast<uint32_t>(runs >> (kPackedBits * (length - 1))) & ((1u << kPackedBits) - 1);
}
// A byte ends at most two runs.
constexpr size_t kPackedBytes = ((1u << kPackedBits) - 1) / 2;

}  // namespace

BlockStatistic::~BlockStatistic() { Wipe({reinterpret_cast<uint8_t*>(&block_), sizeof block_}); }

BlockStatistic::Tally BlockStatistic::Feed(absl::Span<const uint8_t> bytes) {
  Tally tally;
  while (!bytes.empty()) {
    const bool examined = position_ < kBlockBytes;
    const size_t n = std::min(bytes.size(), (examined ? kBlockBytes : kPeriodBytes) - position_);
    if (examined) Examine(bytes.first(n));
    bytes.remove_prefix(n);
    position_ += n;
    if (examined && position_ == kBlockBytes) Judge(&tally);
    if (position_ == kPeriodBytes) position_ = 0;
  }
  return tally;
}

inline void BlockStatistic::EndRun(uint32_t bit, uint32_t length) {
  ++block_.edge_runs[bit][std::min(length, kLongestClass)];
  block_.has_long_run |= length >= kLongRunBits;
}

void BlockStatistic::Examine(absl::Span<const uint8_t> bytes) {
  while (!bytes.empty()) {
    const size_t n = std::min(bytes.size(), kPackedBytes);
    ExaminePiece(bytes.first(n));
    bytes.remove_prefix(n);
  }
}

// A processor cannot predict branches on random bits. So the next bit only sets masks, and branches
// test only rare events.
void BlockStatistic::ExaminePiece(absl::Span<const uint8_t> bytes) {
  uint64_t last_bytes = block_.last_bytes;
  uint32_t open_run = block_.open_run;
  uint32_t open_bit = block_.open_bit;
  uint64_t ended_zeros = 0, ended_ones = 0;
  for (const uint8_t byte : bytes) {
    ++block_.bytes[byte];

    last_bytes = last_bytes << 8 | byte;
    if (++block_.length % 4 == 0 && last_bytes >> 32 == static_cast<uint32_t>(last_bytes)) {
      block_.has_equal_words |= block_.length >= 8;
    }

    const Anatomy anatomy = kTables.anatomy[byte];
    const uint32_t first_bit = byte >> 7;
    const uint32_t other = first_bit ^ open_bit;  // 1: the open run has ended with the last byte
    open_bit = byte & 1;
    if (anatomy.head == 8) {
      if (other != 0) EndRun(1 - first_bit, open_run);
      open_run = 8 + (other != 0 ? 0 : open_run);
      continue;
    }
    const uint32_t head = anatomy.head + (open_run & (other - 1));
    const uint64_t of_first = kPackedRun[std::min(head, kLongestClass)];
    const uint64_t of_other = kPackedRun[std::min(open_run, kLongestClass) & (0 - other)];
    const uint64_t swap = (of_first ^ of_other) & (0 - uint64_t{first_bit});
    ended_zeros += of_first ^ swap;
    ended_ones += of_other ^ swap;
    block_.has_long_run |= std::max(head, open_run) >= kLongRunBits;
    open_run = anatomy.tail;
  }
  block_.last_bytes = last_bytes;
  block_.open_run = open_run;
  block_.open_bit = open_bit;
  for (uint32_t length = 1; length <= kLongestClass; ++length) {
    block_.edge_runs[0][length] += Unpacked(ended_zeros, length);
    block_.edge_runs[1][length] += Unpacked(ended_ones, length);
  }
}

void BlockStatistic::Judge(Tally* tally) {
  EndRun(block_.open_bit, block_.open_run);
  uint32_t ones = 0;
  std::array<uint32_t, 16> nibbles{};
  for (uint32_t value = 0; value < 256; ++value) {
    ones += block_.bytes[value] * static_cast<uint32_t>(std::popcount(value));
    nibbles[value >> 4] += block_.bytes[value];
    nibbles[value & 15] += block_.bytes[value];
  }
  uint32_t squares = 0;
  for (const uint32_t count : nibbles) squares += count * count;
  bool runs_hold = true;
  for (uint32_t bit = 0; bit < 2; ++bit) {
    for (uint32_t length = 1; length <= kLongestClass; ++length) {
      uint32_t runs = block_.edge_runs[bit][length];
      const auto& inner = kTables.inner_runs[bit][length];
      for (uint32_t value = 0; value < 256; ++value) runs += block_.bytes[value] * inner[value];
      runs_hold &= kRunsOfLength[length].Hold(runs);
    }
  }

  std::array<bool, kTests> failed{};
  failed[kMonobit] = !kOnes.Hold(ones);
  failed[kPoker] = !kPokerSquares.Hold(squares);
  failed[kRuns] = !runs_hold;
  failed[kLongRun] = block_.has_long_run;
  failed[kContinuous] = block_.has_equal_words;
  ++tally->examined;
  tally->passed += std::none_of(failed.begin(), failed.end(), [](bool f) { return f; });
  for (size_t test = 0; test < kTests; ++test) tally->failed[test] += failed[test];
  Wipe({reinterpret_cast<uint8_t*>(&block_), sizeof block_});
}

}  // namespace entropyd
