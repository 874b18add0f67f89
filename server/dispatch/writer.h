// Turns a plan (counts) into the bytes of a message: gets from the pools straight into the buffer
// that goes to the transport, and frames the grants around them.
//
// Layout of a message with one grant, the common case, written without moving a byte:
//
//   | slack | head (seq, welcome, states, drain) | grant prefix | data |
//
// With several grants each pool is still read once, into the end of the buffer, and the data moves
// down by the few bytes that the prefixes of the grants behind it take.
//
// Thread safety: a Writer belongs to whoever owns the dispatcher.
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

// Heap memory that is cleansed over its whole size when it goes, however it goes.
class MessageBuffer {
 public:
  MessageBuffer() = default;
  explicit MessageBuffer(size_t capacity);
  MessageBuffer(MessageBuffer&& other) noexcept;
  MessageBuffer& operator=(MessageBuffer&& other) noexcept;
  ~MessageBuffer();

  // What is sent: a part of the buffer.
  uint8_t* data() const;
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  // For transports that take memory over: `Destroy(released)` cleanses and frees.
  void* Release();
  static void Destroy(void* released);

 private:
  friend class Writer;
  // Capacity and bytes.
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
    // Index of AddPool().
    int pool = 0;
    // PoolState::discard_epoch under which it was planned.
    uint64_t epoch = 0;
    // seed_generation is filled in.
    GrantHeader grant;
    // Out: why the pool gave nothing; such a part is not in the message.
    absl::Status status;
  };

  // Returns the pool's index. `pool` outlives the writer.
  int AddPool(Pool* pool);

  // `head` and the parts whose pools gave bytes; see Part::status for the others.
  MessageBuffer Build(const v1::ServerMessage& head, absl::Span<Part> parts);

  // A GetResponse of `bytes` bytes is filled piece by piece, as the class gives them, and then
  // closed. FillReply's errors: as PoolReader::Read(), which returns the seed generation.
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
    // Made at the first get: it costs a seed.
    std::unique_ptr<PoolReader> reader;
  };
  std::vector<Source> sources_;
};

}  // namespace entropyd
