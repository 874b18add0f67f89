// One input = the bytes of one ServerMessage as they arrive. See README.md.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "base/wire/attach_wire.h"
#include "google/protobuf/stubs/logging.h"
#include "tests/fuzz/check.h"

namespace entropyd {
namespace {

using Slice = absl::Span<const uint8_t>;

// The view as a message of protobuf, in a form that can be compared: without the unknown fields
// that protobuf keeps in the parts of the head.
std::string Content(const ServerMessageView& view) {
  v1::ServerMessage message = view.head;
  FUZZ_CHECK(message.grant_size() == 0);
  for (const GrantView& from : view.grants) {
    v1::Grant* to = message.add_grant();
    to->set_channel(from.channel);
    to->set_offset(from.offset);
    to->set_seed_generation(from.seed_generation);
    for (const Slice piece : from.pieces) {
      FUZZ_CHECK(!piece.empty());
      to->mutable_data()->append(piece.begin(), piece.end());
    }
    FUZZ_CHECK(to->data().size() == from.bytes);
  }
  message.DiscardUnknownFields();
  return message.SerializeAsString();
}

std::string WriteAsServer(const ServerMessageView& view) {
  std::string bytes = view.head.SerializeAsString();
  for (const GrantView& grant : view.grants) {
    uint8_t prefix[kMaxGrantPrefix];
    const size_t n =
        WriteGrantPrefix({grant.channel, grant.offset, grant.seed_generation, grant.bytes}, prefix);
    FUZZ_CHECK(n <= kMaxGrantPrefix);
    bytes.append(prefix, prefix + n);
    for (const Slice piece : grant.pieces) bytes.append(piece.begin(), piece.end());
  }
  return bytes;
}

absl::StatusOr<ServerMessageView> ParseWhole(const std::string& bytes) {
  const Slice slice(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  return ParseServerMessage({&slice, 1});
}

void CheckAgreesWithProtobuf(Slice in, const absl::StatusOr<ServerMessageView>& view) {
  v1::ServerMessage protobuf;
  const bool accepted = protobuf.ParseFromArray(in.data(), static_cast<int>(in.size()));
  if (!view.ok()) {
    FUZZ_CHECK(view.status().code() == absl::StatusCode::kInvalidArgument);
    FUZZ_CHECK(!accepted || absl::StrContains(view.status().message(), "a group"));
    return;
  }
  FUZZ_CHECK(accepted);
  protobuf.DiscardUnknownFields();
  FUZZ_CHECK(Content(*view) == protobuf.SerializeAsString());
}

void CheckSameWhenCut(const std::vector<Slice>& slices,
                      const absl::StatusOr<ServerMessageView>& whole) {
  const absl::StatusOr<ServerMessageView> cut = ParseServerMessage(slices);
  FUZZ_CHECK(cut.status() == whole.status());
  if (cut.ok()) FUZZ_CHECK(Content(*cut) == Content(*whole));
}

void CheckOneMessage(Slice in) {
  const absl::StatusOr<ServerMessageView> whole = ParseServerMessage({&in, 1});
  CheckAgreesWithProtobuf(in, whole);

  // Every cut in two, up to a size that bounds the quadratic work; then fewer.
  const size_t step = std::max<size_t>(1, in.size() / 256);
  for (size_t cut = 0; cut <= in.size(); cut += step) {
    CheckSameWhenCut({in.subspan(0, cut), {}, in.subspan(cut)}, whole);
  }
  std::vector<Slice> bytes;
  for (size_t i = 0; i < in.size(); ++i) bytes.push_back(in.subspan(i, 1));
  CheckSameWhenCut(bytes, whole);

  if (!whole.ok()) return;
  const std::string again = WriteAsServer(*whole);
  const absl::StatusOr<ServerMessageView> reread = ParseWhole(again);
  FUZZ_CHECK(reread.ok() && Content(*reread) == Content(*whole));
}

}  // namespace
}  // namespace entropyd

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // protobuf logs each string that is not UTF-8, which is normal here.
  static auto* const quiet = google::protobuf::SetLogHandler(nullptr);
  (void)quiet;
  entropyd::CheckOneMessage({data, size});
  return 0;
}
