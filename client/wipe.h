// Reads a received gRPC message where it lies, and wipes it there.
//
//   WipedBuffer reply;                                    // wiped at the end
//   stub.UnaryCall(&context, method, options, &request, reply.get(), done);
//   for (absl::Span<const uint8_t> slice : ViewSlices(reply.get())) Parse(slice);
//
// Both functions use the byte buffer itself and not copies of its slices. gRPC keeps slices of up
// to 23 bytes inside the slice object, so a copy of such an object is a copy of its bytes.
//
// REQUIRES: an uncompressed buffer that nobody else refers to, as a read delivers it.
//
// Errors: none.
//
// Thread safety: none; a buffer belongs to one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "grpcpp/support/byte_buffer.h"

namespace entropyd {

// The slices in order; valid until the buffer is cleared.
std::vector<absl::Span<const uint8_t>> ViewSlices(grpc::ByteBuffer* buffer);

// Overwrites every byte of every slice with zero.
void WipeSlices(grpc::ByteBuffer* buffer);

// A byte buffer that its destructor wipes. It is not copied and not moved, because views point into
// it.
class WipedBuffer {
 public:
  WipedBuffer() = default;
  WipedBuffer(const WipedBuffer&) = delete;
  WipedBuffer& operator=(const WipedBuffer&) = delete;
  ~WipedBuffer() { WipeSlices(&buffer_); }

  grpc::ByteBuffer* get() { return &buffer_; }
  size_t size() const { return buffer_.Length(); }

 private:
  grpc::ByteBuffer buffer_;
};

}  // namespace entropyd
