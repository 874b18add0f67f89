#include "base/crypto/secret_bytes.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <limits>
#include <map>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "base/process/fd.h"

namespace entropyd {
namespace {

// Blocks start and end on cache lines. So two owners never share one, and every type is aligned.
constexpr size_t kGranule = 64;

size_t RoundUp(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

// The owner is broken and may have mixed up secrets: stop before they leave the process.
[[noreturn]] void Die(const char* reason) {
  std::fprintf(stderr, "SecretArena: %s\n", reason);
  std::abort();
}

absl::Status LockingRefused(int err, size_t bytes) {
  rlimit limit = {};
  getrlimit(RLIMIT_MEMLOCK, &limit);
  const std::string allowed =
      limit.rlim_cur == RLIM_INFINITY ? "unlimited" : absl::StrCat(limit.rlim_cur, " bytes");
  return absl::ResourceExhaustedError(
      absl::StrCat("lock ", bytes, " bytes of secret memory: ", std::strerror(err),
                   " (RLIMIT_MEMLOCK is ", allowed,
                   "); set LimitMEMLOCK=infinity in the unit, raise `ulimit -l`, or grant "
                   "CAP_IPC_LOCK"));
}

}  // namespace

void MoveOut(absl::Span<uint8_t> from, absl::Span<uint8_t> out) {
  std::copy_n(from.begin(), out.size(), out.begin());
  Wipe(from);
}

void Wipe(absl::Span<uint8_t> bytes) {
  if (!bytes.empty()) explicit_bzero(bytes.data(), bytes.size());
}

// SecretBytes

SecretBytes::SecretBytes(SecretBytes&& other) noexcept
    : arena_(std::exchange(other.arena_, nullptr)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      block_(std::exchange(other.block_, 0)) {}

SecretBytes& SecretBytes::operator=(SecretBytes&& other) noexcept {
  if (this == &other) return *this;
  if (arena_ != nullptr) arena_->Release(data_, block_);
  arena_ = std::exchange(other.arena_, nullptr);
  data_ = std::exchange(other.data_, nullptr);
  size_ = std::exchange(other.size_, 0);
  block_ = std::exchange(other.block_, 0);
  return *this;
}

SecretBytes::~SecretBytes() {
  if (arena_ != nullptr) arena_->Release(data_, block_);
}

// SecretArena

// The mapping is [guard page][capacity bytes][guard page]. Invariant: free memory is all zeros. So
// Allocate() need not touch memory that nobody has written yet, which would make it resident.
struct SecretArena::Impl {
  // Constant after Create().
  uint8_t* mapping = nullptr;
  size_t mapping_bytes = 0;
  uint8_t* base = nullptr;
  size_t capacity = 0;
  size_t page = 0;

  absl::Mutex mutex;
  // Offset -> bytes. No two free runs touch. Allocate() takes the lowest run that fits, which keeps
  // the used (and locked) pages together.
  std::map<size_t, size_t> free_runs ABSL_GUARDED_BY(mutex);
  absl::flat_hash_map<size_t, size_t> held ABSL_GUARDED_BY(mutex);
  std::vector<bool> page_tried ABSL_GUARDED_BY(mutex);  // mlock was attempted
  size_t used ABSL_GUARDED_BY(mutex) = 0;
  bool locked ABSL_GUARDED_BY(mutex) = true;

  ~Impl() {
    if (mapping != nullptr) munmap(mapping, mapping_bytes);
  }

  absl::Status Map(size_t bytes);
  absl::Status LockAll() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  void LockPagesOf(size_t offset, size_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  void InsertFree(size_t offset, size_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
};

absl::Status SecretArena::Impl::Map(size_t bytes) {
  page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  if (bytes == 0) return absl::InvalidArgumentError("create secret arena: 0 bytes asked for");
  if (bytes > std::numeric_limits<size_t>::max() - 4 * page) {
    return absl::ResourceExhaustedError("create secret arena: larger than the address space");
  }
  capacity = RoundUp(bytes, page);
  mapping_bytes = capacity + 2 * page;
  void* address =
      mmap(nullptr, mapping_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (address == MAP_FAILED) {
    return ErrnoStatus(errno, absl::StrCat("map ", capacity, " bytes of secret memory"));
  }
  mapping = static_cast<uint8_t*>(address);
  base = mapping + page;
  if (mprotect(base, capacity, PROT_READ | PROT_WRITE) != 0) {
    return ErrnoStatus(errno, absl::StrCat("map ", capacity, " bytes of secret memory"));
  }
  if (madvise(base, capacity, MADV_DONTDUMP) != 0) {
    return ErrnoStatus(errno, "keep secret memory out of core dumps (MADV_DONTDUMP)");
  }
  if (madvise(base, capacity, MADV_WIPEONFORK) != 0) {
    return ErrnoStatus(errno,
                       "keep secret memory from forked children (MADV_WIPEONFORK, Linux >= 4.14)");
  }
  return absl::OkStatus();
}

// Locks on fault, so that locking does not make the whole arena resident.
absl::Status SecretArena::Impl::LockAll() {
  if (mlock2(base, capacity, MLOCK_ONFAULT) != 0) return LockingRefused(errno, capacity);
  page_tried.assign(page_tried.size(), true);
  return absl::OkStatus();
}

// Locks what is used, not what is reserved: without privileges RLIMIT_MEMLOCK is often 8 MiB. Tries
// each page once: after the limit, every further try would be a useless system call.
void SecretArena::Impl::LockPagesOf(size_t offset, size_t bytes) {
  const size_t end = (offset + bytes - 1) / page + 1;
  for (size_t first = offset / page; first < end;) {
    if (page_tried[first]) {
      ++first;
      continue;
    }
    size_t last = first;
    while (last < end && !page_tried[last]) page_tried[last++] = true;
    if (mlock2(base + first * page, (last - first) * page, MLOCK_ONFAULT) != 0) locked = false;
    first = last;
  }
}

void SecretArena::Impl::InsertFree(size_t offset, size_t bytes) {
  auto next = free_runs.upper_bound(offset);
  if (next != free_runs.begin()) {
    auto previous = std::prev(next);
    if (previous->first + previous->second == offset) {
      offset = previous->first;
      bytes += previous->second;
      free_runs.erase(previous);
    }
  }
  if (next != free_runs.end() && offset + bytes == next->first) {
    bytes += next->second;
    free_runs.erase(next);
  }
  free_runs.emplace(offset, bytes);
}

SecretArena::SecretArena(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

SecretArena::~SecretArena() {
  if (used_bytes() != 0) Die("destroyed while SecretBytes of it still live");
}

absl::StatusOr<std::unique_ptr<SecretArena>> SecretArena::Create(size_t bytes, Locking locking) {
  auto impl = std::make_unique<Impl>();
  if (absl::Status status = impl->Map(bytes); !status.ok()) return status;
  {
    absl::MutexLock lock(&impl->mutex);
    impl->page_tried.resize(impl->capacity / impl->page);
    impl->InsertFree(0, impl->capacity);
    if (locking == Locking::kRequired) {
      if (absl::Status status = impl->LockAll(); !status.ok()) return status;
    }
  }
  return std::unique_ptr<SecretArena>(new SecretArena(std::move(impl)));
}

absl::StatusOr<SecretBytes> SecretArena::Allocate(size_t bytes) {
  if (bytes == 0) return SecretBytes();
  absl::MutexLock lock(&impl_->mutex);
  if (bytes <= impl_->capacity) {
    const size_t block = RoundUp(bytes, kGranule);
    for (auto run = impl_->free_runs.begin(); run != impl_->free_runs.end(); ++run) {
      const auto [offset, run_bytes] = *run;
      if (run_bytes < block) continue;
      impl_->free_runs.erase(run);
      if (run_bytes > block) impl_->free_runs.emplace(offset + block, run_bytes - block);
      impl_->held.emplace(offset, block);
      impl_->used += block;
      impl_->LockPagesOf(offset, block);
      return SecretBytes(this, impl_->base + offset, bytes, block);
    }
  }
  return absl::ResourceExhaustedError(
      absl::StrCat("allocate ", bytes, " bytes of secret memory: ", impl_->used, " of ",
                   impl_->capacity, " bytes are in use and no free run is long enough"));
}

void SecretArena::Release(uint8_t* data, size_t block) {
  const size_t offset = static_cast<size_t>(data - impl_->base);
  {
    absl::MutexLock lock(&impl_->mutex);
    auto it = impl_->held.find(offset);
    if (it == impl_->held.end() || it->second != block) Die("block released twice or not its own");
    impl_->held.erase(it);
  }
  // Outside the lock, so that a long wipe does not hold up other threads. Nobody else can have the
  // block before it is in free_runs.
  Wipe({data, block});
  absl::MutexLock lock(&impl_->mutex);
  impl_->used -= block;
  impl_->InsertFree(offset, block);
}

bool SecretArena::locked() const {
  absl::MutexLock lock(&impl_->mutex);
  return impl_->locked;
}

size_t SecretArena::used_bytes() const {
  absl::MutexLock lock(&impl_->mutex);
  return impl_->used;
}

size_t SecretArena::capacity_bytes() const { return impl_->capacity; }

}  // namespace entropyd
