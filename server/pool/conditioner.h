// Vetted conditioning with entropy accounting (SP 800-90B 3.1.5, SP 800-90C full-entropy rule).
//
// One Conditioner serves one group of sources. It hashes their samples together with SHA-512 until
// they are worth a block of 512 full-entropy bits. Sources of one group share a root, so the group
// is worth as much as its best source, never the sum.
//
//   conditioner->Add(source, samples, bits_per_byte);
//   if (conditioner->Ready()) conditioner->Finish(block);
//
// Errors: INTERNAL when OpenSSL fails. It does no I/O and reads no clock.
//
// Thread safety: one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

typedef struct evp_md_st EVP_MD;
typedef struct evp_md_ctx_st EVP_MD_CTX;

namespace entropyd {

// SP 800-90B 3.1.5.1.2, Output_Entropy(n_in, n_out, nw, h_in), in bits: the worth of n_out bits of
// a vetted conditioning function of narrowest width nw, when n_in bits worth h_in went in.
// REQUIRES: 0 <= h_in <= n_in, n_in >= min(n_out, nw) >= 1.
double OutputEntropy(double n_in, double n_out, double nw, double h_in);

// log2(1 - OutputEntropy / min(n_out, nw)): the distance from full entropy; -infinity when there is
// none. The double that OutputEntropy() returns is too coarse for a difference of 2^-71.
double OutputEntropyDeficitLog2(double n_in, double n_out, double nw, double h_in);

// A running SHA-512.
class Sha512 {
 public:
  static constexpr size_t kBytes = 64;
  // Errors: INTERNAL when OpenSSL has no SHA-512.
  static absl::StatusOr<Sha512> Create();
  Sha512(Sha512&&) noexcept;
  Sha512& operator=(Sha512&&) noexcept;
  ~Sha512();
  void Update(absl::Span<const uint8_t> bytes);
  // Writes the digest of the bytes since the last Finish() and begins again. REQUIRES: `digest` is
  // kBytes long. Errors: INTERNAL when OpenSSL has failed since then; the digest is then wiped.
  absl::Status Finish(absl::Span<uint8_t> digest);
  void Restart();

 private:
  Sha512() = default;
  EVP_MD_CTX* context_ = nullptr;
  bool failed_ = false;
};

class Conditioner {
 public:
  static constexpr size_t kBlockBytes = Sha512::kBytes;
  // Full entropy out of n_out bits takes n_out + 64 bits of entropy (SP 800-90C) …
  static constexpr double kBlockEntropyBits = 8 * kBlockBytes + 64;
  // … in an input of at least n_out + 128 bits.
  static constexpr uint64_t kBlockInputBytes = kBlockBytes + 128 / 8;

  // Makes a conditioner for the sources 0 .. sources-1. Add() makes room for those above.
  static absl::StatusOr<std::unique_ptr<Conditioner>> Create(int sources);
  // Appends `count` of them, each for as many sources.
  static absl::Status CreateSome(size_t count, std::vector<std::unique_ptr<Conditioner>>* out);

  // Takes samples of one source, each byte worth `bits_per_byte`, up to the end of the open block,
  // and returns how many bytes it took. When `fill` is true it takes no more than the block needs.
  // When `fill` is false no block is wanted now, and it takes all of them; the surplus helps and is
  // not counted.
  size_t Add(int source, absl::Span<const uint8_t> samples, double bits_per_byte, bool fill);

  bool Ready() const;
  // Writes a block of full entropy and begins the next. REQUIRES: Ready(), and `block` is
  // kBlockBytes long. Errors: INTERNAL when the hash failed. Then there is no block, and no weaker
  // one either.
  absl::Status Finish(absl::Span<uint8_t> block);
  // Drops what went in since the last block, because some of it came from a source that failed.
  void Reset();

  // The bits that the open block is worth so far.
  double entropy_bits() const;

 private:
  Conditioner(Sha512 hash, int sources);
  size_t BytesToBlockEnd(int source, double bits_per_byte) const;

  Sha512 hash_;
  // The bits that each source gave to the open block.
  std::vector<double> bits_;
  // The bytes that went into the open block.
  uint64_t input_bytes_ = 0;
};

}  // namespace entropyd
