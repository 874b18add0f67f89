#include "hostagent/serving/clone_guard.h"

#include <endian.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/crypto/secret_bytes.h"
#include "base/crypto/vdso_random.h"

namespace entropyd {
namespace {

// Word by word, which is quicker: the compiler cannot know that the two do not overlap.
void Xor(absl::Span<uint8_t> bytes, const uint8_t* pad) {
  size_t at = 0;
  for (; at + sizeof(uint64_t) <= bytes.size(); at += sizeof(uint64_t)) {
    uint64_t word;
    uint64_t other;
    memcpy(&word, &bytes[at], sizeof word);
    memcpy(&other, pad + at, sizeof other);
    word ^= other;
    memcpy(&bytes[at], &word, sizeof word);
  }
  for (; at < bytes.size(); ++at) bytes[at] ^= pad[at];
}

}  // namespace

absl::StatusOr<std::unique_ptr<CloneGuard>> CloneGuard::Create(Options options) {
  if (!options.kernel) {
    options.kernel = [random = std::make_shared<VdsoRandom>()](absl::Span<uint8_t> out) {
      return random->Fill(out);
    };
  }
  // Padding stays on: it would matter at the end of a message, which never comes, and each new key
  // costs more without it.
  EVP_CIPHER_CTX* const cipher = EVP_CIPHER_CTX_new();
  if (cipher == nullptr ||
      EVP_EncryptInit_ex(cipher, EVP_aes_256_ecb(), nullptr, nullptr, nullptr) != 1) {
    EVP_CIPHER_CTX_free(cipher);
    return absl::InternalError("mix bytes on their way out: OpenSSL refuses AES-256");
  }
  return std::unique_ptr<CloneGuard>(new CloneGuard(std::move(options), cipher));
}

CloneGuard::CloneGuard(Options options, EVP_CIPHER_CTX* cipher)
    : kernel_(std::move(options.kernel)), cipher_(cipher), watch_(std::move(options.machine)) {}

CloneGuard::~CloneGuard() { EVP_CIPHER_CTX_free(cipher_); }

uint64_t CloneGuard::resumes() {
  if (!std::exchange(looked_, true) && watch_.Resumed()) ++resumes_;
  return resumes_;
}

// No key is used in two turns, so each may count from 0.
bool CloneGuard::TakeKey() {
  std::array<uint8_t, kKeyBytes> key;
  const bool taken = kernel_(absl::MakeSpan(key)) &&
                     EVP_EncryptInit_ex(cipher_, nullptr, nullptr, key.data(), nullptr) == 1;
  Wipe(absl::MakeSpan(key));
  counter_ = 0;
  return taken;
}

// The blocks are counted here, and encrypted where they lie. OpenSSL's own counter mode needs as
// long again to take a key, which is most of what a turn with one small request costs.
bool CloneGuard::MakePad(size_t bytes) {
  if (made_ == 0 && bytes <= kDirectBytes) {
    if (!kernel_({reinterpret_cast<uint8_t*>(pad_.data()), bytes})) return false;
    made_ = bytes;
    return true;
  }
  const bool first = !keyed_;
  if (first) {
    EndPad();
    if (!TakeKey()) return false;
    keyed_ = true;
  }
  const size_t needed = (bytes + sizeof(Block) - 1) / sizeof(Block);
  const size_t blocks = first ? std::min(needed, kPadBlocks) : kPadBlocks;
  for (size_t i = 0; i < blocks; ++i) pad_[i] = {0, htobe64(counter_++)};
  auto* const pad = reinterpret_cast<uint8_t*>(pad_.data());
  made_ = blocks * sizeof(Block);
  used_ = 0;
  int done = 0;
  return EVP_EncryptUpdate(cipher_, pad, &done, pad, static_cast<int>(made_)) == 1;
}

bool CloneGuard::Mix(absl::Span<uint8_t> bytes) {
  for (absl::Span<uint8_t> left = bytes; !left.empty();) {
    if (used_ == made_ && !MakePad(left.size())) {
      EndPad();
      Wipe(bytes);
      return false;
    }
    const size_t n = std::min(left.size(), made_ - used_);
    Xor(left.first(n), reinterpret_cast<const uint8_t*>(pad_.data()) + used_);
    used_ += n;
    left.remove_prefix(n);
  }
  return true;
}

void CloneGuard::EndPad() {
  Wipe(absl::MakeSpan(reinterpret_cast<uint8_t*>(pad_.data()), made_));
  made_ = used_ = 0;
  keyed_ = false;
}

void CloneGuard::EndTurn() {
  looked_ = false;
  if (made_ > 0) EndPad();
}

}  // namespace entropyd
