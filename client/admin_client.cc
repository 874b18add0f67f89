#include "client/admin_client.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "client/blocking_call.h"
#include "client/grpc_channel.h"
#include "grpcpp/channel.h"
#include "proto/admin.grpc.pb.h"

namespace entropyd {
namespace {

// Enough for 100,000 agents with 10 classes each, at about 600 B an agent, and not too much memory
// for a tool.
constexpr int kMaxReceiveBytes = 64 * 1024 * 1024;

// gRPC's patience with a connection: 20 s until it stands (client/grpc_channel.cc).
constexpr absl::Duration kSignOfLife = absl::Seconds(20);

class AdminClientImpl final : public AdminClient {
 public:
  AdminClientImpl(std::string server, const std::shared_ptr<grpc::Channel>& channel,
                  absl::Duration timeout, SlowCall::Tell slow)
      : server_(std::move(server)),
        timeout_(timeout),
        slow_(std::move(slow)),
        stub_(v1::Admin::NewStub(channel)) {}

  absl::StatusOr<v1::ListSourcesResponse> ListSources() override {
    return Call(&v1::Admin::Stub::ListSources, v1::ListSourcesRequest(), "list sources");
  }
  absl::StatusOr<v1::ListPoolsResponse> ListPools() override {
    return Call(&v1::Admin::Stub::ListPools, v1::ListPoolsRequest(), "list pools");
  }
  absl::StatusOr<v1::TestSourceResponse> TestSource(const std::string& name) override {
    v1::TestSourceRequest request;
    request.set_name(name);
    return BlockingCall(stub_.get(), &v1::Admin::Stub::TestSource, request, kTestTimeout,
                        absl::StrCat("test source ", name), OfServer(), slow_, server_, server_);
  }
  absl::StatusOr<v1::ResetSourceResponse> ResetSource(const std::string& name) override {
    v1::ResetSourceRequest request;
    request.set_name(name);
    return BlockingCall(stub_.get(), &v1::Admin::Stub::ResetSource, request, kTestTimeout,
                        absl::StrCat("reset source ", name), OfServer(), slow_, server_, server_);
  }
  absl::Status RecordSource(const v1::RecordSourceRequest& request,
                            const std::function<bool(const std::string&)>& take) override {
    grpc::ClientContext context;
    const auto reader = stub_->RecordSource(&context, request);
    v1::RecordSourceResponse response;
    bool wanted = true;
    // gRPC notices by itself when the connection does not come about, or gives no sign of life.
    auto slow = std::make_unique<SlowCall>(slow_, server_, kSignOfLife);
    while (reader->Read(&response)) {
      slow.reset();
      if (wanted && !take(response.samples())) {
        wanted = false;
        context.TryCancel();
      }
    }
    absl::Status status = TellStep(FromGrpcWithMark(reader->Finish()), server_, context.peer());
    if (!wanted) return absl::CancelledError("ended by the caller");
    if (status.ok()) return status;
    return CallError(absl::StrCat("record source ", request.name()), OfServer(), status);
  }
  absl::StatusOr<v1::SelfTestResponse> SelfTest() override {
    return Call(&v1::Admin::Stub::SelfTest, v1::SelfTestRequest(), "self-test");
  }
  absl::StatusOr<v1::ListClassesResponse> ListClasses(const std::string& pool) override {
    v1::ListClassesRequest request;
    request.set_pool(pool);
    return Call(&v1::Admin::Stub::ListClasses, request, "list classes");
  }
  absl::StatusOr<v1::SetClassResponse> SetClass(const v1::SetClassRequest& request) override {
    return Call(&v1::Admin::Stub::SetClass, request,
                absl::StrCat("set ", request.pool(), "/", request.class_()));
  }
  absl::StatusOr<v1::ResetClassResponse> ResetClass(const v1::ResetClassRequest& request) override {
    const bool all = request.pool().empty() && request.class_().empty();
    return Call(
        &v1::Admin::Stub::ResetClass, request,
        all ? "reset classes" : absl::StrCat("reset ", request.pool(), "/", request.class_()));
  }
  absl::StatusOr<v1::ListClassDifferencesResponse> ListClassDifferences() override {
    return Call(&v1::Admin::Stub::ListClassDifferences, v1::ListClassDifferencesRequest(),
                "list class differences");
  }
  absl::StatusOr<v1::ListAgentsResponse> ListAgents() override {
    return Call(&v1::Admin::Stub::ListAgents, v1::ListAgentsRequest(), "list agents");
  }
  absl::StatusOr<v1::DrainResponse> Drain(const v1::DrainRequest& request) override {
    return Call(&v1::Admin::Stub::Drain, request, "drain");
  }
  absl::StatusOr<v1::ReloadServerResponse> Reload() override {
    return Call(&v1::Admin::Stub::Reload, v1::ReloadServerRequest(), "reload");
  }

 private:
  std::string OfServer() const { return absl::StrCat(" of ", server_); }

  template <typename Request, typename Response>
  absl::StatusOr<Response> Call(grpc::Status (v1::Admin::Stub::*method)(grpc::ClientContext*,
                                                                        const Request&, Response*),
                                const Request& request, absl::string_view verb) {
    return BlockingCall(stub_.get(), method, request, timeout_, verb, OfServer(), slow_, server_,
                        server_);
  }

  const std::string server_;
  const absl::Duration timeout_;
  const SlowCall::Tell slow_;
  const std::unique_ptr<v1::Admin::Stub> stub_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<AdminClient>> AdminClient::Create(const std::string& server,
                                                                 const config::v1::ClientTls& tls,
                                                                 absl::Time now,
                                                                 absl::Duration timeout,
                                                                 SlowCall::Tell slow) {
  auto channel = MakeChannel(server, tls, now, kMaxReceiveBytes);
  if (!channel.ok()) return channel.status();
  return std::make_unique<AdminClientImpl>(server, *std::move(channel), timeout, std::move(slow));
}

}  // namespace entropyd
