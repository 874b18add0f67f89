#include "client/get_client.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "base/crypto/secret_bytes.h"
#include "base/wire/answer_mark.h"
#include "base/wire/grpc_status.h"
#include "client/call_error.h"
#include "client/failed_step.h"
#include "client/grpc_channel.h"
#include "client/wipe.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/wire_format_lite.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/impl/codegen/proto_utils.h"
#include "grpcpp/support/proto_buffer_reader.h"

namespace entropyd {
namespace {

using google::protobuf::internal::WireFormatLite;

constexpr char kGetMethod[] = "/entropyd.v1.Entropy/Get";

// Reads a GetResponse. Its data go to `out` and nowhere else.
absl::Status ParseReply(grpc::ByteBuffer* reply, absl::Span<uint8_t> out, GetClient::Drawn* drawn) {
  grpc::ProtoBufferReader reader(reply);
  google::protobuf::io::CodedInputStream in(&reader);
  bool filled = false;
  uint64_t number = 0;
  for (uint32_t tag = in.ReadTag(); tag != 0; tag = in.ReadTag()) {
    bool ok = true;
    switch (tag) {
      case WireFormatLite::MakeTag(v1::GetResponse::kDataFieldNumber,
                                   WireFormatLite::WIRETYPE_LENGTH_DELIMITED): {
        uint32_t length = 0;
        ok = !filled && in.ReadVarint32(&length) && length == out.size() &&
             in.ReadRaw(out.data(), static_cast<int>(length));
        filled = true;
        break;
      }
      case WireFormatLite::MakeTag(v1::GetResponse::kQualityFieldNumber,
                                   WireFormatLite::WIRETYPE_VARINT):
        ok = in.ReadVarint64(&number);
        drawn->quality = static_cast<v1::Quality>(number);
        break;
      case WireFormatLite::MakeTag(v1::GetResponse::kSeedGenerationFieldNumber,
                                   WireFormatLite::WIRETYPE_VARINT):
        ok = in.ReadVarint64(&drawn->seed_generation);
        break;
      case WireFormatLite::MakeTag(v1::GetResponse::kSeedAgeMsFieldNumber,
                                   WireFormatLite::WIRETYPE_VARINT):
        ok = in.ReadVarint64(&drawn->seed_age_ms);
        break;
      default:
        ok = WireFormatLite::SkipField(&in, tag);
    }
    if (!ok) return absl::InternalError("the reply is malformed or has not the length asked for");
  }
  if (!filled || !in.ConsumedEntireMessage()) {
    return absl::InternalError("the reply is malformed or holds no data");
  }
  return absl::OkStatus();
}

class GetClientImpl final : public GetClient {
 public:
  GetClientImpl(std::string server, std::shared_ptr<grpc::Channel> channel, absl::Duration timeout,
                SlowCall::Tell slow)
      : server_(std::move(server)),
        timeout_(timeout),
        slow_(std::move(slow)),
        stub_(std::move(channel)) {}

  absl::StatusOr<Drawn> Get(const std::string& pool_class, absl::Span<uint8_t> out,
                            v1::Quality min_quality) override {
    if (out.empty()) return absl::InvalidArgumentError("get: 0 bytes asked for");
    Drawn drawn;
    for (absl::Span<uint8_t> rest = out; !rest.empty();) {
      const absl::Span<uint8_t> part = rest.subspan(0, std::min(rest.size(), kMaxBytesPerCall));
      const absl::Status status = GetOnce(pool_class, part, min_quality, &drawn);
      if (!status.ok()) {
        Wipe(out);
        return KeepAnswer(status, absl::Status(status.code(), Named(pool_class, status.message())));
      }
      rest.remove_prefix(part.size());
    }
    return drawn;
  }

 private:
  // Most messages of a server begin with the call, and name the class.
  std::string Named(const std::string& pool_class, absl::string_view message) const {
    if (!absl::ConsumePrefix(&message, absl::StrCat("get from ", pool_class, ": "))) {
      absl::ConsumePrefix(&message, "get: ");
    }
    return absl::StrCat("get from ", pool_class, " at ", server_, ": ", message);
  }

  absl::Status GetOnce(const std::string& pool_class, absl::Span<uint8_t> out,
                       v1::Quality min_quality, Drawn* drawn) {
    v1::GetRequest request;
    request.set_class_(pool_class);
    request.set_bytes(static_cast<uint32_t>(out.size()));
    request.set_min_quality(min_quality);
    grpc::ClientContext context;
    const absl::Time began = absl::Now();
    context.set_deadline(absl::ToChronoTime(began + timeout_));
    WipedBuffer reply;
    grpc::Status status;
    absl::Notification done;
    const SlowCall slow(slow_, server_, timeout_);
    stub_.UnaryCall(&context, kGetMethod, grpc::StubOptions(), &request, reply.get(),
                    [&status, &done](grpc::Status s) {
                      status = std::move(s);
                      done.Notify();
                    });
    done.WaitForNotification();
    if (!status.ok()) {
      const absl::Status ended = WithPatience(FromGrpcWithMark(status), timeout_);
      return TellStep(WithWait(ended, absl::Now() - began), server_, context.peer());
    }
    return ParseReply(reply.get(), out, drawn);
  }

  const std::string server_;
  const absl::Duration timeout_;
  const SlowCall::Tell slow_;
  grpc::TemplatedGenericStub<v1::GetRequest, grpc::ByteBuffer> stub_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<GetClient>> GetClient::Create(const std::string& server,
                                                             const config::v1::ClientTls& tls,
                                                             absl::Time now, absl::Duration timeout,
                                                             SlowCall::Tell slow) {
  auto channel = MakeChannel(server, tls, now);
  if (!channel.ok()) return channel.status();
  return std::make_unique<GetClientImpl>(server, *std::move(channel), timeout, std::move(slow));
}

}  // namespace entropyd
