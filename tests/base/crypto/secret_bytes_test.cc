#include "base/crypto/secret_bytes.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <random>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/base/process/in_child.h"

namespace entropyd {
namespace {

using ::testing::HasSubstr;
using Locking = SecretArena::Locking;

bool AllZero(absl::Span<const uint8_t> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](uint8_t b) { return b == 0; });
}

void Fill(SecretBytes* bytes, uint8_t value) { std::memset(bytes->data(), value, bytes->size()); }

std::unique_ptr<SecretArena> MakeArena(size_t bytes) {
  auto arena = SecretArena::Create(bytes, Locking::kBestEffort);
  EXPECT_TRUE(arena.ok()) << arena.status();
  return std::move(*arena);
}

// The VmFlags (proc(5)) of the mapping that holds `address`, each between blanks.
std::string VmFlagsOf(const void* address) {
  const auto wanted = reinterpret_cast<uintptr_t>(address);
  std::ifstream smaps("/proc/self/smaps");
  std::string line;
  bool inside = false;
  while (std::getline(smaps, line)) {
    uintptr_t begin = 0;
    uintptr_t end = 0;
    char dash = 0;
    std::istringstream header(line);
    if (header >> std::hex >> begin >> dash >> end && dash == '-') {
      inside = begin <= wanted && wanted < end;
    } else if (inside && absl::StartsWith(line, "VmFlags:")) {
      return line.substr(8) + " ";
    }
  }
  return "no such mapping";
}

// Takes away what lets this process lock memory: the limit, and root's CAP_IPC_LOCK.
void ForbidLocking() {
  const rlimit none = {0, 0};
  if (setrlimit(RLIMIT_MEMLOCK, &none) != 0) _exit(2);
  constexpr uid_t kNobody = 65534;
  if (geteuid() == 0 && setresuid(kNobody, kNobody, kNobody) != 0) _exit(3);
  prctl(PR_SET_DUMPABLE, 1);  // changing the uid cleared it, and with it access to /proc/self/smaps
}

TEST(SecretArenaTest, M21_MemoryIsNeitherDumpedNorInheritedAndLockedAsReported) {
  auto arena = MakeArena(1 << 20);
  SecretBytes bytes = arena->Allocate(4096).value();
  Fill(&bytes, 1);
  const std::string flags = VmFlagsOf(bytes.data());
  EXPECT_THAT(flags, HasSubstr(" dd "));
  EXPECT_THAT(flags, HasSubstr(" wf "));
  EXPECT_EQ(absl::StrContains(flags, " lo "), arena->locked()) << flags;
}

TEST(SecretArenaTest, RequiredLockingCoversTheWholeArena) {
  auto arena = SecretArena::Create(64 * 1024, Locking::kRequired);
  ASSERT_TRUE(arena.ok()) << arena.status();  // 64 KiB fit into every default limit
  EXPECT_TRUE((*arena)->locked());
  SecretBytes all = (*arena)->Allocate((*arena)->capacity_bytes()).value();
  EXPECT_THAT(VmFlagsOf(all.data()), HasSubstr(" lo "));
  EXPECT_THAT(VmFlagsOf(all.data() + all.size() - 1), HasSubstr(" lo "));
  EXPECT_TRUE((*arena)->locked());
}

TEST(SecretArenaTest, RequiredLockingIsRefusedWithTheRemedy) {
  const std::string said = InChild([] {
    ForbidLocking();
    return SecretArena::Create(1 << 20, Locking::kRequired).status().ToString();
  });
  EXPECT_THAT(said, HasSubstr("RESOURCE_EXHAUSTED"));
  EXPECT_THAT(said, HasSubstr("RLIMIT_MEMLOCK is 0 bytes"));
  EXPECT_THAT(said, HasSubstr("LimitMEMLOCK=infinity"));
}

TEST(SecretArenaTest, BestEffortWorksUnlockedAndSaysSo) {
  const std::string said = InChild([] {
    ForbidLocking();
    auto arena = SecretArena::Create(1 << 20, Locking::kBestEffort).value();
    const bool before = arena->locked();
    SecretBytes bytes = arena->Allocate(100).value();
    Fill(&bytes, 7);
    return absl::StrCat(before, " ", arena->locked(), VmFlagsOf(bytes.data()));
  });
  EXPECT_TRUE(absl::StartsWith(said, "1 0 ")) << said;
  EXPECT_THAT(said, HasSubstr(" dd "));
  EXPECT_THAT(said, HasSubstr(" wf "));
  EXPECT_FALSE(absl::StrContains(said, " lo ")) << said;
}

