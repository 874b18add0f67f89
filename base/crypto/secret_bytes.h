// Memory for bytes that must not be swapped, dumped, inherited or left behind.
//
// A SecretArena is one anonymous mapping between two guard pages: mlock, MADV_DONTDUMP,
// MADV_WIPEONFORK (a forked child reads zeros there, and holds no lock). SecretBytes is a block
// from it, cleansed (explicit_bzero) when it goes. A block released twice, or an arena destroyed
// before its blocks, ends the process: secrets may be mixed up already.
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

// Overwrites in a way that the compiler may not remove.
void Cleanse(absl::Span<uint8_t> bytes);

class SecretArena;

// REQUIRES: outlived by its arena.
class SecretBytes {
 public:
  SecretBytes() = default;
  SecretBytes(SecretBytes&& other) noexcept;
  SecretBytes& operator=(SecretBytes&& other) noexcept;
  ~SecretBytes();  // cleanses

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

  // Reserves `bytes` of address space (rounded up to pages); memory becomes resident as it is used.
  // kBestEffort locks pages as they are allocated; kRequired locks the whole range at once, so that
  // no later allocation can be unlocked. Errors: RESOURCE_EXHAUSTED when kRequired and
  // RLIMIT_MEMLOCK or CAP_IPC_LOCK do not allow it, with the remedy in the message;
  // INVALID_ARGUMENT for 0 bytes; what ErrnoStatus says when the kernel cannot map or mark it.
  static absl::StatusOr<std::unique_ptr<SecretArena>> Create(size_t bytes, Locking locking);
  ~SecretArena();

  // Zeroed bytes, on a cache line of their own; 0 bytes give an empty SecretBytes. Errors:
  // RESOURCE_EXHAUSTED when the arena is full.
  absl::StatusOr<SecretBytes> Allocate(size_t bytes);

  bool locked() const;        // false once any page could not be locked
  size_t used_bytes() const;  // of allocated blocks, each rounded up to cache lines
  size_t capacity_bytes() const;

 private:
  friend class SecretBytes;
  struct Impl;
  explicit SecretArena(std::unique_ptr<Impl> impl);
  void Release(uint8_t* data, size_t block);
  std::unique_ptr<Impl> impl_;
};

// Process-wide: no core dumps, not ptrace-able by the same user (PR_SET_DUMPABLE 0, RLIMIT_CORE 0),
// PR_SET_NO_NEW_PRIVS. Called first by both daemons' main().
absl::Status HardenProcess();

}  // namespace entropyd
