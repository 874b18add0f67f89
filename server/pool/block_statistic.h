// Statistics of FIPS 140-2 (4.9.1, power-up tests, and 4.9.2, continuous test of 32-bit words) on a
// stream of output: blocks of 20,000 bits, highest bit of a byte first.
//
//   BlockStatistic statistic;
//   const BlockStatistic::Tally tally = statistic.Feed(bytes);  // blocks that ended in it
//
// They are a metric and never stop output: ideal output fails one block in 1,060 (0.094 %), and a
// DRBG passes whatever its seed is worth. They show output that was damaged on its way: stuck,
// zeroed, biased, or with words given twice.
//
// The first block is examined, then one in kBlocksPerExamined. For an open block the object keeps
// only counts, the open run and the last two words. It wipes them at the end of the block and in
// its destructor.
//
// Errors: none. It does no I/O and reads no clock.
//
// Thread safety: one thread.
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
  // It takes 3 to 5 ns to examine a byte, and 2 ns to make, encrypt and send it. For one block in
  // 256 this costs less than a hundredth more. Even a pool of 10 KB/s has one block examined per
  // minute.
  static constexpr size_t kBlocksPerExamined = 256;

  struct Tally {
    uint64_t examined = 0;
    // Blocks that passed all tests.
    uint64_t passed = 0;
    // Failed blocks by test. One block may fail several tests.
    std::array<uint64_t, kTests> failed{};
  };

  BlockStatistic() = default;
  ~BlockStatistic();
  BlockStatistic(const BlockStatistic&) = delete;
  BlockStatistic& operator=(const BlockStatistic&) = delete;

  // Takes the next bytes of the stream, any number of them.
  Tally Feed(absl::Span<const uint8_t> bytes);

 private:
  // Runs by bit and length: 1 to 5, and 6 for all longer ones. Index 0 is not a run.
  using RunCounts = std::array<std::array<uint32_t, 7>, 2>;

  // What is kept of the open block. All of it is zero at the beginning.
  struct Block {
    // Counts of bytes by value.
    std::array<uint32_t, 256> bytes{};
    // Runs that touch the edge of a byte. Those inside a byte follow from its value.
    RunCounts edge_runs{};
    // The length in bits of the run at the end so far.
    uint32_t open_run = 0;
    uint32_t open_bit = 0;
    uint32_t length = 0;
    bool has_long_run = false;
    bool has_equal_words = false;
    // The last eight bytes, with the newest in the lowest bits.
    uint64_t last_bytes = 0;
  };

  void Examine(absl::Span<const uint8_t> bytes);
  void ExaminePiece(absl::Span<const uint8_t> bytes);
  void EndRun(uint32_t bit, uint32_t length);
  void Judge(Tally* tally);

  // The position in a cycle of kBlocksPerExamined blocks, of which the first is examined.
  size_t position_ = 0;
  Block block_;
};

}  // namespace entropyd
