#include "hostagent/serving/class_buffer.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "base/process/fd.h"
#include "gtest/gtest.h"
#include "hostagent/serving/secret_ring.h"

namespace entropyd {
namespace {

constexpr size_t kSize = 64 * 1024;
constexpr size_t kMin = ClassBuffer::kMinTarget;

// Bytes of which each aligned group of 8 is different, so that order and loss show.
std::vector<uint8_t> Numbered(uint64_t first, size_t bytes) {
  std::vector<uint8_t> out(bytes);
  for (size_t i = 0; i < bytes; ++i) {
    const uint64_t at = first + i;
    out[i] = static_cast<uint8_t>(((at / 8) * 0x9e3779b97f4a7c15u) >> (8 * (at % 8)));
  }
  return out;
}

class ClassBufferTest : public testing::Test {
 protected:
  void SetUp() override {
    arena_ =
        SecretArena::Create(2 * ClassBuffer::ArenaBytes(kSize), SecretArena::Locking::kBestEffort)
            .value();
    buffer_ = Make(60);
  }
  std::unique_ptr<ClassBuffer> Make(int64_t max_age_seconds) {
    ClassBuffer::Options options;
    options.class_name = "default/gold";
    options.size = kSize;
    options.max_age_nanos = max_age_seconds * 1'000'000'000;
    return ClassBuffer::Create(options, arena_.get(), &clock_).value();
  }
  // Promises what the buffer wants and lets all of it arrive.
  size_t Fill() {
    const size_t more = buffer_->WantMore(0);
    buffer_->Append(Numbered(arrived_, more));
    arrived_ += more;
    return more;
  }
  size_t Take(size_t bytes) {
    std::vector<uint8_t> out(bytes);
    return buffer_->Take(absl::MakeSpan(out));
  }
  // Takes until just below low water, then fills: one crossing.
  void Cross() {
    Take(buffer_->level() - buffer_->target() / 2);
    EXPECT_GT(Fill(), 0u);
  }
  void Wait(absl::Duration d) {
    clock_.Advance(d);
    buffer_->Tick();
  }

