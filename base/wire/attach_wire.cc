#include "base/wire/attach_wire.h"

#include <string>

#include "absl/strings/str_cat.h"

namespace entropyd {
namespace {

// Wire types of https://protobuf.dev/programming-guides/encoding/. Groups (3, 4) are refused:
// proto3 has none, and to skip them needs a stack whose depth the sender controls.
enum WireType : uint32_t { kVarint = 0, kFixed64 = 1, kLength = 2, kFixed32 = 5 };

constexpr uint32_t Tag(int field, WireType type) {
  return static_cast<uint32_t>(field) << 3 | type;
}

constexpr uint32_t kSeq = Tag(v1::ServerMessage::kSeqFieldNumber, kVarint);
constexpr uint32_t kWelcome = Tag(v1::ServerMessage::kWelcomeFieldNumber, kLength);
constexpr uint32_t kState = Tag(v1::ServerMessage::kStateFieldNumber, kLength);
constexpr uint32_t kDrain = Tag(v1::ServerMessage::kDrainFieldNumber, kLength);
constexpr uint32_t kGrant = Tag(v1::ServerMessage::kGrantFieldNumber, kLength);
constexpr uint32_t kGrantChannel = Tag(v1::Grant::kChannelFieldNumber, kVarint);
constexpr uint32_t kGrantOffset = Tag(v1::Grant::kOffsetFieldNumber, kVarint);
constexpr uint32_t kGrantSeedGeneration = Tag(v1::Grant::kSeedGenerationFieldNumber, kVarint);
constexpr uint32_t kGrantData = Tag(v1::Grant::kDataFieldNumber, kLength);

// The limits of protobuf's own parser: 64 bits need 10 bytes; tags and lengths have 32 bits.
constexpr int kMaxVarintBytes = 10;
constexpr int kMaxVarint32Bytes = 5;

uint8_t* WriteVarint(uint64_t value, uint8_t* out) {
  while (value >= 0x80) {
    *out++ = static_cast<uint8_t>(value | 0x80);
    value >>= 7;
  }
  *out++ = static_cast<uint8_t>(value);
  return out;
}

size_t VarintBytes(uint64_t value) {
  size_t bytes = 1;
  while (value >>= 7) ++bytes;
  return bytes;
}

// proto3 leaves out what is 0.
uint8_t* WriteNumber(uint32_t tag, uint64_t value, uint8_t* out) {
  if (value == 0) return out;
  return WriteVarint(value, WriteVarint(tag, out));
}

size_t NumberBytes(uint32_t tag, uint64_t value) {
  return value == 0 ? 0 : VarintBytes(tag) + VarintBytes(value);
}

absl::Status BadByte(size_t offset, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("parse ServerMessage: byte ", offset, ": ", what));
}

// Reads forward through slices that may be cut anywhere. Offsets count from the first byte of the
// message. `end` is where the (sub)message around it ends, never beyond the last slice.
class Reader {
 public:
  explicit Reader(absl::Span<const absl::Span<const uint8_t>> slices) : slices_(slices) {
    for (const auto& slice : slices) size_ += slice.size();
  }

  size_t offset() const { return offset_; }
  size_t size() const { return size_; }

  absl::StatusOr<uint64_t> Varint(size_t end, int max_bytes) {
    const size_t start = offset_;
    uint64_t value = 0;
    for (int i = 0; i < max_bytes; ++i) {
      if (offset_ == end) return BadByte(start, "a number is cut off");
      const uint8_t byte = Front().front();
      Advance(1);
      value |= uint64_t{byte & 0x7fu} << (7 * i);
      if (byte < 0x80) return value;
    }
    return BadByte(start, absl::StrCat("a number of more than ", max_bytes, " bytes"));
  }

  absl::StatusOr<uint32_t> FieldTag(size_t end) {
    const size_t start = offset_;
    const absl::StatusOr<uint64_t> tag = Varint(end, kMaxVarint32Bytes);
    if (!tag.ok()) return tag.status();
    if (static_cast<uint32_t>(*tag) >> 3 == 0) return BadByte(start, "field number 0");
    return static_cast<uint32_t>(*tag);
  }

  // The length of a field that lies wholly before `end`.
  absl::StatusOr<size_t> Length(size_t end) {
    const size_t start = offset_;
    const absl::StatusOr<uint64_t> length = Varint(end, kMaxVarint32Bytes);
    if (!length.ok()) return length.status();
    if (*length > end - offset_) {
      return BadByte(start, absl::StrCat("a length of ", *length, " bytes where ", end - offset_,
                                         " are left"));
    }
    return static_cast<size_t>(*length);
  }

  // Gives the next `bytes` to `sink` in pieces without copying them. No piece is empty.
  // REQUIRES: they exist.
  template <typename Sink>
  void Take(size_t bytes, Sink sink) {
    while (bytes > 0) {
      const absl::Span<const uint8_t> piece = Front().subspan(0, bytes);
      sink(piece);
      Advance(piece.size());
      bytes -= piece.size();
    }
  }

  absl::Status SkipField(uint32_t tag, size_t tag_offset, size_t end) {
    size_t bytes = 0;
    switch (tag & 7) {
      case kVarint:
        return Varint(end, kMaxVarintBytes).status();
      case kLength: {
        const absl::StatusOr<size_t> length = Length(end);
        if (!length.ok()) return length.status();
        bytes = *length;
        break;
      }
      case kFixed64:
        bytes = 8;
        break;
      case kFixed32:
        bytes = 4;
        break;
      default:
        return BadByte(tag_offset, absl::StrCat("a group or an unknown wire type (", tag & 7,
                                                ") in field ", tag >> 3));
    }
    if (bytes > end - offset_) return BadByte(tag_offset, "a field is cut off");
    Take(bytes, [](absl::Span<const uint8_t>) {});
    return absl::OkStatus();
  }

