// Statistics of FIPS 140-2 (4.9.1, power-up tests, and 4.9.2, continuous test of 32-bit words) on a
// stream of output: blocks of 20,000 bits, highest bit of a byte first.
//
//   BlockStatistic statistic;
//   const BlockStatistic::Tally tally = statistic.Feed(bytes);  // blocks that ended in it
//
// A metric, never a gate: ideal output fails one block in 1,060 (0.094 %), and a DRBG passes
// whatever its seed is worth. What they notice is output that goes wrong on its way: stuck, zeroed,
// biased, words given twice.
//
// The first block is examined, then one in kBlocksPerExamined. What is kept of an open block are
// counts, its open run and its last two words; cleansed at its end and with the object.
//
// No I/O, no clock. Thread safety: one thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"

namespace entropyd {

class BlockStatistic {
 public:
  enum Test { kMonobit, kPoker, kRuns, kLongRun, kContinuous };
  static constexpr size_t kTests = 5;
  static constexpr std::array<const char*, kTests> kTestNames = {"monobit", "poker", "runs",
                                                                 "long_run", "continuous"};

  static constexpr size_t kBlockBytes = 2500;
  // A byte takes 3 to 5 ns to examine and 2 ns to make, to encrypt and to send: of one block in 256
  // that is less than a hundredth more. A pool of 10 KB/s still has a block examined each minute.
  static constexpr size_t kBlocksPerExamined = 256;

  struct Tally {
    uint64_t examined = 0;
    // All tests.
    uint64_t passed = 0;
    // By test; a block may fail several.
    std::array<uint64_t, kTests> failed{};
  };

  BlockStatistic() = default;
  ~BlockStatistic();
  BlockStatistic(const BlockStatistic&) = delete;
  BlockStatistic& operator=(const BlockStatistic&) = delete;

  // Takes the next bytes of the stream, as many as there are.
  Tally Feed(absl::Span<const uint8_t> bytes);

 private:
  // Runs by bit and length: 1 to 5, and 6 for all longer ones; 0 holds what is no run.
  using RunCounts = std::array<std::array<uint32_t, 7>, 2>;

  // Of the open block. All zero in the beginning.
  struct Block {
    // By value.
    std::array<uint32_t, 256> bytes{};
    // Runs that touch the edge of a byte; those inside follow from the values.
    RunCounts edge_runs{};
    // Bits of the run at the end so far.
    uint32_t open_run = 0;
    uint32_t open_bit = 0;
    uint32_t length = 0;
    bool has_long_run = false;
    bool has_equal_words = false;
    // Eight, the newest lowest.
    uint64_t last_bytes = 0;
  };

  void Examine(absl::Span<const uint8_t> bytes);
  void ExaminePiece(absl::Span<const uint8_t> bytes);
  void EndRun(uint32_t bit, uint32_t length);
  void Judge(Tally* tally);

  // In the kBlocksPerExamined blocks of which the first is examined.
  size_t position_ = 0;
  Block block_;
};

}  // namespace entropyd
