// Memory for secrets: it is not swapped, not dumped, not inherited, and not left behind.
//
// A SecretArena is one anonymous mapping between two guard pages, with mlock, MADV_DONTDUMP and
// MADV_WIPEONFORK (a forked child reads zeros there, and holds no lock). A SecretBytes is a block
// of an arena. Its destructor wipes it (explicit_bzero). The process ends when a block is
// released twice, or when an arena is destroyed before its blocks: secrets may be mixed up already.
//
//   auto arena = SecretArena::Create(1 << 20, SecretArena::Locking::kBestEffort).value();
//   SecretBytes key = arena->Allocate(48).value();
//
// Thread safety: SecretArena is safe; a SecretBytes belongs to one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace entropyd {

// Overwrites the bytes with zeros. The compiler may not remove it.
void Wipe(absl::Span<uint8_t> bytes);

// Copies the first out.size() bytes of `from` into `out`, and wipes all of `from`. REQUIRES: it has
// so many.
void MoveOut(absl::Span<uint8_t> from, absl::Span<uint8_t> out);

class SecretArena;

// Owns a block of secret bytes. REQUIRES: its arena outlives it.
class SecretBytes {
 public:
  SecretBytes() = default;
  SecretBytes(SecretBytes&& other) noexcept;
  SecretBytes& operator=(SecretBytes&& other) noexcept;
  ~SecretBytes();  // wipes

  uint8_t* data() { return data_; }
  const uint8_t* data() const { return data_; }
  size_t size() const { return size_; }
  absl::Span<uint8_t> span() { return {data_, size_}; }
  absl::Span<const uint8_t> span() const { return {data_, size_}; }

 private:
  friend class SecretArena;
  SecretBytes(SecretArena* arena, uint8_t* data, size_t size, size_t block)
      : arena_(arena), data_(data), size_(size), block_(block) {}
  SecretArena* arena_ = nullptr;
  uint8_t* data_ = nullptr;
  size_t size_ = 0;
  size_t block_ = 0;  // bytes of the arena it holds
};

class SecretArena {
 public:
  enum class Locking { kBestEffort, kRequired };

  // Reserves `bytes` of address space, rounded up to pages. Memory becomes resident when it is
  // used. kBestEffort locks pages when they are allocated. kRequired locks the whole range at once,
  // so that no later allocation can be unlocked.
  // Errors: RESOURCE_EXHAUSTED, with the remedy, when kRequired and RLIMIT_MEMLOCK or CAP_IPC_LOCK
  // do not allow it; INVALID_ARGUMENT for 0 bytes; as ErrnoStatus when the kernel cannot map or
  // mark the memory.
  static absl::StatusOr<std::unique_ptr<SecretArena>> Create(size_t bytes, Locking locking);
  ~SecretArena();

  // Gives zeroed bytes that share no cache line with others. 0 bytes give an empty SecretBytes.
  // Errors: RESOURCE_EXHAUSTED when the arena is full.
  absl::StatusOr<SecretBytes> Allocate(size_t bytes);

  // For metrics and status.
  bool locked() const;        // false as soon as one page could not be locked
  size_t used_bytes() const;  // of allocated blocks, each rounded up to cache lines
  size_t capacity_bytes() const;

 private:
  friend class SecretBytes;
  struct Impl;
  explicit SecretArena(std::unique_ptr<Impl> impl);
  void Release(uint8_t* data, size_t block);
  std::unique_ptr<Impl> impl_;
};

}  // namespace entropyd
