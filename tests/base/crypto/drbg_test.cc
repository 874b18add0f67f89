#include "base/crypto/drbg.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"

namespace entropyd {
namespace {

using Bytes = std::vector<uint8_t>;

Bytes FromHex(absl::string_view hex) {
  const std::string raw = absl::HexStringToBytes(hex);
  return Bytes(raw.begin(), raw.end());
}

class DrbgTest : public ::testing::Test {
 protected:
  std::unique_ptr<CtrDrbg> Make() { return CtrDrbg::Create(provider_.get()).value(); }

  static Bytes Generate(CtrDrbg* drbg, size_t n, const Bytes& additional = {}) {
    Bytes out(n);
    EXPECT_TRUE(drbg->Generate(absl::MakeSpan(out), additional).ok());
    return out;
  }

  const std::unique_ptr<SeedProvider> provider_ = SeedProvider::Create().value();
  const Bytes seed_ = Bytes(CtrDrbg::kSeedBytes, 7);
};

TEST_F(DrbgTest, M11_SelfTestPasses) { EXPECT_TRUE(CtrDrbg::SelfTest(provider_.get()).ok()); }

// CAVP DRBGVS, CTR_DRBG.rsp, [AES-256 no df], no reseed, COUNT = 0.
TEST_F(DrbgTest, M11_GivesThePublishedAnswer) {
  std::unique_ptr<CtrDrbg> drbg = Make();
  ASSERT_TRUE(drbg->Instantiate(FromHex("df5d73faa468649edda33b5cca79b0b05600419ccb7a879d"
                                        "dfec9db32ee494e5531b51de16a30f769262474c73bec010"),
                                "")
                  .ok());
  Generate(drbg.get(), 64);
  EXPECT_EQ(Generate(drbg.get(), 64),
            FromHex("d1c07cd95af8a7f11012c84ce48bb8cb87189e99d40fccb1771c619bdf82ab22"
                    "80b1dc2f2581f39164f7ac0c510494b3a43c41b7db17514c87b107ae793e01c5"));
}

TEST_F(DrbgTest, EveryInputChangesTheOutput) {
  std::unique_ptr<CtrDrbg> drbg = Make();
  std::vector<Bytes> outputs;
  Bytes other_seed = seed_;
  other_seed[47] ^= 1;
  for (const Bytes& seed : {seed_, other_seed}) {
    for (const char* personalization : {"", "a"}) {
      for (const Bytes& additional : {Bytes(), Bytes(32, 1)}) {
        ASSERT_TRUE(drbg->Instantiate(seed, personalization).ok());
        outputs.push_back(Generate(drbg.get(), 32, additional));
      }
    }
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    for (size_t j = 0; j < i; ++j) EXPECT_NE(outputs[i], outputs[j]) << i << " " << j;
  }
}

TEST_F(DrbgTest, M16_ReseedingChangesTheOutput) {
  std::unique_ptr<CtrDrbg> a = Make(), b = Make();
  ASSERT_TRUE(a->Instantiate(seed_, "").ok());
  ASSERT_TRUE(b->Instantiate(seed_, "").ok());
  EXPECT_EQ(Generate(a.get(), 32), Generate(b.get(), 32));
  ASSERT_TRUE(b->Reseed(Bytes(CtrDrbg::kSeedBytes, 8), {}).ok());
  EXPECT_NE(Generate(a.get(), 32), Generate(b.get(), 32));
}

TEST_F(DrbgTest, AdditionalInputOfAReseedingChangesTheOutput) {
  std::unique_ptr<CtrDrbg> a = Make(), b = Make();
  for (const auto& [drbg, additional] : {std::pair{a.get(), Bytes()}, {b.get(), Bytes(48, 1)}}) {
    ASSERT_TRUE(drbg->Instantiate(seed_, "").ok());
    ASSERT_TRUE(drbg->Reseed(Bytes(CtrDrbg::kSeedBytes, 8), additional).ok());
  }
  EXPECT_NE(Generate(a.get(), 32), Generate(b.get(), 32));
}

TEST_F(DrbgTest, LongRequestsAreServedByManyAndNeverRepeat) {
  std::unique_ptr<CtrDrbg> drbg = Make();
  ASSERT_TRUE(drbg->Instantiate(seed_, "").ok());
  const Bytes out = Generate(drbg.get(), 3 * CtrDrbg::kMaxRequestBytes + 1, Bytes(32, 1));
  const auto chunk = [&](size_t i) {
    return Bytes(out.begin() + i * CtrDrbg::kMaxRequestBytes,
                 out.begin() + (i + 1) * CtrDrbg::kMaxRequestBytes);
  };
  EXPECT_NE(chunk(0), chunk(1));
  EXPECT_NE(chunk(1), chunk(2));
}

TEST_F(DrbgTest, M11_GivesNothingWithoutASeed) {
  std::unique_ptr<CtrDrbg> drbg = Make();
  Bytes out(16, 0xee);
  EXPECT_EQ(drbg->Generate(absl::MakeSpan(out), {}).code(), absl::StatusCode::kInternal);
  EXPECT_EQ(out, Bytes(16, 0));
  ASSERT_TRUE(drbg->Instantiate(seed_, "").ok());
  drbg->Uninstantiate();
  EXPECT_FALSE(drbg->instantiated());
  EXPECT_FALSE(drbg->Generate(absl::MakeSpan(out), {}).ok());
}

TEST_F(DrbgTest, ShortSeedIsRefusedAndStopsIt) {
  std::unique_ptr<CtrDrbg> drbg = Make();
  EXPECT_FALSE(drbg->Instantiate(Bytes(47, 1), "").ok());
  ASSERT_TRUE(drbg->Instantiate(seed_, "").ok());
  EXPECT_FALSE(drbg->Reseed(Bytes(47, 1), {}).ok());
  Bytes out(16);
  EXPECT_FALSE(drbg->Generate(absl::MakeSpan(out), {}).ok());
  EXPECT_TRUE(drbg->Instantiate(seed_, "").ok());
}

TEST_F(DrbgTest, ManyMoreCallsThanOpenSslsOwnReseedLimitSucceed) {
  std::unique_ptr<CtrDrbg> drbg = Make();
  ASSERT_TRUE(drbg->Instantiate(seed_, "").ok());
  for (int i = 0; i < 1000; ++i) Generate(drbg.get(), 16);  // its default for children is 256
}

// CTR_DRBG with AES-256 as in SP 800-90A 10.2.1, with a state that tests can read.
class OpenDrbg {
 public:
  explicit OpenDrbg(const Bytes& seed) { Update(seed); }
  Bytes Generate(size_t blocks) {
    Bytes out;
    for (size_t i = 0; i < blocks; ++i) {
      AddToCounter(1);
      const Bytes block = Encrypt();
      out.insert(out.end(), block.begin(), block.end());
    }
    Update(Bytes(CtrDrbg::kSeedBytes, 0));
    return out;
  }
  void Update(const Bytes& seed) {
    Bytes next;
    for (int i = 0; i < 3; ++i) {
      AddToCounter(1);
      const Bytes block = Encrypt();
      next.insert(next.end(), block.begin(), block.end());
    }
    for (size_t i = 0; i < next.size(); ++i) next[i] ^= seed[i];
    key_.assign(next.begin(), next.begin() + 32);
    counter_.assign(next.begin() + 32, next.end());
  }
  // What that key gives at this distance from the counter. Anyone with the state can compute it.
  Bytes At(int distance) {
    const Bytes counter = counter_;
    AddToCounter(distance);
    const Bytes block = Encrypt();
    counter_ = counter;
    return block;
  }

