#include "client/health_client.h"

#include <chrono>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "base/wire/grpc_status.h"
#include "client/call_error.h"
#include "client/failed_step.h"
#include "client/grpc_channel.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/support/client_callback.h"

namespace entropyd {
namespace {

constexpr char kCheck[] = "/grpc.health.v1.Health/Check";
// HealthCheckResponse with the field `status`, number 1, that says SERVING.
constexpr absl::string_view kServing("\x08\x01", 2);

// A request without a field asks for the whole server.
class HealthCall final : public grpc::ClientUnaryReactor {
 public:
  HealthCall(grpc::GenericStub* stub, absl::Time deadline) {
    context_.set_deadline(absl::ToChronoTime(deadline));
    stub->PrepareUnaryCall(&context_, kCheck, grpc::StubOptions(), &request_, &answer_, this);
    StartCall();
  }
  void OnDone(const grpc::Status& status) override {
    status_ = FromGrpc(status);
    done_.Notify();
  }
  absl::Status Await() {
    done_.WaitForNotification();
    return status_;
  }
  std::string peer() const { return context_.peer(); }
  std::string answer() const {
    std::vector<grpc::Slice> slices;
    std::string text;
    if (!answer_.Dump(&slices).ok()) return text;
    for (const grpc::Slice& slice : slices) {
      text.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
    }
    return text;
  }

 private:
  grpc::ClientContext context_;
  const grpc::Slice nothing_{""};
  const grpc::ByteBuffer request_{&nothing_, 1};
  grpc::ByteBuffer answer_;
  absl::Status status_;
  absl::Notification done_;
};

}  // namespace

absl::StatusOr<bool> ServerHealth(const std::string& server, const config::v1::ClientTls& tls,
                                  absl::Time now, absl::Duration timeout) {
  const auto channel = MakeChannel(server, tls, now);
  if (!channel.ok()) return channel.status();
  grpc::GenericStub stub(*channel);
  HealthCall check(&stub, absl::Now() + timeout);
  const absl::Status status = TellStep(WithPatience(check.Await(), timeout), server, check.peer());
  if (!status.ok()) return CallError("ask for health", absl::StrCat(" of ", server), status);
  return check.answer() == kServing;
}

}  // namespace entropyd
