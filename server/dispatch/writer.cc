#include "server/dispatch/writer.h"

#include <cstring>
#include <new>
#include <utility>

#include "base/crypto/secret_bytes.h"

namespace entropyd {
namespace {

// Of a GetResponse: tag and length before `data`, tags and values of the three numbers behind it.
constexpr size_t kReplyPrefix = 1 + 5;
constexpr size_t kReplyNumbers = (1 + 1) + (1 + 10) + (1 + 10);

}  // namespace

struct MessageBuffer::Block {
  size_t capacity;
  uint8_t bytes[];
};

MessageBuffer::MessageBuffer(size_t capacity)
    : block_(static_cast<Block*>(::operator new(sizeof(Block) + capacity))) {
  block_->capacity = capacity;
}

MessageBuffer::MessageBuffer(MessageBuffer&& other) noexcept
    : block_(std::exchange(other.block_, nullptr)),
      begin_(std::exchange(other.begin_, 0)),
      size_(std::exchange(other.size_, 0)) {}

MessageBuffer& MessageBuffer::operator=(MessageBuffer&& other) noexcept {
  if (this != &other) {
    Destroy(block_);
    block_ = std::exchange(other.block_, nullptr);
    begin_ = std::exchange(other.begin_, 0);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

MessageBuffer::~MessageBuffer() { Destroy(block_); }

uint8_t* MessageBuffer::bytes() const { return block_->bytes; }
uint8_t* MessageBuffer::data() const { return block_ == nullptr ? nullptr : bytes() + begin_; }

void MessageBuffer::Set(size_t begin, size_t end) {
  begin_ = begin;
  size_ = end - begin;
}

void* MessageBuffer::Release() {
  begin_ = size_ = 0;
  return std::exchange(block_, nullptr);
}

void MessageBuffer::Destroy(void* released) {
  if (released == nullptr) return;
  Block* block = static_cast<Block*>(released);
  Wipe({block->bytes, block->capacity});
  ::operator delete(block);
}

int Writer::AddPool(Pool* pool) {
  for (size_t i = 0; i < sources_.size(); ++i) {
    if (sources_[i].pool != nullptr) continue;
    sources_[i].pool = pool;
    return static_cast<int>(i);
  }
  sources_.push_back({pool, nullptr});
  return static_cast<int>(sources_.size()) - 1;
}

PoolReader* Writer::Reader(int pool) {
  Source& source = sources_[pool];
  if (source.reader == nullptr) source.reader = source.pool->NewReader();
  return source.reader.get();
}

// One Read() per run of parts of the same pool. Returns whether every pool gave its bytes.
bool Writer::ReadParts(absl::Span<Part> parts, uint8_t* data) {
  bool complete = true;
  for (size_t begin = 0, end; begin < parts.size(); begin = end) {
    size_t bytes = 0;
    for (end = begin; end < parts.size() && parts[end].pool == parts[begin].pool; ++end) {
      bytes += parts[end].grant.bytes;
    }
    const absl::StatusOr<uint64_t> generation =
        Reader(parts[begin].pool)->Read({data, bytes}, parts[begin].epoch);
    for (size_t i = begin; i < end; ++i) {
      parts[i].status = generation.status();
      if (generation.ok()) parts[i].grant.seed_generation = *generation;
    }
    complete = complete && generation.ok();
    data += bytes;
  }
  return complete;
}

MessageBuffer Writer::Build(const v1::ServerMessage& head, absl::Span<Part> parts) {
  const size_t head_bytes = head.ByteSizeLong();
  const size_t slack = head_bytes + parts.size() * kMaxGrantPrefix;
  size_t payload = 0;
  for (const Part& part : parts) payload += part.grant.bytes;

  MessageBuffer message(slack + payload);
  uint8_t* const buffer = message.bytes();
  const bool complete = ReadParts(parts, buffer + slack);

  // Every part moves down or stays, because the space before it holds all possible prefixes. When
  // all pools gave bytes, the message ends where the data ended, and the last part does not move.
  size_t used = head_bytes;
  uint8_t prefix[kMaxGrantPrefix];
  for (const Part& part : parts) {
    if (part.status.ok()) used += WriteGrantPrefix(part.grant, prefix) + part.grant.bytes;
  }
  const size_t begin = complete ? slack + payload - used : 0;
  uint8_t* out = buffer + begin;
  const uint8_t* from = buffer + slack;
  head.SerializeWithCachedSizesToArray(out);
  out += head_bytes;
  for (const Part& part : parts) {
    const size_t bytes = part.grant.bytes;
    if (part.status.ok()) {
      const size_t prefix_bytes = WriteGrantPrefix(part.grant, prefix);
      std::memcpy(out, prefix, prefix_bytes);
      out += prefix_bytes;
      if (out != from) std::memmove(out, from, bytes);
      out += bytes;
    }
    from += bytes;
  }
  message.Set(begin, begin + used);
  return message;
}

MessageBuffer Writer::NewReply(size_t bytes) {
  return MessageBuffer(kReplyPrefix + bytes + kReplyNumbers);
}

absl::StatusOr<uint64_t> Writer::FillReply(int pool, uint64_t epoch, MessageBuffer* reply,
                                           size_t offset, size_t bytes) {
  return Reader(pool)->Read({reply->bytes() + kReplyPrefix + offset, bytes}, epoch);
}

void Writer::CloseReply(MessageBuffer* reply, size_t bytes, v1::Quality quality,
                        uint64_t seed_generation, uint64_t seed_age_ms) {
  uint8_t* const data = reply->bytes() + kReplyPrefix;
  v1::GetResponse numbers;
  numbers.set_quality(quality);
  numbers.set_seed_generation(seed_generation);
  numbers.set_seed_age_ms(seed_age_ms);
  const size_t numbers_bytes = numbers.ByteSizeLong();
  numbers.SerializeWithCachedSizesToArray(data + bytes);

  uint8_t prefix[kReplyPrefix] = {0x0a};  // field 1, length-delimited
  size_t prefix_bytes = 1;
  size_t rest = bytes;
  for (; rest >= 0x80; rest >>= 7) prefix[prefix_bytes++] = static_cast<uint8_t>(rest | 0x80);
  prefix[prefix_bytes++] = static_cast<uint8_t>(rest);
  std::memcpy(data - prefix_bytes, prefix, prefix_bytes);
  reply->Set(kReplyPrefix - prefix_bytes, kReplyPrefix + bytes + numbers_bytes);
}

}  // namespace entropyd
