// ServerMessage on the wire, written and read without the secret bytes ever entering protobuf's
// memory. The format is plain protobuf (proto/entropy.proto): a message is the concatenation of
// its fields, so everything but the grants is serialised by protobuf and the grants are framed by
// hand around slices that their owner cleanses.
//
// gRPC-free: adapters turn the pieces into grpc::Slice and back. The caller bounds the size of what
// it passes in (gRPC's receive limit); memory taken here is proportional to it.
//
// Thread safety: free functions without state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "proto/entropy.pb.h"

namespace entropyd {

// Upper bound of Welcome.max_payload, the bytes of grants in one message. A receiver holds a
// message outside its locked buffers until it has stored it, hence a bound; gRPC's cost per
// message, some tens of microseconds at both ends, is that of moving 30 KiB, hence not a lower one.
inline constexpr uint32_t kAttachMaxPayload = 256 * 1024;

struct GrantHeader {
  uint32_t channel = 0;
  uint64_t offset = 0;
  uint64_t seed_generation = 0;
  size_t bytes = 0;
};

// Upper bound of what WriteGrantPrefix writes: five one-byte tags, four 64-bit varints (10 bytes)
// and one 32-bit varint (5 bytes).
inline constexpr size_t kMaxGrantPrefix = 50;

// Writes tag, length, the numbers of a Grant and the tag and length of its `data`; the `bytes`
// bytes of data must follow directly. Returns the number of bytes written (<= kMaxGrantPrefix).
// The result is byte for byte what protobuf writes (which leaves out an empty `data`).
size_t WriteGrantPrefix(const GrantHeader& header, uint8_t* out);

struct GrantView {
  uint32_t channel = 0;
  uint64_t offset = 0;
  uint64_t seed_generation = 0;
  size_t bytes = 0;                               // sum of the pieces
  std::vector<absl::Span<const uint8_t>> pieces;  // into the caller's slices
};

struct ServerMessageView {
  v1::ServerMessage head;  // seq, welcome, state, drain; no grants
  std::vector<GrantView> grants;
};

// Parses a message that arrived as `slices`, which must outlive the view. Accepts what protobuf's
// parser accepts, with the same meaning, but for groups, which proto3 never writes. Unknown fields
// are skipped, not kept. Errors: INVALID_ARGUMENT with the byte offset.
absl::StatusOr<ServerMessageView> ParseServerMessage(
    absl::Span<const absl::Span<const uint8_t>> slices);

}  // namespace entropyd