  ManualClock clock_{1'000'000'000};
  std::unique_ptr<SecretArena> arena_;
  std::unique_ptr<ClassBuffer> buffer_;
  uint64_t arrived_ = 0;
};

TEST_F(ClassBufferTest, SparesWhatIsAboveLowWaterAndAboveWhatIsHeldBack) {
  ClassBuffer::Demand demand;
  demand.guests = 2;
  buffer_->SetDemand(demand);
  Fill();
  ASSERT_EQ(buffer_->level(), kMin);
  EXPECT_TRUE(buffer_->Spares(kMin / 2 - 1));
  EXPECT_FALSE(buffer_->Spares(kMin / 2)) << "low water is half of the target";
  demand.held_back = 100;
  buffer_->SetDemand(demand);
  EXPECT_TRUE(buffer_->Spares(kMin / 2 - 101));
  EXPECT_FALSE(buffer_->Spares(kMin / 2 - 100));
}

TEST_F(ClassBufferTest, WantsNothingWithoutGuestsAndOneKiBWithThem) {
  EXPECT_EQ(buffer_->target(), 0u);
  EXPECT_EQ(buffer_->WantMore(0), 0u);
  buffer_->SetDemand({1, 0});
  EXPECT_EQ(buffer_->target(), kMin);
  EXPECT_EQ(buffer_->WantMore(0), kMin);
  buffer_->SetDemand({0, 0});
  EXPECT_EQ(buffer_->target(), 0u);
}

TEST_F(ClassBufferTest, WantsMoreAtLowWaterAndNotAbove) {
  buffer_->SetDemand({1, 0});
  Fill();
  Take(kMin / 2 - 1);
  EXPECT_EQ(buffer_->WantMore(0), 0u);
  Take(1);
  EXPECT_EQ(buffer_->WantMore(0), kMin / 2);
  EXPECT_EQ(buffer_->WantMore(1), 0u);  // promised bytes count as bytes that are here
}

TEST_F(ClassBufferTest, BytesComeOutOnceAndInOrder) {
  buffer_->SetDemand({1, kSize});
  Fill();
  std::vector<uint8_t> out(kSize);
  EXPECT_EQ(buffer_->Take(absl::MakeSpan(out).subspan(0, 10'001)), 10'001u);
  EXPECT_EQ(buffer_->Take(absl::MakeSpan(out).subspan(10'001)), kSize - 10'001);
  EXPECT_EQ(out, Numbered(0, kSize));
  EXPECT_EQ(buffer_->Take(absl::MakeSpan(out)), 0u);
}

TEST_F(ClassBufferTest, TargetIsAtLeastWhatIsOwedAndNeverAboveSize) {
  buffer_->SetDemand({1, 5000});
  EXPECT_EQ(buffer_->target(), 5000u);
  EXPECT_EQ(buffer_->WantMore(0), 5000u);
  buffer_->SetDemand({1, 1ull << 40});
  EXPECT_EQ(buffer_->target(), kSize);
  EXPECT_EQ(buffer_->WantMore(0), kSize);
}

TEST_F(ClassBufferTest, WhatIsHeldBackIsNotThereForThoseWhoWait) {
  buffer_->SetDemand({.guests = 2, .owed = 510});
  Fill();
  EXPECT_EQ(buffer_->level(), kMin);
  EXPECT_EQ(buffer_->WantMore(0), 0u);
  // Two guests wait for 510 bytes. A KiB is held back from them.
  buffer_->SetDemand({.guests = 2, .owed = 510, .held_back = kMin});
  EXPECT_EQ(buffer_->WantMore(0), kMin);
  EXPECT_EQ(buffer_->WantMore(kMin), 0u);
  buffer_->SetDemand({.guests = 2, .owed = kSize, .held_back = kMin});
  EXPECT_EQ(buffer_->WantMore(0), kSize - kMin) << "level and promises fit the size";
}

TEST_F(ClassBufferTest, TargetDoublesOnTwoCrossingsWithinASecond) {
  buffer_->SetDemand({1, 0});
  Fill();
  Cross();
  EXPECT_EQ(buffer_->target(), kMin);
  Wait(absl::Seconds(1));
  Cross();
  EXPECT_EQ(buffer_->target(), 2 * kMin);
}

TEST_F(ClassBufferTest, TargetStaysWhenCrossingsAreFartherApart) {
  buffer_->SetDemand({1, 0});
  Fill();
  for (int i = 0; i < 5; ++i) {
    Cross();
    Wait(absl::Milliseconds(1001));
  }
  EXPECT_EQ(buffer_->target(), kMin);
}

TEST_F(ClassBufferTest, AskingAgainWithoutATakeIsNoCrossing) {
  buffer_->SetDemand({1, 0});
  for (int i = 0; i < 10; ++i) EXPECT_EQ(buffer_->WantMore(0), kMin);
  EXPECT_EQ(buffer_->target(), kMin);
}

TEST_F(ClassBufferTest, TargetGrowsToSizeUnderLoadAndNoFurther) {
  buffer_->SetDemand({1, 0});
  Fill();
  for (int i = 0; i < 40; ++i) {
    Cross();
    Wait(absl::Milliseconds(1));
  }
  EXPECT_EQ(buffer_->target(), kSize);
}

TEST_F(ClassBufferTest, TargetHalvesEachTenSecondsUnusedDownToOneKiB) {
  buffer_->SetDemand({1, 0});
  Fill();
  for (int i = 0; i < 4; ++i) Cross();
  ASSERT_EQ(buffer_->target(), 4 * kMin);
  Wait(absl::Milliseconds(9999));
  EXPECT_EQ(buffer_->target(), 4 * kMin);
  Wait(absl::Milliseconds(1));
  EXPECT_EQ(buffer_->target(), 2 * kMin);
  Wait(absl::Seconds(10));
  EXPECT_EQ(buffer_->target(), kMin);
  Wait(absl::Seconds(10));
  EXPECT_EQ(buffer_->target(), kMin);
}

TEST_F(ClassBufferTest, ASteadyDemandSettlesBetweenTwoAndTwentySeconds) {
  constexpr size_t kPerSecond = 1000;
  buffer_->SetDemand({1, 0});
  for (int i = 0; i < 600; ++i) {
    Fill();
    Take(kPerSecond / 10);
    Wait(absl::Milliseconds(100));
  }
  EXPECT_GE(buffer_->target(), 2 * kPerSecond);
  EXPECT_LE(buffer_->target(), 20 * kPerSecond);
}

TEST_F(ClassBufferTest, ThroughputIsHalfATargetPerRoundTripAtLeast) {
  // Guests always take all that is here. Promised bytes arrive one round trip later.
  constexpr absl::Duration kRoundTrip = absl::Milliseconds(1);
  buffer_->SetDemand({256, 256 * 1024});
  uint64_t taken = 0;
  uint64_t promised = 0;
  for (int i = 0; i < 1000; ++i) {
    buffer_->Append(Numbered(0, promised));
    taken += Take(kSize);
    promised = buffer_->WantMore(0);
    Wait(kRoundTrip);
  }
  EXPECT_GE(taken, 999 * kSize / 2);
}

TEST_F(ClassBufferTest, OldBytesAreWipedAndNotFetchedAgainUntilGuestsAsk) {
  buffer_->SetDemand({1, 0});
  Fill();
  Wait(absl::Milliseconds(59'999));
  EXPECT_EQ(buffer_->level(), kMin);
  Wait(absl::Milliseconds(1));
  EXPECT_EQ(buffer_->level(), 0u);
  EXPECT_EQ(buffer_->discarded_bytes(), kMin);
  EXPECT_EQ(buffer_->WantMore(0), 0u);
  buffer_->SetDemand({1, 64});
  EXPECT_EQ(buffer_->WantMore(0), kMin);
}

TEST_F(ClassBufferTest, BytesDieOfTheirOwnAgeNotOfTheirNeighbours) {
  buffer_->SetDemand({1, 0});
  Fill();
  Wait(absl::Seconds(30));
  buffer_->Append(Numbered(kMin, 100));
  Wait(absl::Seconds(30));
  ASSERT_EQ(buffer_->level(), 100u);
  std::vector<uint8_t> out(100);
  buffer_->Take(absl::MakeSpan(out));
  EXPECT_EQ(out, Numbered(kMin, 100));
}

TEST_F(ClassBufferTest, NoByteEverOutlivesMaxAge) {
  buffer_->SetDemand({1, kSize});
  struct Mark {
    uint64_t end;
    absl::Time at;
  };
  std::vector<Mark> marks;
  uint64_t appended = 0;
  for (int i = 0; i < 2000; ++i) {
    buffer_->Append(Numbered(appended, 7));
    appended += 7;
    marks.push_back({appended, clock_.WallTime()});
    Wait(absl::Milliseconds(137));
    const uint64_t removed = appended - buffer_->level();
    for (const Mark& mark : marks) {
      if (clock_.WallTime() - mark.at >= absl::Seconds(60)) {
        ASSERT_GE(removed, mark.end) << "at step " << i;
      }
      // Not before 15/16 of it either.
      if (clock_.WallTime() - mark.at < absl::Seconds(56)) {
        ASSERT_LT(removed, mark.end) << "at step " << i;
      }
    }
  }
}

TEST_F(ClassBufferTest, AfterDiscardItWantsItsTargetAgain) {
  buffer_->SetDemand({1, 0});
  Fill();
  buffer_->Discard();
  EXPECT_EQ(buffer_->level(), 0u);
  EXPECT_EQ(buffer_->discarded_bytes(), kMin);
  EXPECT_EQ(buffer_->WantMore(0), kMin);
}

TEST_F(ClassBufferTest, LevelAndPromisesNeverExceedSizeOrTarget) {
  buffer_->SetDemand({1, kSize});
  uint64_t promised = buffer_->WantMore(0);
  EXPECT_EQ(promised, kSize);
  EXPECT_EQ(buffer_->WantMore(promised), 0u);
  buffer_->Append(Numbered(0, kSize / 2));
  Take(kSize / 4);
  promised -= kSize / 2;
  EXPECT_LE(buffer_->level() + promised + buffer_->WantMore(promised), kSize);
}

TEST_F(ClassBufferTest, ASmallTargetUsesFewPagesHoweverMuchFlows) {
  buffer_->SetDemand({1, 0});
  const size_t before = arena_->used_bytes();
  for (int i = 0; i < 1000; ++i) {
    Fill();
    Take(600);
    Wait(absl::Seconds(2));  // too slow to grow
    ASSERT_LE(arena_->used_bytes() - before, 2 * SecretRing::kBlockBytes);
  }
}

TEST_F(ClassBufferTest, PagesComeBackWhenTheTargetShrinks) {
  buffer_->SetDemand({1, kSize});
  Fill();
  EXPECT_GE(arena_->used_bytes(), kSize);
  EXPECT_LE(arena_->used_bytes(), ClassBuffer::ArenaBytes(kSize));
  Take(kSize);
  buffer_->SetDemand({1, 0});
  buffer_->WantMore(0);
  buffer_->Tick();
  EXPECT_LE(arena_->used_bytes(), 2 * SecretRing::kBlockBytes);
}

TEST_F(ClassBufferTest, PromisesNoMoreThanTheArenaHolds) {
  std::vector<SecretBytes> hogs;
  for (;;) {
    auto hog = arena_->Allocate(SecretRing::kBlockBytes);
    if (!hog.ok()) break;
    hogs.push_back(*std::move(hog));
  }
  buffer_->SetDemand({1, kSize});
  EXPECT_EQ(buffer_->WantMore(0), 0u);
  hogs.resize(hogs.size() - 3);
  EXPECT_EQ(buffer_->WantMore(0), 3 * SecretRing::kBlockBytes);
}

TEST_F(ClassBufferTest, BadOptionsAndATooSmallArenaAreRefused) {
  ClassBuffer::Options options;
  options.size = kMin - 1;
  EXPECT_EQ(ClassBuffer::Create(options, arena_.get(), &clock_).status().code(),
            absl::StatusCode::kInvalidArgument);
  options.size = kMin;
  options.max_age_nanos = 0;
  EXPECT_EQ(ClassBuffer::Create(options, arena_.get(), &clock_).status().code(),
            absl::StatusCode::kInvalidArgument);
  options.max_age_nanos = 1;
  options.size = 1 << 30;
  EXPECT_EQ(ClassBuffer::Create(options, arena_.get(), &clock_).status().code(),
            absl::StatusCode::kResourceExhausted);
}

// Looks for `needle` in the mapping of this process that holds `at`.
size_t CountInMapping(const void* at, absl::Span<const uint8_t> needle) {
  std::ifstream maps("/proc/self/maps");
  UniqueFd memory(open("/proc/self/mem", O_RDONLY | O_CLOEXEC));
  for (std::string line; std::getline(maps, line);) {
    unsigned long begin = 0, end = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx", &begin, &end) != 2) continue;
    const auto address = reinterpret_cast<unsigned long>(at);
    if (address < begin || address >= end) continue;
    std::vector<uint8_t> copy(end - begin);
    EXPECT_EQ(pread(memory.get(), copy.data(), copy.size(), static_cast<off_t>(begin)),
              static_cast<ssize_t>(copy.size()));
    size_t count = 0;
    for (auto it = copy.begin();; ++it, ++count) {
      it = std::search(it, copy.end(), needle.begin(), needle.end());
      if (it == copy.end()) return count;
    }
  }
  ADD_FAILURE() << "no mapping found";
  return 0;
}

TEST_F(ClassBufferTest, WhatIsTakenDiscardedOrTooOldIsGoneFromMemory) {
  SecretBytes probe = arena_->Allocate(1).value();
  const std::vector<uint8_t> bytes = Numbered(0, 32);
  buffer_->SetDemand({1, 0});

  buffer_->Append(bytes);
  ASSERT_EQ(CountInMapping(probe.data(), bytes), 1u);  // the search works
  Take(32);
  EXPECT_EQ(CountInMapping(probe.data(), bytes), 0u);

  buffer_->Append(bytes);
  buffer_->Discard();
  EXPECT_EQ(CountInMapping(probe.data(), bytes), 0u);

  buffer_->Append(bytes);
  Wait(absl::Seconds(60));
  EXPECT_EQ(CountInMapping(probe.data(), bytes), 0u);

  buffer_->Append(bytes);
  buffer_.reset();
  EXPECT_EQ(CountInMapping(probe.data(), bytes), 0u);
}

}  // namespace
}  // namespace entropyd