 private:
  // The rest of the current slice; not empty while offset_ < size_.
  absl::Span<const uint8_t> Front() {
    while (used_ == slices_[slice_].size()) {
      ++slice_;
      used_ = 0;
    }
    return slices_[slice_].subspan(used_);
  }
  void Advance(size_t bytes) {
    used_ += bytes;
    offset_ += bytes;
  }

  const absl::Span<const absl::Span<const uint8_t>> slices_;
  size_t size_ = 0;
  size_t offset_ = 0;
  size_t slice_ = 0;
  size_t used_ = 0;  // of slices_[slice_]
};

absl::Status ParseNumber(Reader* reader, size_t end, uint64_t* value) {
  const absl::StatusOr<uint64_t> read = reader->Varint(end, kMaxVarintBytes);
  if (read.ok()) *value = *read;
  return read.status();
}

// The last of several `data` fields wins, as for every scalar in protobuf.
absl::Status ParseGrantData(Reader* reader, size_t end, GrantView* grant) {
  const absl::StatusOr<size_t> length = reader->Length(end);
  if (!length.ok()) return length.status();
  grant->pieces.clear();
  grant->bytes = *length;
  reader->Take(*length,
               [grant](absl::Span<const uint8_t> piece) { grant->pieces.push_back(piece); });
  return absl::OkStatus();
}

absl::Status ParseGrantField(Reader* reader, size_t end, GrantView* grant) {
  const size_t start = reader->offset();
  const absl::StatusOr<uint32_t> tag = reader->FieldTag(end);
  if (!tag.ok()) return tag.status();
  switch (*tag) {
    case kGrantChannel: {
      uint64_t channel = 0;
      absl::Status status = ParseNumber(reader, end, &channel);
      if (status.ok()) grant->channel = static_cast<uint32_t>(channel);  // as protobuf does
      return status;
    }
    case kGrantOffset:
      return ParseNumber(reader, end, &grant->offset);
    case kGrantSeedGeneration:
      return ParseNumber(reader, end, &grant->seed_generation);
    case kGrantData:
      return ParseGrantData(reader, end, grant);
    default:
      return reader->SkipField(*tag, start, end);
  }
}

absl::Status ParseGrant(Reader* reader, size_t end, GrantView* grant) {
  const absl::StatusOr<size_t> length = reader->Length(end);
  if (!length.ok()) return length.status();
  const size_t grant_end = reader->offset() + *length;
  while (reader->offset() < grant_end) {
    if (absl::Status s = ParseGrantField(reader, grant_end, grant); !s.ok()) return s;
  }
  return absl::OkStatus();
}

// Copies one field without secrets out of the slices and lets protobuf merge it.
absl::Status ParseHeadField(Reader* reader, uint32_t tag, size_t tag_offset, size_t end,
                            std::string* scratch, v1::ServerMessage* head) {
  const absl::StatusOr<size_t> length = reader->Length(end);
  if (!length.ok()) return length.status();
  uint8_t prefix[2 * kMaxVarintBytes];
  uint8_t* const prefix_end = WriteVarint(*length, WriteVarint(tag, prefix));
  scratch->assign(prefix, prefix_end);
  reader->Take(*length, [scratch](absl::Span<const uint8_t> piece) {
    scratch->append(reinterpret_cast<const char*>(piece.data()), piece.size());
  });
  if (!head->MergeFromString(*scratch)) {
    return BadByte(tag_offset, absl::StrCat("field ", tag >> 3, " is malformed"));
  }
  return absl::OkStatus();
}

absl::Status ParseField(Reader* reader, std::string* scratch, ServerMessageView* view) {
  const size_t start = reader->offset();
  const size_t end = reader->size();
  const absl::StatusOr<uint32_t> tag = reader->FieldTag(end);
  if (!tag.ok()) return tag.status();
  switch (*tag) {
    case kSeq: {
      uint64_t seq = 0;
      absl::Status status = ParseNumber(reader, end, &seq);
      view->head.set_seq(seq);
      return status;
    }
    case kWelcome:
    case kState:
    case kDrain:
      return ParseHeadField(reader, *tag, start, end, scratch, &view->head);
    case kGrant:
      return ParseGrant(reader, end, &view->grants.emplace_back());
    default:
      return reader->SkipField(*tag, start, end);
  }
}

}  // namespace

size_t WriteGrantPrefix(const GrantHeader& header, uint8_t* out) {
  const size_t grant_bytes = NumberBytes(kGrantChannel, header.channel) +
                             NumberBytes(kGrantOffset, header.offset) +
                             NumberBytes(kGrantSeedGeneration, header.seed_generation) +
                             VarintBytes(kGrantData) + VarintBytes(header.bytes) + header.bytes;
  uint8_t* at = WriteVarint(grant_bytes, WriteVarint(kGrant, out));
  at = WriteNumber(kGrantChannel, header.channel, at);
  at = WriteNumber(kGrantOffset, header.offset, at);
  at = WriteNumber(kGrantSeedGeneration, header.seed_generation, at);
  at = WriteVarint(header.bytes, WriteVarint(kGrantData, at));
  return static_cast<size_t>(at - out);
}

absl::StatusOr<ServerMessageView> ParseServerMessage(
    absl::Span<const absl::Span<const uint8_t>> slices) {
  Reader reader(slices);
  ServerMessageView view;
  std::string scratch;
  while (reader.offset() < reader.size()) {
    if (absl::Status s = ParseField(&reader, &scratch, &view); !s.ok()) return s;
  }
  return view;
}

}  // namespace entropyd
