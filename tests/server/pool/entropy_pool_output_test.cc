// What a pool gives out: each byte once, no more than it was given, and never the same after a fork
// or a snapshot.
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <set>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "server/pool/entropy_pool.h"
#include "tests/server/pool/entropy_pool_fixture.h"

namespace entropyd {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

using EntropyPoolTest = EntropyPoolFixture;

TEST_F(EntropyPoolTest, M12_ReadersNeverShareOutput) {
  Make(v1::QUALITY_DRBG);
  ReadyWithOneGroup();
  std::set<std::vector<uint8_t>> seen;
  std::vector<std::unique_ptr<PoolReader>> readers;
  for (int i = 0; i < 8; ++i) readers.push_back(pool_->NewReader());
  for (int round = 0; round < 100; ++round) {
    for (auto& reader : readers) {
      std::vector<uint8_t> out(16);
      ASSERT_TRUE(reader->Read(absl::MakeSpan(out), 0).ok());
      EXPECT_TRUE(seen.insert(out).second);
    }
  }
}

TEST_F(EntropyPoolTest, M16_ReaderFollowsTheRootToEachNewSeedAtOnce) {
  Make(v1::QUALITY_DRBG);
  ReadyWithOneGroup();
  std::vector<uint8_t> out(16);
  EXPECT_EQ(reader_->Read(absl::MakeSpan(out), 0).value(), 1u);
  Healthy(1);
  Add(1, kBlockSamples);
  EXPECT_EQ(reader_->Read(absl::MakeSpan(out), 0).value(), 2u);
}

TEST_F(EntropyPoolTest, ReaderTakesANewSeedAfterManyCallsOrMuchTime) {
  Make(v1::QUALITY_DRBG);
  ReadyWithOneGroup();
  const auto seeds = [this] {
    pool_->Tick();
    const std::string text = metrics_.Serialize();
    const std::string name = "entropyd_pool_reader_seeds_total{pool=\"default\"} ";
    return std::stoi(text.substr(text.find("\n" + name) + 1 + name.size()));
  };
  for (uint32_t i = 0; i < DrbgReader::kCallsPerSeed; ++i) ASSERT_TRUE(Read(16).ok());
  EXPECT_EQ(seeds(), 1);
  ASSERT_TRUE(Read(16).ok());
  EXPECT_EQ(seeds(), 2);
  clock_.Advance(kReseed);
  ASSERT_TRUE(Read(16).ok());
  EXPECT_EQ(seeds(), 3);
}

TEST_F(EntropyPoolTest, M12_FullPoolGivesEachByteOnceAndNoMoreThanItHas) {
  Make(v1::QUALITY_FULL);
  ReadyWithOneGroup();
  EXPECT_EQ(pool_->Available(), 0u) << "the first block is the seed";
  Add(0, 3 * kBlockSamples);
  EXPECT_EQ(pool_->Available(), 192u);
  EXPECT_TRUE(absl::IsUnavailable(Read(193)));
  EXPECT_EQ(pool_->Available(), 192u) << "a refused read takes nothing";
  EXPECT_TRUE(Read(100).ok());
  EXPECT_EQ(pool_->Available(), 92u);
  EXPECT_TRUE(Read(92).ok());
  EXPECT_TRUE(absl::IsUnavailable(Read(1)));
  EXPECT_EQ(pool_->Snapshot().delivered_bytes(), 192u);
}

TEST_F(EntropyPoolTest, FullPoolDeliversNearlyEightNinthsOfTheCredit) {
  Make(v1::QUALITY_FULL, 1, 1 << 16);
  Healthy(0);
  double credited = 0;
  for (int i = 0; i < 100; ++i) credited += Add(0, 100 + i);
  EXPECT_LE(8.0 * static_cast<double>(pool_->Available()), credited * 512 / 576);
  EXPECT_GE(8.0 * static_cast<double>(pool_->Available()), 0.95 * credited * 512 / 576 - 512);
}

TEST_F(EntropyPoolTest, FullPoolStopsAtItsCapacityAndWakesItsSourcesWhenItHasRoom) {
  Make(v1::QUALITY_FULL, 1, 4096);
  ReadyWithOneGroup();
  Add(0, 100 * kBlockSamples);
  EXPECT_EQ(pool_->Available(), 4096u);
  EXPECT_FALSE(pool_->Wants(0));
  const int wakes = wakes_;
  EXPECT_TRUE(Read(64).ok());
  EXPECT_EQ(wakes_, wakes + 1);
  EXPECT_TRUE(pool_->Wants(0));
}

TEST_F(EntropyPoolTest, FullPoolTellsWhenBytesArriveInAnEmptyPool) {
  Make(v1::QUALITY_FULL);
  ReadyWithOneGroup();
  const int changes = changes_;
  Add(0, kBlockSamples);
  EXPECT_EQ(changes_, changes + 1);
}

TEST_F(EntropyPoolTest, StoredBlocksOfAFailedSourceAreDroppedAndTheOthersKept) {
  Make(v1::QUALITY_FULL);
  ReadyWithTwoGroups();
  Add(0, 3 * kBlockSamples);
  Add(1, 2 * kBlockSamples);
  EXPECT_EQ(pool_->Available(), 5 * 64u);
  pool_->SetSourceState(0, v1::SOURCE_STATE_QUARANTINED);
  EXPECT_EQ(pool_->Available(), 2 * 64u);
  EXPECT_TRUE(Read(128).ok());
}

TEST_F(EntropyPoolTest, M9_FullPoolServesWhatIsStoredAndIsSuspendedWhenNothingCanCome) {
  Make(v1::QUALITY_FULL);
  ReadyWithOneGroup();
  Add(0, kBlockSamples);
  pool_->SetSourceState(0, v1::SOURCE_STATE_GONE);
  EXPECT_TRUE(pool_->State().ready());
  EXPECT_TRUE(Read(64).ok());
  EXPECT_FALSE(pool_->State().ready());
  EXPECT_THAT(pool_->State().Text(), HasSubstr("no bytes stored: trng0 is gone"));
}

TEST_F(EntropyPoolTest, FirstBlockOfEveryReaderIsExaminedAndThenOneInTwoHundredAndFiftySix) {
  Make(v1::QUALITY_DRBG);
  ReadyWithOneGroup();
  const auto expect_blocks = [this](int examined) {
    pool_->Tick();
    const std::string text = metrics_.Serialize();
    EXPECT_THAT(text, HasSubstr(absl::StrCat("entropyd_pool_output_blocks_examined_total"
                                             "{pool=\"default\"} ",
                                             examined, "\n")));
    // Three ideal blocks of three fail once in 10^9 runs.
    int passed = 0;
    const std::string line =
        "entropyd_pool_output_blocks_total{pool=\"default\",result=\"passed\"} ";
    ASSERT_THAT(text, HasSubstr(line));
    ASSERT_TRUE(absl::SimpleAtoi(text.substr(text.find(line) + line.size(), 1), &passed));
    EXPECT_GE(passed, examined - 2);
    EXPECT_LE(passed, examined);
  };
  expect_blocks(0);
  ASSERT_TRUE(Read(2400).ok());
  expect_blocks(0);
  ASSERT_TRUE(Read(100).ok());
  expect_blocks(1);
  ASSERT_TRUE(Read(255 * 2500 + 2499).ok());
  expect_blocks(1);
  ASSERT_TRUE(Read(1).ok());
  expect_blocks(2);
  reader_ = pool_->NewReader();
  ASSERT_TRUE(Read(2500).ok());
  expect_blocks(3);
  pool_->SetSourceState(0, v1::SOURCE_STATE_LATCHED);
  reader_ = pool_->NewReader();
  ASSERT_FALSE(Read(1 << 20).ok());
  expect_blocks(3);  // what was not delivered is no output
}

TEST_F(EntropyPoolTest, FreshSeedIsWantedAfterMuchOutput) {
  Make(v1::QUALITY_DRBG);
  ReadyWithOneGroup();
  std::vector<uint8_t> out(1 << 20);
  for (uint64_t done = 0; done < EntropyPool::kReseedBytes; done += out.size()) {
    ASSERT_FALSE(pool_->Wants(0));
    ASSERT_TRUE(reader_->Read(absl::MakeSpan(out), 0).ok());
  }
  EXPECT_TRUE(pool_->Wants(0));
  EXPECT_EQ(wakes_, 1);
}

TEST_F(EntropyPoolTest, M9_DrbgPoolStopsAfterSoManyBytesWithoutASeed) {
  max_bytes_per_seed_ = 10'000;
  Make(v1::QUALITY_DRBG);
  ReadyWithOneGroup();
  ASSERT_TRUE(Read(9'999).ok());
  ASSERT_TRUE(Read(1).ok());
  EXPECT_TRUE(absl::IsUnavailable(Read(1))) << "even before the next tick";
  EXPECT_THAT(pool_->State().Text(), HasSubstr("no seed since 10000 bytes"));
  pool_->Tick();
  EXPECT_THAT(log_.events(), Contains("pool.suspended"));
  EXPECT_EQ(pool_->Available(), 0u);
  clock_.Advance(kReseed);
  Add(0, kBlockSamples);
  EXPECT_TRUE(Read(10'000).ok());
}

// Sources of two groups give, fail, vanish and return at random, while readers read at random.
// Delivered and stored bytes together are never worth more than 512 bits for each 576 credited, and
// the credit is never more than the claim.
TEST_F(EntropyPoolTest, M8_FullPoolNeverDeliversMoreThanEightNinthsOfTheCreditWhateverHappens) {
  members_.push_back({.source = "trng1", .group = "board", .min_entropy = 2.5});
  Make(v1::QUALITY_FULL, 1, 4096);
  double credited = 0;
  uint64_t read = 0;
  for (int i = 0; i < 20'000; ++i) {
    const int member = static_cast<int>(generator_() % members_.size());
    const uint64_t dice = generator_() % 100;
    if (dice < 50) {
      const size_t samples = generator_() % 400;
      const double credit = Add(member, samples);
      ASSERT_LE(credit, members_[member].min_entropy * static_cast<double>(samples));
      credited += credit;
    } else if (dice < 90) {
      const size_t bytes = generator_() % 200;
      if (Read(bytes).ok()) read += bytes;
    } else if (dice < 97) {
      Healthy(member);
    } else if (dice < 98) {
      pool_->SetSourceState(member, v1::SOURCE_STATE_QUARANTINED);
    } else if (dice < 99) {
      pool_->SetSourceState(member, v1::SOURCE_STATE_GONE);
    } else {
      clock_.Advance(kReseed / 2);
    }
    const v1::Pool now = pool_->Snapshot();
    ASSERT_EQ(now.delivered_bytes(), read);
    ASSERT_LE(8.0 * static_cast<double>(read + now.available_bytes()), credited * 512 / 576);
  }
  EXPECT_GT(read, 100'000u);
}

// A source fails when the bytes are made and not given yet. The pool's wake callback comes then.
TEST_F(EntropyPoolTest, AFailureWhileBytesAreMadeKeepsThemBack) {
  Make(v1::QUALITY_FULL, 1, 64);
  ReadyWithOneGroup();
  while (pool_->Wants(0)) Add(0, kBlockSamples);
  bool failed = false;
  pool_->SetWakeCallback([&] {
    if (std::exchange(failed, true)) return;  // a failure wakes, too
    pool_->SetSourceState(0, v1::SOURCE_STATE_QUARANTINED);
  });
  EXPECT_TRUE(absl::IsAborted(Read(16)));
  EXPECT_TRUE(failed);
  EXPECT_EQ(pool_->Snapshot().delivered_bytes(), 0u);
}

// Readers come and go, reads are refused half way, sources fail and return. No aligned block of 16
// bytes is ever given twice, and a refused read gives nothing.
TEST_F(EntropyPoolTest, M12_NoByteIsGivenTwiceUnderRandomAborts) {
  for (const v1::Quality quality : {v1::QUALITY_DRBG, v1::QUALITY_FULL}) {
    Make(quality, 1, 1 << 16);
    ReadyWithTwoGroups();
    std::set<std::string> seen;
    uint64_t blocks = 0, refused = 0;
    for (int i = 0; i < 20'000; ++i) {
      const uint64_t dice = generator_() % 100;
      const int member = static_cast<int>(generator_() % 2);
      if (dice < 20) {
        Add(member, generator_() % 800);
      } else if (dice < 25) {
        reader_ = pool_->NewReader();
      } else if (dice < 27) {
        pool_->SetSourceState(member, v1::SOURCE_STATE_QUARANTINED);
        Healthy(member);
      } else {
        // Planned under an epoch that may have passed, and more than may be stored.
        std::vector<uint8_t> out(16 * (1 + generator_() % 16), 0xee);
        const uint64_t epoch = pool_->State().discard_epoch - (dice > 95);
        if (!reader_->Read(absl::MakeSpan(out), epoch).ok()) {
          ASSERT_EQ(out, std::vector<uint8_t>(out.size(), 0));
          ++refused;
          continue;
        }
        for (auto at = out.begin(); at != out.end(); at += 16, ++blocks) {
          ASSERT_TRUE(seen.emplace(at, at + 16).second) << "a block came twice";
        }
      }
    }
    EXPECT_GT(blocks, 1000u);
    EXPECT_GT(refused, 100u);
  }
}

// The child would get the parent's next bytes. So the DRBG refuses, and the pool stops.
TEST_F(EntropyPoolTest, M14_ForkedChildGetsNothingAndItsPoolStops) {
  for (const v1::Quality quality : {v1::QUALITY_DRBG, v1::QUALITY_FULL}) {
    Make(quality);
    ReadyWithOneGroup();
    Add(0, 3 * kBlockSamples);
    ASSERT_TRUE(Read(16).ok());
    const pid_t child = fork();
    if (child == 0) {
      const bool failed = absl::IsInternal(Read(16));
      const bool latched = absl::IsUnavailable(Read(16)) && !pool_->State().ready() &&
                           absl::StartsWith(pool_->State().Text(), "failed: ");
      _exit(failed && latched && !HasFailure() ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    EXPECT_TRUE(Read(16).ok());
  }
}

// Imitates a machine restored from a snapshot: two processes begin with the same memory and the
// same process id, so nothing in user space differs. Returns the bytes that each of them read, ""
// for one that failed, or nothing when such processes are not allowed.
std::vector<std::string> DrawTwiceFromASnapshot(const std::function<void()>& prepare,
                                                const std::function<std::string()>& get) {
  constexpr int kForbidden = 77;
  int pipes[2][2];
  if (pipe(pipes[0]) != 0 || pipe(pipes[1]) != 0) return {};
  const pid_t outer = fork();
  if (outer == 0) {
    // Each is the first of a PID namespace of its own: number 1.
    if (unshare(CLONE_NEWPID) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWPID) != 0) _exit(kForbidden);
    const pid_t original = fork();
    if (original == 0) {
      prepare();
      if (unshare(CLONE_NEWPID) != 0) _exit(kForbidden);
      const pid_t copy = fork();
      const std::string drawn = get();
      const int to = pipes[copy == 0][1];
      if (getpid() != 1 || write(to, drawn.data(), drawn.size()) < 0) _exit(1);
      if (copy != 0) waitpid(copy, nullptr, 0);
      _exit(0);
    }
    int status = 0;
    waitpid(original, &status, 0);
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
  }
  std::vector<std::string> drawn;
  for (auto& ends : pipes) {
    close(ends[1]);
    char buffer[4096];
    const ssize_t n = read(ends[0], buffer, sizeof(buffer));
    drawn.emplace_back(buffer, static_cast<size_t>(n < 0 ? 0 : n));
    close(ends[0]);
  }
  int status = 0;
  waitpid(outer, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == kForbidden) return {};
  return drawn;
}

TEST_F(EntropyPoolTest, M15_SnapshotNeverRepeats) {
  std::unique_ptr<CtrDrbg> bare;
  std::vector<uint8_t> without(32), with(32);
  const std::vector<std::string> drawn = DrawTwiceFromASnapshot(
      [&] {
        Make(v1::QUALITY_DRBG);
        ReadyWithOneGroup();
        bare = CtrDrbg::Create(provider_.get()).value();
        const std::vector<uint8_t> seed(CtrDrbg::kSeedBytes, 1);
        if (!Read(32).ok() || !bare->Instantiate(seed, "").ok()) _exit(1);
      },
      [&] {
        if (!bare->Generate(absl::MakeSpan(without), {}).ok() || !Read(32, &with).ok()) _exit(1);
        return std::string(without.begin(), without.end()) + std::string(with.begin(), with.end());
      });
  ASSERT_FALSE(drawn.empty()) << "no PID namespaces here: run as root, or allow user namespaces";
  ASSERT_EQ(drawn.size(), 2u);
  ASSERT_EQ(drawn[0].size(), 64u);
  ASSERT_EQ(drawn[1].size(), 64u);
  EXPECT_EQ(drawn[0].substr(0, 32), drawn[1].substr(0, 32)) << "a bare DRBG cannot know of it";
  EXPECT_NE(drawn[0].substr(32), drawn[1].substr(32)) << "a reader mixes in fresh bytes";
}

// Three readers read on threads of their own while the source fails.
TEST_F(EntropyPoolTest, NoReadBegunAfterTheFailureWasToldSucceeds) {
  Make(v1::QUALITY_DRBG);
  ReadyWithOneGroup();
  std::atomic<bool> told{false};
  std::atomic<int> reads{0}, late{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&, reader = pool_->NewReader()] {
      std::vector<uint8_t> out(256);
      while (true) {
        const bool was_told = told;
        if (!reader->Read(absl::MakeSpan(out), 0).ok()) return;
        ++reads;
        late += was_told;
      }
    });
  }
  while (reads < 100) {
    pool_->Tick();
    Add(0, 64);
  }
  pool_->SetSourceState(0, v1::SOURCE_STATE_QUARANTINED);
  told = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(late, 0);
}

}  // namespace
}  // namespace entropyd