 private:
  void AddToCounter(int n) {
    for (size_t i = 16; i-- > 0;) {
      n += counter_[i];
      counter_[i] = static_cast<uint8_t>(n & 0xff);
      n >>= 8;
    }
  }
  Bytes Encrypt() const {
    Bytes block(16);
    int n = 0;
    std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> cipher(EVP_CIPHER_CTX_new(),
                                                                           &EVP_CIPHER_CTX_free);
    EXPECT_EQ(EVP_EncryptInit_ex(cipher.get(), EVP_aes_256_ecb(), nullptr, key_.data(), nullptr),
              1);
    EXPECT_EQ(EVP_EncryptUpdate(cipher.get(), block.data(), &n, counter_.data(), 16), 1);
    return block;
  }
  Bytes key_ = Bytes(32, 0), counter_ = Bytes(16, 0);
};

// Someone who learns the whole state after some output cannot compute that output …
TEST_F(DrbgTest, M16_StateAfterACallDoesNotLeadBackToItsOutput) {
  std::unique_ptr<CtrDrbg> drbg = Make();
  ASSERT_TRUE(drbg->Instantiate(seed_, "").ok());
  OpenDrbg disclosed(seed_);
  std::set<Bytes> earlier;
  for (int call = 0; call < 10; ++call) {
    const Bytes out = Generate(drbg.get(), 64);
    ASSERT_EQ(disclosed.Generate(4), out) << "this is the state of ours, call " << call;
    for (auto at = out.begin(); at != out.end(); at += 16) earlier.emplace(at, at + 16);
    for (int distance = -1000; distance <= 1000; ++distance) {
      ASSERT_EQ(earlier.count(disclosed.At(distance)), 0u) << distance;
    }
  }
}

// … and cannot compute the output after the next seed.
TEST_F(DrbgTest, M16_OneSeedAfterADisclosureMakesLaterOutputSafe) {
  std::unique_ptr<CtrDrbg> drbg = Make();
  ASSERT_TRUE(drbg->Instantiate(seed_, "").ok());
  OpenDrbg disclosed(seed_), informed(seed_);
  const Bytes fresh(CtrDrbg::kSeedBytes, 9);
  ASSERT_TRUE(drbg->Reseed(fresh, {}).ok());
  informed.Update(fresh);
  const Bytes out = Generate(drbg.get(), 64);
  EXPECT_NE(disclosed.Generate(4), out);
  EXPECT_EQ(informed.Generate(4), out) << "nothing but the seed makes the difference";
}

// In a child process OpenSSL wants a new seed and finds none, so no output is given twice.
TEST_F(DrbgTest, M14_ForkedChildGetsNothing) {
  std::unique_ptr<CtrDrbg> drbg = Make();
  ASSERT_TRUE(drbg->Instantiate(seed_, "").ok());
  Bytes out(16);
  const pid_t child = fork();
  if (child == 0) _exit(drbg->Generate(absl::MakeSpan(out), {}).ok() ? 1 : 0);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  EXPECT_TRUE(drbg->Generate(absl::MakeSpan(out), {}).ok());
}

}  // namespace
}  // namespace entropyd
