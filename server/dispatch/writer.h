// Turns a plan (counts) into the bytes of a message: gets from the pools straight into the buffer
// that goes to the transport, and frames the grants around them.
//
// Layout of a message with one grant, the common case, written without moving a byte:
//
//   | slack | head (seq, welcome, states, drain) | grant prefix | data |
//
// With several grants each pool is still read once, into the end of the buffer. Then the data of
// each grant moves down, to make room for the prefixes of the grants behind it.
//
// Thread safety: a Writer belongs to the dispatcher's owner.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/wire/attach_wire.h"
#include "proto/entropy.pb.h"
#include "server/pool/pool.h"

namespace entropyd {

// Heap memory that is always wiped over its whole size before it is freed.
class MessageBuffer {
 public:
  MessageBuffer() = default;
  explicit MessageBuffer(size_t capacity);
  MessageBuffer(MessageBuffer&& other) noexcept;
  MessageBuffer& operator=(MessageBuffer&& other) noexcept;
  ~MessageBuffer();

  // The part of the buffer that is sent.
  uint8_t* data() const;
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  // For transports that take over memory: `Destroy(released)` wipes and frees it.
  void* Release();
  static void Destroy(void* released);

 private:
  friend class Writer;
  // Holds the capacity and the bytes.
  struct Block;
  uint8_t* bytes() const;
  void Set(size_t begin, size_t end);

  Block* block_ = nullptr;
  size_t begin_ = 0;
  size_t size_ = 0;
};

class Writer {
 public:
  // One part of a message's plan. Parts of the same pool stand together.
  struct Part {
    // The index that AddPool() returned.
    int pool = 0;
    // The PoolState::discard_epoch when it was planned.
    uint64_t epoch = 0;
    // Build() fills in seed_generation.
    GrantHeader grant;
    // Result: why the pool gave nothing. The message then leaves this part out.
    absl::Status status;
  };

  // Returns the pool's index. `pool` stays until RemovePool(), or outlives the writer.
  int AddPool(Pool* pool);
  // Nothing is read from it any more. Its index may be given to another pool.
  void RemovePool(int index) { sources_[index] = {nullptr, nullptr}; }

  // Builds a message of `head` and the parts whose pools gave bytes. Part::status tells of the
  // others.
  MessageBuffer Build(const v1::ServerMessage& head, absl::Span<Part> parts);

  // A reply is a GetResponse of `bytes` bytes. FillReply() fills it piece by piece, as the class
  // gives them, and CloseReply() ends it. FillReply() returns the seed generation. Errors: as
  // PoolReader::Read().
  static MessageBuffer NewReply(size_t bytes);
  absl::StatusOr<uint64_t> FillReply(int pool, uint64_t epoch, MessageBuffer* reply, size_t offset,
                                     size_t bytes);
  static void CloseReply(MessageBuffer* reply, size_t bytes, v1::Quality quality,
                         uint64_t seed_generation, uint64_t seed_age_ms);

 private:
  PoolReader* Reader(int pool);
  bool ReadParts(absl::Span<Part> parts, uint8_t* data);

  struct Source {
    Pool* pool;
    // Made at the first read, because it costs a seed.
    std::unique_ptr<PoolReader> reader;
  };
  std::vector<Source> sources_;
};

}  // namespace entropyd