TEST(SecretArenaTest, LargeArenaNeedsOnlyWhatItUsesFromTheLimit) {
  const std::string said = InChild([] {
    const rlimit limit = {256 * 1024, 256 * 1024};
    if (setrlimit(RLIMIT_MEMLOCK, &limit) != 0) _exit(2);
    if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0) _exit(3);
    auto arena = SecretArena::Create(64 << 20, Locking::kBestEffort).value();
    SecretBytes little = arena->Allocate(100'000).value();
    const bool with_little = arena->locked();
    SecretBytes much = arena->Allocate(1'000'000).value();
    return absl::StrCat(with_little, " ", arena->locked());
  });
  EXPECT_EQ(said, "1 0");
}

TEST(SecretArenaTest, M14_ForkedChildReadsZeros) {
  auto arena = MakeArena(1 << 16);
  SecretBytes bytes = arena->Allocate(1000).value();
  Fill(&bytes, 0x5a);
  const std::string said = InChild([&] { return AllZero(bytes.span()) ? "zeros" : "secrets"; });
  EXPECT_EQ(said, "zeros");
  EXPECT_EQ(bytes.data()[999], 0x5a);  // the parent's stay
}

TEST(SecretArenaTest, ReleasedBytesAreWipedBeforeAnybodyElseGetsThem) {
  auto arena = MakeArena(4096);
  const uint8_t* address = nullptr;
  {
    SecretBytes secret = arena->Allocate(1000).value();
    Fill(&secret, 0xcc);
    address = secret.data();
  }
  EXPECT_TRUE(AllZero({address, 1000})) << "when they are given back, not when the next one comes";
  SecretBytes all = arena->Allocate(arena->capacity_bytes()).value();
  EXPECT_EQ(all.data(), address);  // the very same memory
  EXPECT_TRUE(AllZero(all.span()));
}

TEST(SecretArenaTest, MovedBytesAreReleasedOnce) {
  auto arena = MakeArena(4096);
  SecretBytes a = arena->Allocate(64).value();
  Fill(&a, 1);
  SecretBytes b = std::move(a);
  EXPECT_EQ(a.size(), 0u);  // NOLINT(bugprone-use-after-move): an empty one is the promise
  EXPECT_EQ(a.data(), nullptr);
  EXPECT_EQ(b.size(), 64u);
  EXPECT_EQ(arena->used_bytes(), 64u);

  SecretBytes c = arena->Allocate(64).value();
  Fill(&c, 2);
  b = std::move(c);  // the first block goes
  EXPECT_EQ(b.data()[0], 2);
  EXPECT_EQ(arena->used_bytes(), 64u);
  SecretBytes* self = &b;
  b = std::move(*self);
  EXPECT_EQ(b.data()[0], 2);
  b = SecretBytes();
  EXPECT_EQ(arena->used_bytes(), 0u);
}

TEST(SecretArenaTest, FullArenaRefusesAndRecovers) {
  auto arena = MakeArena(4096);
  const size_t capacity = arena->capacity_bytes();
  std::vector<SecretBytes> held;
  for (size_t i = 0; i < capacity / 64; ++i) held.push_back(arena->Allocate(33).value());
  EXPECT_EQ(arena->used_bytes(), capacity);
  const absl::Status refused = arena->Allocate(1).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(refused.message(), HasSubstr("allocate 1 bytes"));

  // Released in a scattered order, the runs must grow together again.
  std::shuffle(held.begin(), held.end(), std::mt19937(1));
  held.clear();
  EXPECT_EQ(arena->used_bytes(), 0u);
  EXPECT_TRUE(arena->Allocate(capacity).ok());
}

