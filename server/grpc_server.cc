#include "server/grpc_server.h"

#include <chrono>

#include "base/process/nanos.h"
#include "base/wire/attach_limits.h"
#include "grpcpp/ext/proto_server_reflection_plugin.h"
#include "grpcpp/health_check_service_interface.h"
#include "grpcpp/impl/service_type.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "proto/admin.pb.h"
#include "proto/entropy.pb.h"
#include "server/rpc/attach_service.h"
#include "server/rpc/foreign_calls.h"
#include "server/rpc/grpc_door.h"
#include "server/rpc/serving_credentials.h"
#include "server/source/sample_recording.h"

namespace entropyd {
namespace {

// Well above the sessions' own rotation, which moves agents without an error. gRPC makes it up to a
// tenth shorter or longer.
constexpr int64_t kConnectionAgeNanos = 2 * kHourNanos;
static_assert(SampleRecording::kLongestNanos < kConnectionAgeNanos / 10 * 9);

// Measured settings, each with its reason beside it.
void Tune(grpc::ServerBuilder* builder) {
  // Notice a dead agent within 40 s, and let agents ping about every 10 s.
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 30'000);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 5'000);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder->AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS,
                              static_cast<int>(kConnectionAgeNanos / kMillisecondNanos));
  builder->AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, 30'000);
  // An agent needs one stream and an occasional call.
  builder->AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, 16);
  builder->SetMaxReceiveMessageSize(kAttachMaxAgentMessage);
  builder->AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, 8192);
  // Windows that grow by themselves only add memory: the agents' credit limits what is in flight.
  builder->AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  // A handshake takes milliseconds on a network that works. TLS and HTTP/2's first frame both have
  // to come in this time.
  builder->AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, 10'000);
}

}  // namespace

GrpcServer::GrpcServer(const AdminParts& parts, Door* door, const tls::Material& material)
    : attach_service_(MakeAttachService(parts.gate, parts.loop, parts.protocols)),
      admin_service_(MakeAdminService(parts)),
      unknown_calls_(std::make_unique<UnknownCalls>()),
      credentials_(std::make_unique<ServingCredentials>(material)),
      door_thread_(door) {}

GrpcServer::~GrpcServer() = default;

absl::StatusOr<std::unique_ptr<GrpcServer>> GrpcServer::Start(const AdminParts& parts, Door* door,
                                                              const tls::Material& material) {
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  std::unique_ptr<GrpcServer> server(new GrpcServer(parts, door, material));
  grpc::ServerBuilder builder;
  Tune(&builder);
  server->grpc_door_ =
      std::make_unique<GrpcDoor>(&builder, server->credentials_->grpc(), parts.gate, door);
  builder.experimental().SetInterceptorCreators(
      AdmitForeignCalls(parts.gate, parts.open_calls,
                        MethodsIn({v1::AgentMessage::descriptor()->file(),
                                   v1::ListAgentsRequest::descriptor()->file()})));
  builder.RegisterCallbackGenericService(server->unknown_calls_.get());
  builder.RegisterService(server->attach_service_.get());
  builder.RegisterService(server->admin_service_.get());
  server->server_ = builder.BuildAndStart();
  if (server->server_ == nullptr) return absl::InternalError("gRPC does not start");
  server->server_->GetHealthCheckService()->SetServingStatus(false);  // until a pool is ready
  const absl::Status started = server->door_thread_.Start(server->grpc_door_->receive());
  if (!started.ok()) return started;
  return server;
}

void GrpcServer::SetServing(bool serving) {
  if (serving == serving_) return;
  serving_ = serving;
  server_->GetHealthCheckService()->SetServingStatus(serving);
}

void GrpcServer::StopServing() { server_->GetHealthCheckService()->Shutdown(); }

// A server that has been shut down leaves open what it gets.
void GrpcServer::Stop(int64_t grace_nanos) {
  door_thread_.Stop();
  server_->Shutdown(std::chrono::system_clock::now() + std::chrono::nanoseconds(grace_nanos));
  server_->Wait();
}

}  // namespace entropyd
