#include "hostagent/serving/clone_guard.h"

#include <openssl/evp.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/child_bytes.h"

namespace entropyd {
namespace {

using Bytes = std::vector<uint8_t>;

Bytes MixZeros(CloneGuard* guard, size_t bytes) {
  Bytes out(bytes);
  EXPECT_TRUE(guard->Mix(absl::MakeSpan(out)));
  return out;
}

// One whose kernel always gives the same.
std::unique_ptr<CloneGuard> Made(uint8_t byte) {
  CloneGuard::Options options;
  options.kernel = [byte](absl::Span<uint8_t> out) {
    EXPECT_LE(out.size(), CloneGuard::kDirectBytes);
    std::fill(out.begin(), out.end(), byte);
    return true;
  };
  return CloneGuard::Create(std::move(options)).value();
}

TEST(CloneGuardTest, AnyKeyMakesOtherBytesAndTheSameKeyTheSame) {
  EXPECT_EQ(MixZeros(Made(1).get(), 64), MixZeros(Made(1).get(), 64));
  EXPECT_NE(MixZeros(Made(1).get(), 64), MixZeros(Made(2).get(), 64));
  EXPECT_NE(MixZeros(Made(1).get(), 64), Bytes(64));
}

TEST(CloneGuardTest, MixingIsXorSoThatNothingIsLost) {
  Bytes bytes(100, 0x5a);
  ASSERT_TRUE(Made(1)->Mix(absl::MakeSpan(bytes)));
  const Bytes stream = MixZeros(Made(1).get(), 100);
  for (size_t i = 0; i < bytes.size(); ++i) EXPECT_EQ(bytes[i] ^ stream[i], 0x5a);
}

// What OpenSSL's own counter mode makes of zeros.
Bytes CounterMode(uint8_t key_byte, size_t bytes) {
  const Bytes key(CloneGuard::kKeyBytes, key_byte), from_zero(16);
  Bytes out(bytes);
  EVP_CIPHER_CTX* const cipher = EVP_CIPHER_CTX_new();
  int done = 0;
  EXPECT_EQ(EVP_EncryptInit_ex(cipher, EVP_aes_256_ctr(), nullptr, key.data(), from_zero.data()),
            1);
  EXPECT_EQ(EVP_EncryptUpdate(cipher, out.data(), &done, out.data(), static_cast<int>(bytes)), 1);
  EVP_CIPHER_CTX_free(cipher);
  return out;
}

TEST(CloneGuardTest, ThePadIsAesInCounterModeWhateverPiecesItLeavesIn) {
  auto guard = Made(1);
  Bytes pad;
  for (size_t next : {65, 1, 16, 46, 1'000, 1'024, 2'848}) {
    const Bytes piece = MixZeros(guard.get(), next);
    pad.insert(pad.end(), piece.begin(), piece.end());
  }
  EXPECT_EQ(pad, CounterMode(1, 5'000));
  EXPECT_EQ(MixZeros(Made(1).get(), 5'000), pad);
}

TEST(CloneGuardTest, ATurnAsksTheKernelOnceAndNeverRepeatsItsStream) {
  int asked = 0;
  auto guard = CloneGuard::Create({.kernel = [&](absl::Span<uint8_t>) {
                 ++asked;
                 return true;
               }}).value();
  guard->EndTurn();
  EXPECT_EQ(asked, 0) << "nobody took anything";
  const Bytes first = MixZeros(guard.get(), 65);
  EXPECT_NE(first, MixZeros(guard.get(), 65));
  EXPECT_EQ(asked, 1);
  guard->EndTurn();
  MixZeros(guard.get(), 65);
  EXPECT_EQ(asked, 2);
}

TEST(CloneGuardTest, AFewBytesAreMixedWithTheKernelsAndMoreOfTheTurnWithAPad) {
  std::vector<size_t> asked;
  CloneGuard::Options options;
  options.kernel = [&](absl::Span<uint8_t> out) {
    asked.push_back(out.size());
    std::fill(out.begin(), out.end(), uint8_t{1});
    return true;
  };
  auto guard = CloneGuard::Create(std::move(options)).value();
  EXPECT_EQ(MixZeros(guard.get(), 40), Bytes(40, 1));
  Bytes pad = MixZeros(guard.get(), 40);
  const Bytes more = MixZeros(guard.get(), 10);
  pad.insert(pad.end(), more.begin(), more.end());
  EXPECT_EQ(pad, CounterMode(1, 50)) << "nothing of the first bytes is used twice";
  guard->EndTurn();
  EXPECT_EQ(MixZeros(guard.get(), 64), Bytes(64, 1));
  guard->EndTurn();
  EXPECT_EQ(MixZeros(guard.get(), 1), Bytes(1, 1));
  EXPECT_EQ(asked, (std::vector<size_t>{40, CloneGuard::kKeyBytes, 64, 1}));
}

TEST(CloneGuardTest, ARefusalWipesTheBytesAndIsNoEnd) {
  bool gives = false;
  auto guard = CloneGuard::Create({.kernel = [&](absl::Span<uint8_t>) { return gives; }}).value();
  Bytes bytes(64, 0x5a);
  EXPECT_FALSE(guard->Mix(absl::MakeSpan(bytes)));
  EXPECT_EQ(bytes, Bytes(64));
  gives = true;
  EXPECT_TRUE(guard->Mix(absl::MakeSpan(bytes)));
}

TEST(CloneGuardTest, ResumesAreLookedForOnceATurn) {
  int64_t boot = 0;
  CloneGuard::Options options;
  options.machine.monotonic_nanos = [] { return 0; };
  options.machine.boot_nanos = [&] { return boot; };
  options.machine.vmclock = "/nowhere";
  auto guard = CloneGuard::Create(std::move(options)).value();
  EXPECT_EQ(guard->resumes(), 0u);
  boot = 1'000'000'000;
  EXPECT_EQ(guard->resumes(), 0u);
  guard->EndTurn();
  EXPECT_EQ(guard->resumes(), 1u);
  guard->EndTurn();
  EXPECT_EQ(guard->resumes(), 1u);
}

// A fork copies all that the guard remembers, as a snapshot does.
TEST(CloneGuardTest, ACopyOfThisProcessMixesOtherBytes) {
  auto guard = CloneGuard::Create({}).value();
  MixZeros(guard.get(), 64);
  guard->EndTurn();
  const Bytes others = ChildBytes(64, [&](absl::Span<uint8_t> bytes) { return guard->Mix(bytes); });
  EXPECT_NE(MixZeros(guard.get(), 64), others);
}

}  // namespace
}  // namespace entropyd
