#include "server/pool/conditioner.h"

#include <openssl/evp.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/crypto/secret_bytes.h"

namespace entropyd {
namespace {

constexpr long double kLn2 = 0.693147180559945309417232121458176568L;

// max(psi, omega) * 2^n - 1 of SP 800-90B 3.1.5.1.2; all else follows from it. Exponents are added
// before the power of two is taken, so 2^n_in itself is never computed.
long double Excess(long double n_in, long double n, long double h_in) {
  const long double p_high = std::exp2(-h_in);
  // P_low * 2^n_in = (1 - P_high) / (1 - 2^-n_in) = 1 + low
  const long double low = (std::exp2(-n_in) - p_high) / (1 - std::exp2(-n_in));
  const long double psi = low + std::exp2(n - h_in);
  const long double spread = std::sqrt(2 * n * kLn2) * std::exp2(-(n_in - n) / 2);
  const long double omega = low + spread + low * spread;
  return std::max(psi, omega);
}

}  // namespace

double OutputEntropy(double n_in, double n_out, double nw, double h_in) {
  const long double n = std::min(n_out, nw);
  return static_cast<double>(n - std::log1p(Excess(n_in, n, h_in)) / kLn2);
}

double OutputEntropyDeficitLog2(double n_in, double n_out, double nw, double h_in) {
  const long double n = std::min(n_out, nw);
  return static_cast<double>(std::log2(std::log1p(Excess(n_in, n, h_in)) / kLn2 / n));
}

absl::StatusOr<Sha512> Sha512::Create() {
  Sha512 hash;
  hash.context_ = EVP_MD_CTX_new();
  if (hash.context_ == nullptr || EVP_DigestInit_ex(hash.context_, EVP_sha512(), nullptr) != 1) {
    return absl::InternalError("start SHA-512: OpenSSL refused");
  }
  return hash;
}

Sha512::Sha512(Sha512&& other) noexcept
    : context_(std::exchange(other.context_, nullptr)), failed_(other.failed_) {}

Sha512& Sha512::operator=(Sha512&& other) noexcept {
  std::swap(context_, other.context_);
  failed_ = other.failed_;
  return *this;
}

Sha512::~Sha512() { EVP_MD_CTX_free(context_); }

void Sha512::Update(absl::Span<const uint8_t> bytes) {
  failed_ |= EVP_DigestUpdate(context_, bytes.data(), bytes.size()) != 1;
}

absl::Status Sha512::Finish(absl::Span<uint8_t> digest) {
  const bool failed = EVP_DigestFinal_ex(context_, digest.data(), nullptr) != 1 || failed_;
  Restart();
  if (!failed) return absl::OkStatus();
  Wipe(digest);
  return absl::InternalError("compute SHA-512: OpenSSL failed");
}

void Sha512::Restart() { failed_ = EVP_DigestInit_ex(context_, nullptr, nullptr) != 1; }

absl::StatusOr<std::unique_ptr<Conditioner>> Conditioner::Create(int sources) {
  absl::StatusOr<Sha512> hash = Sha512::Create();
  if (!hash.ok()) return hash.status();
  return std::unique_ptr<Conditioner>(new Conditioner(*std::move(hash), sources));
}

absl::Status Conditioner::CreateSome(size_t count, std::vector<std::unique_ptr<Conditioner>>* out) {
  for (size_t i = 0; i < count; ++i) {
    absl::StatusOr<std::unique_ptr<Conditioner>> one = Create(static_cast<int>(count));
    if (!one.ok()) return one.status();
    out->push_back(*std::move(one));
  }
  return absl::OkStatus();
}

Conditioner::Conditioner(Sha512 hash, int sources) : hash_(std::move(hash)), bits_(sources, 0.0) {}

size_t Conditioner::BytesToBlockEnd(int source, double bits_per_byte) const {
  const double by_entropy =
      bits_per_byte > 0 ? std::ceil((kBlockEntropyBits - bits_[source]) / bits_per_byte) : HUGE_VAL;
  const double by_length =
      static_cast<double>(kBlockInputBytes) - static_cast<double>(input_bytes_);
  const double bytes = std::max(by_entropy, by_length);
  return bytes >= 1e18 ? SIZE_MAX : static_cast<size_t>(std::max(bytes, 1.0));
}

size_t Conditioner::Add(int source, absl::Span<const uint8_t> samples, double bits_per_byte,
                        bool fill) {
  if (static_cast<size_t>(source) >= bits_.size()) bits_.resize(source + 1, 0.0);
  if (fill && Ready()) return 0;
  const size_t taken =
      fill ? std::min(samples.size(), BytesToBlockEnd(source, bits_per_byte)) : samples.size();
  hash_.Update(samples.subspan(0, taken));
  bits_[source] += static_cast<double>(taken) * bits_per_byte;
  input_bytes_ += taken;
  return taken;
}

double Conditioner::entropy_bits() const { return *std::max_element(bits_.begin(), bits_.end()); }

bool Conditioner::Ready() const {
  return entropy_bits() >= kBlockEntropyBits && input_bytes_ >= kBlockInputBytes;
}

absl::Status Conditioner::Finish(absl::Span<uint8_t> block) {
  std::fill(bits_.begin(), bits_.end(), 0.0);
  input_bytes_ = 0;
  return hash_.Finish(block);
}

void Conditioner::Reset() {
  hash_.Restart();
  std::fill(bits_.begin(), bits_.end(), 0.0);
  input_bytes_ = 0;
}

}  // namespace entropyd
