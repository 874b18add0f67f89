#include "hostagent/serving/clone_guard.h"

#include <openssl/evp.h>

#include <array>

#include "base/crypto/kernel_random.h"
#include "base/crypto/secret_bytes.h"

namespace entropyd {

absl::StatusOr<std::unique_ptr<CloneGuard>> CloneGuard::Create(Options options) {
  if (!options.kernel) options.kernel = FillFromKernel;
  EVP_CIPHER_CTX* const cipher = EVP_CIPHER_CTX_new();
  if (cipher == nullptr ||
      EVP_EncryptInit_ex(cipher, EVP_aes_256_ctr(), nullptr, nullptr, nullptr) != 1) {
    EVP_CIPHER_CTX_free(cipher);
    return absl::InternalError("make a key stream: OpenSSL refuses AES-256-CTR");
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
  static constexpr uint8_t kFromZero[16] = {};
  std::array<uint8_t, kKeyBytes> key;
  const bool taken = kernel_(absl::MakeSpan(key)) &&
                     EVP_EncryptInit_ex(cipher_, nullptr, nullptr, key.data(), kFromZero) == 1;
  Cleanse(absl::MakeSpan(key));
  return taken;
}

bool CloneGuard::Mix(absl::Span<uint8_t> bytes) {
  if (!keyed_) keyed_ = TakeKey();
  int done = 0;
  if (keyed_ && EVP_EncryptUpdate(cipher_, bytes.data(), &done, bytes.data(),
                                  static_cast<int>(bytes.size())) == 1) {
    return true;
  }
  keyed_ = false;
  Cleanse(bytes);
  return false;
}

void CloneGuard::EndTurn() {
  looked_ = false;
  keyed_ = false;
}

}  // namespace entropyd
