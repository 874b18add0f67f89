#include "server/admin_service.h"

#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/grpc_status.h"
#include "grpcpp/support/server_callback.h"
#include "proto/admin.grpc.pb.h"
#include "server/grpc_caller.h"

namespace entropyd {
namespace {

// Long enough for an agent to attach elsewhere and let its old channels run out.
constexpr uint32_t kDefaultDrainSeconds = 30;
// A session moves by itself within the hour.
constexpr uint32_t kMaxDrainSeconds = 3600;

void FillClass(const std::string& pool, const ClassTree::ClassStats& stats, v1::Class* out) {
  out->set_pool(pool);
  out->set_name(stats.spec.name);
  out->set_parent(stats.spec.parent);
  out->set_rate(stats.spec.rate);
  out->set_ceil(stats.spec.ceil == ClassTree::kUnlimited ? 0 : stats.spec.ceil);
  out->set_burst(stats.spec.burst);
  out->set_cburst(stats.spec.cburst);
  out->set_weight(stats.spec.weight);
  out->set_prio(stats.spec.prio);
  out->set_leaf(stats.leaf);
  out->set_members(stats.members);
  out->set_waiting_members(stats.waiting_members);
  out->set_waiting_bytes(stats.waiting_bytes);
  out->set_delivered_bytes(stats.delivered_bytes);
  out->set_borrowed_bytes(stats.borrowed_bytes);
  out->set_throttled_seconds(static_cast<double>(stats.throttled_nanos) / 1e9);
}

void FillAgent(const Session& session, int64_t now_nanos, v1::Agent* out) {
  out->set_identity(session.peer().identity);
  out->set_host_id(absl::BytesToHexString(session.host_id()));
  out->set_session_id(session.id());
  out->set_peer(session.peer().address);
  out->set_connected_seconds(static_cast<double>(now_nanos - session.started_nanos()) / 1e9);
  out->set_guests(session.guests());
  out->set_delivered_bytes(session.sent_bytes());
  out->set_unconfirmed_bytes(session.unconfirmed_bytes());
  out->set_draining(session.phase() == Session::Phase::kDraining);
  for (const auto& channel : session.channels()) {
    v1::Agent::Channel* entry = out->add_channel();
    entry->set_class_(channel->name);
    entry->set_phase(channel->phase);
    entry->set_sent(channel->sent);
    entry->set_received(channel->received);
    entry->set_limit(channel->limit);
    entry->set_guests(channel->guests);
  }
}

class AdminService final : public v1::Admin::CallbackService {
 public:
  AdminService(const Gate* gate, DispatchLoop* loop, const Supply* supply)
      : gate_(gate), loop_(loop), supply_(supply) {}

  grpc::ServerUnaryReactor* ListSources(grpc::CallbackServerContext* context,
                                        const v1::ListSourcesRequest*,
                                        v1::ListSourcesResponse* response) override {
    return Answer(context, "ListSources", [this, response] {
      for (v1::Source& source : supply_->ListSources()) *response->add_source() = std::move(source);
    });
  }

  grpc::ServerUnaryReactor* ListPools(grpc::CallbackServerContext* context,
                                      const v1::ListPoolsRequest*,
                                      v1::ListPoolsResponse* response) override {
    return Answer(context, "ListPools", [this, response] {
      for (v1::Pool& pool : supply_->ListPools()) *response->add_pool() = std::move(pool);
    });
  }

  grpc::ServerUnaryReactor* ListClasses(grpc::CallbackServerContext* context,
                                        const v1::ListClassesRequest* request,
                                        v1::ListClassesResponse* response) override {
    return AnswerAsOwner(
        context, "ListClasses", [this, request, response](Dispatcher& dispatcher, int64_t now_nanos) {
          if (!request->pool().empty() && supply_->FindPool(request->pool()) == nullptr) {
            return absl::NotFoundError(
                absl::StrCat("list classes: no pool '", request->pool(), "' is configured"));
          }
          for (const auto& slot : dispatcher.classes().slots()) {
            if (!request->pool().empty() && request->pool() != slot->pool->name()) continue;
            for (const ClassTree::ClassStats& stats : slot->tree->Stats(now_nanos)) {
              FillClass(slot->pool->name(), stats, response->add_class_());
            }
          }
          return absl::OkStatus();
        });
  }

  grpc::ServerUnaryReactor* ListAgents(grpc::CallbackServerContext* context,
                                       const v1::ListAgentsRequest*,
                                       v1::ListAgentsResponse* response) override {
    return AnswerAsOwner(context, "ListAgents",
                         [response](Dispatcher& dispatcher, int64_t now_nanos) {
                           for (const auto& session : dispatcher.roster().sessions()) {
                             if (session->id() == 0 || session->ended()) continue;
                             FillAgent(*session, now_nanos, response->add_agent());
                           }
                           return absl::OkStatus();
                         });
  }

  grpc::ServerUnaryReactor* Drain(grpc::CallbackServerContext* context,
                                  const v1::DrainRequest* request,
                                  v1::DrainResponse* response) override {
    return AnswerAsOwner(
        context, "Drain", [request, response](Dispatcher& dispatcher, int64_t now_nanos) {
          const uint32_t seconds =
              request->deadline_seconds() == 0 ? kDefaultDrainSeconds : request->deadline_seconds();
          if (seconds > kMaxDrainSeconds) {
            return absl::InvalidArgumentError(absl::StrCat(
                "drain: deadline_seconds is ", seconds, ", at most ", kMaxDrainSeconds));
          }
          const std::string reason =
              request->reason().empty() ? "an operator drains" : request->reason();
          const uint32_t sessions = dispatcher.Drain(
              request->identity(), reason, now_nanos, now_nanos + seconds * int64_t{1'000'000'000});
          if (sessions == 0 && !request->identity().empty()) {
            return absl::NotFoundError(
                absl::StrCat("drain: no agent '", request->identity(), "' is attached"));
          }
          response->set_sessions(sessions);
          return absl::OkStatus();
        });
  }

 private:
  absl::Status Check(grpc::CallbackServerContext* context, absl::string_view call) const {
    std::string address;
    return gate_->Admit(CallerOf(*context, call, &address), {config::v1::ROLE_OPERATOR}).status();
  }

  static grpc::ServerUnaryReactor* Conclude(grpc::CallbackServerContext* context,
                                            const absl::Status& status) {
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    reactor->Finish(ToGrpc(status));
    return reactor;
  }

  template <typename Fill>
  grpc::ServerUnaryReactor* Answer(grpc::CallbackServerContext* context, absl::string_view call,
                                   Fill fill) {
    const absl::Status allowed = Check(context, call);
    if (allowed.ok()) fill();
    return Conclude(context, allowed);
  }

  // `fill` runs as the dispatcher's owner, on whatever thread that is.
  template <typename Fill>
  grpc::ServerUnaryReactor* AnswerAsOwner(grpc::CallbackServerContext* context,
                                          absl::string_view call, Fill fill) {
    const absl::Status allowed = Check(context, call);
    if (!allowed.ok()) return Conclude(context, allowed);
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    loop_->Run([reactor, fill](Dispatcher& dispatcher, int64_t now_nanos) {
      reactor->Finish(ToGrpc(fill(dispatcher, now_nanos)));
    });
    return reactor;
  }

  const Gate* const gate_;
  DispatchLoop* const loop_;
  const Supply* const supply_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeAdminService(const Gate* gate, DispatchLoop* loop,
                                                const Supply* supply) {
  return std::make_unique<AdminService>(gate, loop, supply);
}

}  // namespace entropyd
