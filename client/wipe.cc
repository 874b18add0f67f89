#include "client/wipe.h"

#include "base/crypto/secret_bytes.h"
#include "grpcpp/support/proto_buffer_reader.h"

namespace entropyd {

std::vector<absl::Span<const uint8_t>> ViewSlices(grpc::ByteBuffer* buffer) {
  std::vector<absl::Span<const uint8_t>> slices;
  if (!buffer->Valid()) return slices;
  grpc::ProtoBufferReader reader(buffer);
  const void* data = nullptr;
  int size = 0;
  while (reader.Next(&data, &size)) {
    slices.emplace_back(static_cast<const uint8_t*>(data), static_cast<size_t>(size));
  }
  return slices;
}

void WipeSlices(grpc::ByteBuffer* buffer) {
  for (absl::Span<const uint8_t> slice : ViewSlices(buffer)) {
    // The memory is gRPC's own receive buffer. It is writable and belongs to this message alone.
    Wipe({const_cast<uint8_t*>(slice.data()), slice.size()});
  }
}

}  // namespace entropyd
