// Keeps two copies of this process's memory, as after a snapshot of its machine that was started
// twice, from handing out the same bytes.
//
//   guard.resumes();           // has changed: drop what nobody but one may have
//   guard.Mix(bytes);          // on their way out
//   guard.EndTurn();           // before the loop sleeps
//
// Bytes leave XORed with a pad. Each turn of the loop in which bytes leave has a pad of its own,
// begun with the first of them. Up to 64 bytes, as much as most turns need, are the kernel's own
// (VdsoRandom). Longer ones are AES-256 in counter mode (NIST SP 800-38A, 6.5) with 32 bytes of the
// kernel's as its key. The kernel learns of a restored machine, and gives each copy other bytes.
// Bytes that nobody can guess stay so after any mixing. Somebody who learns an old pad learns
// nothing, because the bytes that it was mixed with are wiped.
//
// Errors: INTERNAL (OpenSSL) of Create(); Mix() says when the kernel gives nothing.
//
// Thread safety: none; belongs to the event loop's thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "hostagent/serving/resume_watch.h"

typedef struct evp_cipher_ctx_st EVP_CIPHER_CTX;

namespace entropyd {

class CloneGuard {
 public:
  static constexpr size_t kKeyBytes = 32;
  // The most of a turn's first bytes that the kernel makes the pad of.
  static constexpr size_t kDirectBytes = 64;

  struct Options {
    // Fills all of the span with the kernel's bytes; absent = a VdsoRandom's.
    std::function<bool(absl::Span<uint8_t>)> kernel = nullptr;
    ResumeWatch::Machine machine = {};
  };
  static absl::StatusOr<std::unique_ptr<CloneGuard>> Create(Options options);
  CloneGuard(const CloneGuard&) = delete;
  CloneGuard& operator=(const CloneGuard&) = delete;
  ~CloneGuard();

  // How often the machine was resumed since the start. Looks once a turn.
  uint64_t resumes();
  // The same as of the last look.
  uint64_t known_resumes() const { return resumes_; }
  // The last time, by what sign it was known.
  const std::string& resumed_because() const { return watch_.reason(); }

  // False: the kernel or OpenSSL refuses, and `bytes` are wiped. The next call tries again. Asks
  // the kernel once a turn, and twice when the first bytes of a turn were few.
  bool Mix(absl::Span<uint8_t> bytes);
  void EndTurn();

 private:
  using Block = std::array<uint64_t, 2>;
  static constexpr size_t kPadBlocks = 64;

  CloneGuard(Options options, EVP_CIPHER_CTX* cipher);
  bool TakeKey();
  // Makes the turn's next part of the pad: of the kernel's bytes, or with a key. The first with a
  // key is as long as its bytes need, all others are as long as they can be.
  bool MakePad(size_t bytes);
  void EndPad();

  const std::function<bool(absl::Span<uint8_t>)> kernel_;
  EVP_CIPHER_CTX* const cipher_;
  ResumeWatch watch_;
  uint64_t resumes_ = 0;
  bool looked_ = false;
  bool keyed_ = false;
  // How many blocks the turn's key has encrypted.
  uint64_t counter_ = 0;
  // Of its first `made_` bytes the first `used_` are used.
  std::array<Block, kPadBlocks> pad_ = {};
  size_t made_ = 0;
  size_t used_ = 0;
};

}  // namespace entropyd
