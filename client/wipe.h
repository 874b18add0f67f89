// A received gRPC message looked at where it lies, and wiped there.
//
// Both go through the byte buffer itself and not through copies of its slices: gRPC keeps slices of
// up to 23 bytes inside the slice object, and a copy of such an object is a copy of its bytes.
//
// REQUIRES: an uncompressed buffer that nobody else refers to (what a read delivered).
// Thread safety: none of its own.
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

// A byte buffer that is wiped when it goes. Neither copied nor moved: views point into it.
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
