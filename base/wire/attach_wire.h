// Writes and reads ServerMessage so that no secret byte ever enters protobuf's memory.
//
// The format is plain protobuf (proto/entropy.proto), where a message is the concatenation of its
// fields. So protobuf serialises everything but the grants. Code here frames each grant by hand
// around slices that their owner wipes:
//
//   uint8_t prefix[kMaxGrantPrefix];
//   const size_t n = WriteGrantPrefix({channel, offset, seed_generation, data.size()}, prefix);
//   message = head + prefix[0..n) + data + ...
//
// No gRPC: adapters turn the pieces into grpc::Slice and back. The caller bounds the size of the
// input (gRPC's receive limit); the memory taken here is proportional to it.
//
// Thread safety: functions without state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/wire/attach_limits.h"
#include "proto/entropy.pb.h"

namespace entropyd {

// The numbers of a Grant; `bytes` is the length of its data.
struct GrantHeader {
  uint32_t channel = 0;
  uint64_t offset = 0;
  uint64_t seed_generation = 0;
  size_t bytes = 0;
};

// The most that WriteGrantPrefix writes: five one-byte tags, four 64-bit varints (10 bytes) and one
// 32-bit varint (5 bytes).
inline constexpr size_t kMaxGrantPrefix = 50;

// Writes the tag, length and numbers of a Grant, and the tag and length of its `data`. The caller
// puts the `bytes` bytes of data directly after. Returns the number of bytes written, at most
// kMaxGrantPrefix. The result is byte for byte what protobuf writes, which leaves out empty `data`.
size_t WriteGrantPrefix(const GrantHeader& header, uint8_t* out);

// A Grant that was parsed. Its data stay where they arrived.
struct GrantView {
  uint32_t channel = 0;
  uint64_t offset = 0;
  uint64_t seed_generation = 0;
  size_t bytes = 0;                               // sum of the pieces
  std::vector<absl::Span<const uint8_t>> pieces;  // into the caller's slices
};

// A message that was parsed.
struct ServerMessageView {
  v1::ServerMessage head;  // seq, welcome, state, drain; no grants
  std::vector<GrantView> grants;
};

// Parses a message that arrived as `slices`, which must outlive the view. Accepts what protobuf's
// parser accepts, with the same meaning; but it refuses groups, which proto3 never writes. Skips
// unknown fields. Errors: INVALID_ARGUMENT with the byte offset.
absl::StatusOr<ServerMessageView> ParseServerMessage(
    absl::Span<const absl::Span<const uint8_t>> slices);

}  // namespace entropyd