TEST(SecretArenaTest, OddSizesAreAnsweredOrRefused) {
  auto arena = MakeArena(1);
  EXPECT_GE(arena->capacity_bytes(), 4096u);
  SecretBytes empty = arena->Allocate(0).value();
  EXPECT_EQ(empty.size(), 0u);
  EXPECT_EQ(arena->used_bytes(), 0u);
  for (const size_t bytes : {arena->capacity_bytes() + 1, SIZE_MAX, SIZE_MAX - 63}) {
    EXPECT_EQ(arena->Allocate(bytes).status().code(), absl::StatusCode::kResourceExhausted);
  }
  EXPECT_EQ(SecretArena::Create(0, Locking::kBestEffort).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(SecretArena::Create(SIZE_MAX, Locking::kBestEffort).status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST(SecretArenaTest, RandomUseKeepsBlocksApartAndZeroed) {
  auto arena = MakeArena(64 * 1024);
  std::mt19937 random(2);
  std::vector<std::pair<uint8_t, SecretBytes>> held;
  for (int step = 0; step < 20'000; ++step) {
    if (held.empty() || random() % 2 == 0) {
      auto bytes = arena->Allocate(1 + random() % 3000);
      if (bytes.ok()) {
        ASSERT_TRUE(AllZero(bytes->span()));
        ASSERT_EQ(reinterpret_cast<uintptr_t>(bytes->data()) % 64, 0u);
        held.emplace_back(static_cast<uint8_t>(1 + random() % 255), std::move(*bytes));
        Fill(&held.back().second, held.back().first);
        continue;
      }
      ASSERT_FALSE(held.empty()) << bytes.status();
    }
    std::swap(held[random() % held.size()], held.back());
    const auto& [value, bytes] = held.back();
    ASSERT_EQ(bytes.span(), std::vector<uint8_t>(bytes.size(), value)) << "somebody wrote here";
    held.pop_back();
  }
  held.clear();
  EXPECT_TRUE(arena->Allocate(arena->capacity_bytes()).ok());
}

TEST(SecretArenaTest, ThreadsShareOneArena) {
  auto arena = MakeArena(256 * 1024);
  std::vector<std::thread> threads;
  for (uint8_t id = 1; id <= 4; ++id) {
    threads.emplace_back([&arena, id] {
      std::mt19937 random(id);
      for (int i = 0; i < 2000; ++i) {
        SecretBytes bytes = arena->Allocate(1 + random() % 8000).value();
        if (!AllZero(bytes.span())) ADD_FAILURE() << "not zeroed";
        Fill(&bytes, id);
        if (bytes.data()[bytes.size() / 2] != id) ADD_FAILURE() << "shared with another thread";
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(arena->used_bytes(), 0u);
}

using SecretArenaDeathTest = ::testing::Test;

TEST(SecretArenaDeathTest, ArenaMustOutliveItsBytes) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        auto arena = MakeArena(4096);
        SecretBytes bytes = arena->Allocate(1).value();
        arena.reset();
      },
      "destroyed while SecretBytes");
}

TEST(SecretArenaDeathTest, BlockReleasedTwiceEndsTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        auto arena = MakeArena(4096);
        SecretBytes bytes = arena->Allocate(1).value();
        alignas(SecretBytes) unsigned char copy[sizeof(SecretBytes)];
        std::memcpy(copy, static_cast<const void*>(&bytes), sizeof(copy));  // what no API allows
        reinterpret_cast<SecretBytes*>(copy)->~SecretBytes();
      },
      "released twice");
}

TEST(SecretArenaDeathTest, RunningOffEitherEndFaults) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  auto arena = MakeArena(4096);
  SecretBytes all = arena->Allocate(arena->capacity_bytes()).value();
  volatile uint8_t* data = all.data();
  EXPECT_DEATH(data[all.size()] = 1, "");
  EXPECT_DEATH(data[-1] = 1, "");
}

TEST(WipeTest, Overwrites) {
  std::vector<uint8_t> bytes(100, 0xff);
  Wipe(absl::MakeSpan(bytes));
  EXPECT_TRUE(AllZero(bytes));
  Wipe({});
}

TEST(WipeTest, WhatIsMovedOutStaysNowhere) {
  std::vector<uint8_t> from = {1, 2, 3, 4};
  std::vector<uint8_t> out(3);
  MoveOut(absl::MakeSpan(from), absl::MakeSpan(out));
  EXPECT_EQ(out, (std::vector<uint8_t>{1, 2, 3}));
  EXPECT_TRUE(AllZero(from)) << "what nobody wanted, too";
}

}  // namespace
}  // namespace entropyd
