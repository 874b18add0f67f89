#include "server/pool/block_statistic.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <random>
#include <vector>

namespace entropyd {
namespace {

using Tally = BlockStatistic::Tally;
using Failed = std::array<uint64_t, BlockStatistic::kTests>;

constexpr size_t kBlock = BlockStatistic::kBlockBytes;
constexpr size_t kBits = 8 * kBlock;
constexpr size_t kPeriod = BlockStatistic::kBlocksPerExamined * kBlock;

std::vector<uint8_t> RandomBytes(size_t n, uint64_t seed) {
  std::mt19937_64 generator(seed);
  std::vector<uint8_t> bytes(n);
  for (uint8_t& b : bytes) b = static_cast<uint8_t>(generator() >> 40);
  return bytes;
}

Failed FailedTests(const std::vector<uint8_t>& block) {
  BlockStatistic statistic;
  const Tally tally = statistic.Feed(block);
  EXPECT_EQ(tally.examined, 1u);
  EXPECT_EQ(tally.passed, tally.failed == Failed{} ? 1u : 0u);
  return tally.failed;
}

// An ideal block that passes every test.
std::vector<uint8_t> PassingBlock(uint64_t seed) {
  std::vector<uint8_t> block = RandomBytes(kBlock, seed);
  EXPECT_EQ(FailedTests(block), Failed{}) << seed;
  return block;
}

bool Bit(const std::vector<uint8_t>& block, size_t i) { return block[i / 8] >> (7 - i % 8) & 1; }
void SetBit(std::vector<uint8_t>* block, size_t i, bool bit) {
  const uint8_t mask = static_cast<uint8_t>(0x80 >> (i % 8));
  (*block)[i / 8] = static_cast<uint8_t>(bit ? (*block)[i / 8] | mask : (*block)[i / 8] & ~mask);
}

TEST(BlockStatisticTest, OnesAreBoundedOnBothSides) {
  for (const auto& [ones, passes] :
       {std::pair{9725, false}, {9726, true}, {10274, true}, {10275, false}}) {
    std::vector<uint8_t> block = PassingBlock(1);
    std::mt19937_64 generator(2);
    int have = 0;
    for (size_t i = 0; i < kBits; ++i) have += Bit(block, i);
    while (have != ones) {
      const size_t i = generator() % kBits;
      if (Bit(block, i) == (have < ones)) continue;
      SetBit(&block, i, have < ones);
      have += have < ones ? 1 : -1;
    }
    Failed expected{};
    expected[BlockStatistic::kMonobit] = !passes;
    EXPECT_EQ(FailedTests(block), expected) << ones;
  }
}

// Counts f of the sixteen nibbles with sum 5,000 and the sum of squares wanted. With f = 312 + d
// the d have sum 8 and squares of 1,562,496 less: one is 8, the others come in pairs of x and -x.
std::array<int, 16> NibbleCounts(int squares) {
  std::array<int, 16> counts;
  counts.fill(312);
  counts[0] += 8;
  int rest = (squares - 1'562'496 - 64) / 2;
  for (size_t i = 1; i + 1 < counts.size(); i += 2) {
    int x = 0;
    while ((x + 1) * (x + 1) <= rest) ++x;
    counts[i] += x;
    counts[i + 1] -= x;
    rest -= x * x;
  }
  EXPECT_EQ(rest, 0);
  return counts;
}

TEST(BlockStatisticTest, SquaresOfTheNibblesAreBoundedOnBothSides) {
  // The sum is even, as 5,000 is.
  for (const auto& [squares, passes] :
       {std::pair{1563174, false}, {1563176, true}, {1576928, true}, {1576930, false}}) {
    std::vector<uint8_t> nibbles;
    int sum = 0;
    for (int value = 0; const int count : NibbleCounts(squares)) {
      nibbles.insert(nibbles.end(), count, static_cast<uint8_t>(value++));
      sum += count * count;
    }
    ASSERT_EQ(sum, squares);
    ASSERT_EQ(nibbles.size(), 2 * kBlock);
    std::shuffle(nibbles.begin(), nibbles.end(), std::mt19937_64(3));
    std::vector<uint8_t> block(kBlock);
    for (size_t i = 0; i < kBlock; ++i) {
      block[i] = static_cast<uint8_t>(nibbles[2 * i] << 4 | nibbles[2 * i + 1]);
    }
    EXPECT_EQ(FailedTests(block)[BlockStatistic::kPoker], passes ? 0u : 1u) << squares;
  }
}

struct Range {
  int least, most;
};
constexpr std::array<Range, 6> kRunRanges = {
    {{2315, 2685}, {1114, 1386}, {527, 723}, {240, 384}, {103, 209}, {103, 209}}};

// A block of as many runs of ones as of zeros, 5,000 each: of `bit` exactly `count` have that
// length (6: at least), all other numbers are well within their bounds.
std::vector<uint8_t> BlockWithRuns(bool bit, int length, int count) {
  std::array<std::array<int, 6>, 2> counts;
  counts[0] = counts[1] = {2500, 1250, 625, 312, 156, 157};
  std::array<int, 6>& changed = counts[bit];
  int surplus = changed[length - 1] - count;
  changed[length - 1] = count;
  for (int other = 0; other < 6; ++other) {
    if (other == length - 1) continue;
    const Range range = kRunRanges[other];
    const int to = std::clamp(changed[other] + surplus, range.least + 20, range.most - 20);
    surplus -= to - changed[other];
    changed[other] = to;
  }
  EXPECT_EQ(surplus, 0);

  std::mt19937_64 generator(4);
  std::array<std::vector<int>, 2> lengths;
  int bits = kBits;
  for (int b : {0, 1}) {
    for (int class_length = 1; class_length <= 6; ++class_length) {
      const int runs = counts[b][class_length - 1];
      lengths[b].insert(lengths[b].end(), runs, class_length);
      bits -= runs * class_length;
    }
    std::shuffle(lengths[b].begin(), lengths[b].end(), generator);
  }
  // What is missing lengthens the long ones, none beyond 25.
  EXPECT_GE(bits, 0);
  while (bits > 0) {
    const int before = bits;
    for (std::vector<int>& of_bit : lengths) {
      for (int& run : of_bit) {
        if (run < 6 || run >= 25 || bits == 0) continue;
        ++run;
        --bits;
      }
    }
    if (bits == before) break;
  }
  EXPECT_EQ(bits, 0);
  std::vector<uint8_t> block(kBlock);
  size_t at = 0;
  for (size_t i = 0; i < lengths[0].size(); ++i) {
    at += lengths[0][i];
    for (int j = 0; j < lengths[1][i]; ++j) SetBit(&block, at++, true);
  }
  EXPECT_EQ(at, kBits);
  return block;
}

TEST(BlockStatisticTest, RunsOfEachLengthAreBoundedOnBothSides) {
  for (const bool bit : {false, true}) {
    for (int length = 1; length <= 6; ++length) {
      const Range range = kRunRanges[length - 1];
      for (const auto& [count, passes] : {std::pair{range.least - 1, false},
                                          {range.least, true},
                                          {range.most, true},
                                          {range.most + 1, false}}) {
        const Failed failed = FailedTests(BlockWithRuns(bit, length, count));
        EXPECT_EQ(failed[BlockStatistic::kRuns], passes ? 0u : 1u)
            << count << " runs of " << length << " of " << bit;
        EXPECT_EQ(failed[BlockStatistic::kLongRun], 0u);
      }
    }
  }
}

TEST(BlockStatisticTest, RunOf26IsTooLongWhereverItLies) {
  const std::vector<uint8_t> passing = PassingBlock(5);
  for (const bool bit : {false, true}) {
    for (const size_t length : {25, 26}) {
      std::vector<size_t> begins;
      for (size_t i = 0; i <= 64; ++i) {
        begins.push_back(i);
        begins.push_back(kBits - length - i);
      }
      for (const size_t begin : begins) {
        std::vector<uint8_t> block = passing;
        if (begin > 0) SetBit(&block, begin - 1, !bit);
        for (size_t i = 0; i < length; ++i) SetBit(&block, begin + i, bit);
        if (begin + length < kBits) SetBit(&block, begin + length, !bit);
        EXPECT_EQ(FailedTests(block)[BlockStatistic::kLongRun], length == 26 ? 1u : 0u)
            << length << " of " << bit << " at " << begin;
      }
    }
  }
}

TEST(BlockStatisticTest, EqualNeighbouringWordsFailAndAtAnotherAlignmentPass) {
  for (const size_t word : {0, 1, 311, 623}) {
    std::vector<uint8_t> block = PassingBlock(6);
    std::memcpy(&block[4 * word + 4], &block[4 * word], 4);
    Failed expected{};
    expected[BlockStatistic::kContinuous] = 1;
    EXPECT_EQ(FailedTests(block), expected) << word;
  }
  std::vector<uint8_t> block = PassingBlock(6);
  std::memcpy(&block[4 * 100 + 6], &block[4 * 100 + 2], 4);
  EXPECT_EQ(FailedTests(block), Failed{});
  // Two words that are equal with another between them.
  block = PassingBlock(6);
  std::memcpy(&block[4 * 102], &block[4 * 100], 4);
  EXPECT_EQ(FailedTests(block), Failed{});
}

TEST(BlockStatisticTest, ZerosFailEveryTest) {
  EXPECT_EQ(FailedTests(std::vector<uint8_t>(kBlock, 0)), (Failed{1, 1, 1, 1, 1}));
  EXPECT_EQ(FailedTests(std::vector<uint8_t>(kBlock, 0xff)), (Failed{1, 1, 1, 1, 1}));
}

// The tests by their definitions, bit by bit.
Failed Naively(const std::vector<uint8_t>& block) {
  Failed failed{};
  int ones = 0;
  std::array<int, 16> nibbles{};
  std::array<std::array<int, 6>, 2> runs{};
  for (size_t i = 0; i < kBits; ++i) ones += Bit(block, i);
  for (const uint8_t byte : block) {
    ++nibbles[byte >> 4];
    ++nibbles[byte & 15];
  }
  for (size_t begin = 0, end; begin < kBits; begin = end) {
    for (end = begin; end < kBits && Bit(block, end) == Bit(block, begin);) ++end;
    ++runs[Bit(block, begin)][std::min<size_t>(end - begin, 6) - 1];
    if (end - begin >= 26) failed[BlockStatistic::kLongRun] = 1;
  }
  double poker = 0;
  for (const int count : nibbles) poker += 16.0 / 5000 * count * count;
  poker -= 5000;
  failed[BlockStatistic::kMonobit] = !(9725 < ones && ones < 10275);
  failed[BlockStatistic::kPoker] = !(2.16 < poker && poker < 46.17);
  for (const auto& of_bit : runs) {
    for (int i = 0; i < 6; ++i) {
      if (of_bit[i] < kRunRanges[i].least || of_bit[i] > kRunRanges[i].most) {
        failed[BlockStatistic::kRuns] = 1;
      }
    }
  }
  for (size_t at = 4; at < kBlock; at += 4) {
    if (std::memcmp(&block[at], &block[at - 4], 4) == 0) failed[BlockStatistic::kContinuous] = 1;
  }
  return failed;
}

TEST(BlockStatisticTest, AgreesWithTheDefinitionsHoweverTheStreamIsCut) {
  std::mt19937_64 generator(7);
  BlockStatistic statistic;
  Failed seen{};
  for (int i = 0; i < 300; ++i) {
    std::vector<uint8_t> period = RandomBytes(kPeriod, 1000 + i);
    std::vector<uint8_t> block(period.begin(), period.begin() + kBlock);
    // Two of three blocks have a fault: a few bits too many alike, a stretch of one value, a word
    // twice.
    switch (i % 6) {
      case 0:
        for (size_t j = 0; j < 540; ++j) SetBit(&block, generator() % kBits, i % 4 == 0);
        break;
      case 1:
        std::fill_n(&block[generator() % (kBlock - 4)], 4,
                    static_cast<uint8_t>(i % 4 == 1 ? 0xff : 0));
        break;
      case 2:
        for (size_t j = 0; j < 130; ++j) block[generator() % kBlock] = 0xaa;
        break;
      case 3: {
        const size_t word = generator() % (kBlock / 4 - 1);
        std::memcpy(&block[4 * word + 4], &block[4 * word], 4);
        break;
      }
    }
    std::copy(block.begin(), block.end(), period.begin());
    Tally sum;
    for (size_t at = 0; at < kPeriod;) {
      const size_t most = at < kBlock && i % 2 == 0 ? 40 : 2 * kPeriod;
      const size_t n = std::min<size_t>(kPeriod - at, 1 + generator() % most);
      const Tally tally = statistic.Feed({&period[at], n});
      sum.examined += tally.examined;
      sum.passed += tally.passed;
      for (size_t t = 0; t < seen.size(); ++t) sum.failed[t] += tally.failed[t];
      at += n;
    }
    const Failed expected = Naively(block);
    EXPECT_EQ(sum.examined, 1u);
    EXPECT_EQ(sum.failed, expected) << i;
    EXPECT_EQ(sum.passed, expected == Failed{} ? 1u : 0u) << i;
    for (size_t t = 0; t < seen.size(); ++t) seen[t] += expected[t];
  }
  for (size_t t = 0; t < seen.size(); ++t) {
    EXPECT_GE(seen[t], 5u) << BlockStatistic::kTestNames[t] << " has been tried";
  }
}

TEST(BlockStatisticTest, FirstBlockIsExaminedAndThenOneInTwoHundredAndFiftySix) {
  BlockStatistic statistic;
  EXPECT_EQ(statistic.Feed(RandomBytes(kBlock - 1, 8)).examined, 0u);
  EXPECT_EQ(statistic.Feed(RandomBytes(1, 9)).examined, 1u);
  // The skipped blocks may be anything.
  EXPECT_EQ(statistic.Feed(std::vector<uint8_t>(255 * kBlock)).examined, 0u);
  EXPECT_EQ(statistic.Feed(RandomBytes(kBlock - 1, 10)).examined, 0u);
  const Tally last = statistic.Feed(RandomBytes(1, 11));
  EXPECT_EQ(last.examined, 1u);
  EXPECT_EQ(last.passed, 1u);
  BlockStatistic at_once;
  EXPECT_EQ(at_once.Feed(RandomBytes(3 * kPeriod + kBlock, 12)).examined, 4u);
}

TEST(BlockStatisticTest, IdealBlocksFailAsRarelyAsTheTestsAllow) {
  uint64_t failed = 0;
  for (uint64_t i = 0; i < 40'000; ++i) {
    std::mt19937_64 generator(i);
    std::array<uint64_t, kBlock / 8 + 1> words;
    for (uint64_t& word : words) word = generator();
    BlockStatistic statistic;
    failed += 1 - statistic.Feed({reinterpret_cast<const uint8_t*>(words.data()), kBlock}).passed;
  }
  EXPECT_NEAR(static_cast<double>(failed), 40'000 * 0.00094, 20) << "37.6, deviation 6.1";
}

}  // namespace
}  // namespace entropyd
