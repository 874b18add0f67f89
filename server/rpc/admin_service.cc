#include "server/rpc/admin_service.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/process/nanos.h"
#include "base/text/names.h"
#include "base/wire/grpc_status.h"
#include "base/wire/state_names.h"
#include "grpcpp/support/server_callback.h"
#include "proto/admin.grpc.pb.h"
#include "server/rpc/agent_list.h"
#include "server/rpc/grpc_caller.h"
#include "server/rpc/record_reactor.h"

namespace entropyd {
namespace {

// Long enough for an agent to attach elsewhere and let its old channels run out.
constexpr uint32_t kDefaultDrainSeconds = 30;
// A longer drain makes no sense: a session moves by itself within the hour.
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
  out->set_throttled_seconds(ToSeconds(stats.throttled_nanos));
}

class AdminService final : public v1::Admin::CallbackService {
 public:
  explicit AdminService(const AdminParts& parts) : parts_(parts) {}

  grpc::ServerUnaryReactor* ListSources(grpc::CallbackServerContext* context,
                                        const v1::ListSourcesRequest*,
                                        v1::ListSourcesResponse* response) override {
    return Answer(context, "ListSources", [this, response] {
      for (v1::Source& source : parts_.supply->ListSources())
        *response->add_source() = std::move(source);
    });
  }

  grpc::ServerUnaryReactor* ListPools(grpc::CallbackServerContext* context,
                                      const v1::ListPoolsRequest*,
                                      v1::ListPoolsResponse* response) override {
    return Answer(context, "ListPools", [this, response] {
      for (v1::Pool& pool : parts_.supply->ListPools()) *response->add_pool() = std::move(pool);
    });
  }

  grpc::ServerUnaryReactor* TestSource(grpc::CallbackServerContext* context,
                                       const v1::TestSourceRequest* request,
                                       v1::TestSourceResponse* response) override {
    return TestOne(context, "TestSource", request->name(), false, response);
  }

  grpc::ServerUnaryReactor* ResetSource(grpc::CallbackServerContext* context,
                                        const v1::ResetSourceRequest* request,
                                        v1::ResetSourceResponse* response) override {
    return TestOne(context, "ResetSource", request->name(), true, response);
  }

  grpc::ServerWriteReactor<v1::RecordSourceResponse>* RecordSource(
      grpc::CallbackServerContext* context, const v1::RecordSourceRequest* request) override {
    std::shared_ptr<const PeerCertificate> certificate;
    absl::StatusOr<AuditedCall> call =
        Begin(context, "RecordSource", request->name(), &certificate);
    if (!call.ok()) return RefuseRecording(call.status());
    absl::Status status = CheckRecording(*request, *parts_.allow_recording);
    if (!status.ok()) return RefuseRecording(call->End(status));
    const std::shared_ptr<RecordReactor> reactor = RecordReactor::Make(
        context, std::max(1u, request->restarts()), request->samples(), *std::move(call));
    parts_.open_calls->Add(
        *parts_.gate,
        {.certificate = std::move(certificate),
         .call = "RecordSource",
         .roles = {config::v1::ROLE_OPERATOR},
         .also = [allowed = parts_.allow_recording] { return MayRecord(*allowed); }},
        reactor);
    status = parts_.supply->RecordSource(request->name(), reactor->recording());
    if (!status.ok()) reactor->recording()->End(status);
    return reactor.get();
  }

  grpc::ServerUnaryReactor* SelfTest(grpc::CallbackServerContext* context,
                                     const v1::SelfTestRequest*,
                                     v1::SelfTestResponse* response) override {
    absl::StatusOr<AuditedCall> call = Begin(context, "SelfTest", "");
    if (!call.ok()) return Conclude(context, call.status());
    absl::StatusOr<std::vector<std::string>> passed = parts_.supply->SelfTest();
    if (passed.ok()) {
      for (const std::string& name : *passed) response->add_passed(name);
    }
    return Conclude(context, call->End(passed.status()));
  }

  grpc::ServerUnaryReactor* ListClasses(grpc::CallbackServerContext* context,
                                        const v1::ListClassesRequest* request,
                                        v1::ListClassesResponse* response) override {
    return AnswerAsOwner(context, "ListClasses", [this, request, response](int64_t now_nanos) {
      const ClassTable& classes = parts_.dispatcher->classes();
      if (!request->pool().empty() && classes.FindSlot(request->pool()) == nullptr) {
        const auto name = [](std::string* out, const auto& slot) { *out += slot->pool->name(); };
        return absl::NotFoundError(absl::StrCat("list classes: no pool ", Excerpt(request->pool()),
                                                " is configured; there are ",
                                                absl::StrJoin(classes.slots(), ", ", name)));
      }
      for (const auto& slot : classes.slots()) {
        if (!request->pool().empty() && request->pool() != slot->pool->name()) continue;
        for (const ClassTree::ClassStats& stats : slot->tree->Stats(now_nanos)) {
          FillClass(slot->pool->name(), stats, response->add_class_());
        }
      }
      return absl::OkStatus();
    });
  }

  grpc::ServerUnaryReactor* SetClass(grpc::CallbackServerContext* context,
                                     const v1::SetClassRequest* request,
                                     v1::SetClassResponse* response) override {
    return ChangeClasses(context, "SetClass", &ClassChanges::Set, *request,
                         response->mutable_difference(),
                         [this, response] { response->set_kept(parts_.changes->kept()); });
  }

  grpc::ServerUnaryReactor* ResetClass(grpc::CallbackServerContext* context,
                                       const v1::ResetClassRequest* request,
                                       v1::ResetClassResponse* response) override {
    return ChangeClasses(context, "ResetClass", &ClassChanges::Reset, *request,
                         response->mutable_undone(),
                         [this, response] { response->set_kept(parts_.changes->kept()); });
  }

  grpc::ServerUnaryReactor* ListClassDifferences(
      grpc::CallbackServerContext* context, const v1::ListClassDifferencesRequest*,
      v1::ListClassDifferencesResponse* response) override {
    return Answer(context, "ListClassDifferences", [this, response] {
      for (v1::ClassDifference& one : parts_.changes->Differences()) {
        *response->add_difference() = std::move(one);
      }
      response->set_kept(parts_.changes->kept());
    });
  }

  grpc::ServerUnaryReactor* ListAgents(grpc::CallbackServerContext* context,
                                       const v1::ListAgentsRequest*,
                                       v1::ListAgentsResponse* response) override {
    const absl::Status allowed = Check(context, "ListAgents");
    if (!allowed.ok()) return Conclude(context, allowed);
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    parts_.loop->Run([this, reactor, response](int64_t now_nanos) {
      const Protocols::Standing standing = parts_.protocols->standing();
      response->set_draining(standing != Protocols::Standing::kServing);
      response->set_stopping(standing == Protocols::Standing::kStopping);
      response->set_drain_reason(parts_.protocols->drain_reason());
      response->set_reload_problem(parts_.reload_problem());
      for (std::string& key : parts_.needs_restart()) response->add_needs_restart(std::move(key));
      ListSomeAgents(std::make_shared<AgentList>(parts_.protocols->attach()->registry()), response,
                     reactor, now_nanos);
    });
    return reactor;
  }

  grpc::ServerUnaryReactor* Reload(grpc::CallbackServerContext* context,
                                   const v1::ReloadServerRequest*,
                                   v1::ReloadServerResponse* response) override {
    absl::StatusOr<AuditedCall> call = Begin(context, "Reload", "");
    if (!call.ok()) return Conclude(context, call.status());
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    parts_.reload([reactor, response, call = *call](const absl::StatusOr<ReloadOutcome>& outcome) {
      if (outcome.ok()) {
        for (const ConfigChange& change : outcome->changes) response->add_change(change.Text());
        for (const std::string& key : outcome->needs_restart) response->add_needs_restart(key);
        call.action()->after = absl::StrCat(outcome->changes.size(),
                                            outcome->changes.size() == 1 ? " change" : " changes");
      }
      reactor->Finish(ToGrpc(call.End(outcome.status())));
    });
    return reactor;
  }

  grpc::ServerUnaryReactor* Drain(grpc::CallbackServerContext* context,
                                  const v1::DrainRequest* request,
                                  v1::DrainResponse* response) override {
    absl::StatusOr<AuditedCall> begun =
        Begin(context, "Drain", request->identity().empty() ? "all" : request->identity());
    if (!begun.ok()) return Conclude(context, begun.status());
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    parts_.loop->Run([this, reactor, request, response, call = *begun](int64_t now_nanos) {
      const std::string& by = call.action()->by;
      call.action()->before = DrainState();
      const absl::Status status =
          request->end() ? EndDrain(by) : BeginDrain(*request, by, now_nanos, response);
      call.action()->after = DrainState();
      reactor->Finish(ToGrpc(call.End(status)));
    });
    return reactor;
  }

 private:
  // Lets others have a turn after this many agents.
  void ListSomeAgents(const std::shared_ptr<AgentList>& list, v1::ListAgentsResponse* response,
                      grpc::ServerUnaryReactor* reactor, int64_t now_nanos) {
    if (!list->AddSome(parts_.protocols->attach()->registry(), now_nanos, response)) {
      reactor->Finish(grpc::Status::OK);
      return;
    }
    parts_.loop->Run([this, list, response, reactor](int64_t now) {
      ListSomeAgents(list, response, reactor, now);
    });
  }

  absl::Status BeginDrain(const v1::DrainRequest& request, const std::string& by, int64_t now_nanos,
                          v1::DrainResponse* response) {
    const uint32_t seconds =
        request.deadline_seconds() == 0 ? kDefaultDrainSeconds : request.deadline_seconds();
    if (seconds > kMaxDrainSeconds) {
      return absl::InvalidArgumentError(
          absl::StrCat("drain: deadline_seconds is ", seconds, ", at most ", kMaxDrainSeconds));
    }
    if (absl::Status text = CheckText(request.reason()); !text.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("drain: reason: ", text.message()));
    }
    const std::string reason = request.reason().empty() ? "an operator drains" : request.reason();
    const uint32_t sessions = parts_.protocols->Drain(request.identity(), reason, now_nanos,
                                                      now_nanos + seconds * kSecondNanos);
    if (sessions == 0 && !request.identity().empty()) {
      return absl::NotFoundError(
          absl::StrCat("drain: no agent ", Excerpt(request.identity()),
                       " is attached; entropyctl agents lists those that are"));
    }
    response->set_sessions(sessions);
    parts_.log->Warning("drain.begun",
                        {{"by", by},
                         {"identity", request.identity().empty() ? "all" : request.identity()},
                         {"reason", reason},
                         {"sessions", sessions}});
    return absl::OkStatus();
  }

  std::string DrainState() const {
    switch (parts_.protocols->standing()) {
      case Protocols::Standing::kServing:
        return "serving";
      case Protocols::Standing::kDraining:
        return "draining";
      case Protocols::Standing::kStopping:
        return "stopping";
    }
    return "";
  }

  absl::Status EndDrain(const std::string& by) {
    switch (parts_.protocols->EndDrain()) {
      case Protocols::Standing::kServing:
        return absl::FailedPreconditionError("drain: the server does not drain");
      case Protocols::Standing::kStopping:
        return absl::FailedPreconditionError(
            "drain: the server stops, and that cannot be undone; start it again");
      case Protocols::Standing::kDraining:
        break;
    }
    parts_.log->Warning("drain.ended", {{"by", by}});
    return absl::OkStatus();
  }

  // For calls that only look. Others Begin().
  absl::Status Check(grpc::CallbackServerContext* context, absl::string_view call) const {
    std::string address;
    return Admit(CallerOf(*context, call, &address)).status();
  }
  // Tells the audit of a call that is denied.
  absl::StatusOr<Gate::Admission> Admit(const Gate::Caller& caller) const {
    absl::StatusOr<Gate::Admission> by = parts_.gate->Admit(caller, {config::v1::ROLE_OPERATOR});
    if (by.ok()) return by;
    AdminAudit::Action action;
    action.call = std::string(caller.call);
    action.by = parts_.gate->Certificate(caller)->identity().value_or("");
    action.peer = std::string(caller.address);
    parts_.audit->TellDenied(action, by.status());
    return by;
  }
  // Lets an operator in whose call the audit is to be told of. `certificate` may be null.
  absl::StatusOr<AuditedCall> Begin(
      grpc::CallbackServerContext* context, const std::string& call, const std::string& target,
      std::shared_ptr<const PeerCertificate>* certificate = nullptr) const {
    AdminAudit::Action action;
    absl::StatusOr<Gate::Admission> by = Admit(CallerOf(*context, call, &action.peer));
    if (!by.ok()) return by.status();
    action.call = call;
    action.by = std::move(by->identity);
    if (certificate != nullptr) *certificate = std::move(by->certificate);
    action.target = target.size() > kMaxPoolNameBytes ? Excerpt(target) : target;
    return AuditedCall(parts_.audit, std::move(action));
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

  template <typename Response>
  grpc::ServerUnaryReactor* TestOne(grpc::CallbackServerContext* context, absl::string_view call,
                                    const std::string& name, bool reset, Response* response) {
    const absl::StatusOr<AuditedCall> begun = Begin(context, std::string(call), name);
    if (!begun.ok()) return Conclude(context, begun.status());
    begun->action()->before = StateOf(name);
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    parts_.supply->TestSource(
        name, reset, [reactor, response, audited = *begun](absl::StatusOr<v1::Source> source) {
          if (source.ok()) {
            audited.action()->after = std::string(SourceStateName(source->state()));
            *response->mutable_source() = *source;
          }
          reactor->Finish(ToGrpc(audited.End(source.status())));
        });
    return reactor;
  }

  // "" when no source has that name.
  std::string StateOf(const std::string& name) const {
    for (const v1::Source& source : parts_.supply->ListSources()) {
      if (source.name() == name) return std::string(SourceStateName(source.state()));
    }
    return "";
  }

  // Makes a change and answers once it is kept and in force.
  template <typename Request, typename Fill>
  grpc::ServerUnaryReactor* ChangeClasses(
      grpc::CallbackServerContext* context, absl::string_view call,
      absl::Status (ClassChanges::*change)(const Request&, const std::string&,
                                           ClassChanges::Publish),
      const Request& request, google::protobuf::RepeatedPtrField<v1::ClassDifference>* differences,
      Fill fill) {
    const bool all = request.pool().empty() && request.class_().empty();
    const absl::StatusOr<AuditedCall> begun =
        Begin(context, std::string(call),
              all ? "all" : absl::StrCat(request.pool(), "/", request.class_()));
    if (!begun.ok()) return Conclude(context, begun.status());
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    const absl::Status status =
        (parts_.changes->*change)(request, begun->action()->by, [&](ClassChanges::Outcome outcome) {
          for (v1::ClassDifference& one : outcome.differences) *differences->Add() = std::move(one);
          fill();
          begun->action()->before = std::move(outcome.before);
          begun->action()->after = std::move(outcome.after);
          // Request and response may be gone when this returns.
          parts_.loop->Run([reactor, dispatcher = parts_.dispatcher, audited = *begun,
                            updates = std::move(outcome.updates),
                            durable = outcome.durable](int64_t now_nanos) {
            absl::Status applied = durable;
            for (const ClassUpdate& update : updates) {
              applied.Update(dispatcher->UpdateClasses(update, now_nanos));
            }
            reactor->Finish(ToGrpc(audited.End(applied)));
          });
        });
    if (!status.ok()) reactor->Finish(ToGrpc(begun->End(status)));
    return reactor;
  }

  // `fill` runs as the dispatcher's owner, on any thread.
  template <typename Fill>
  grpc::ServerUnaryReactor* AnswerAsOwner(grpc::CallbackServerContext* context,
                                          absl::string_view call, Fill fill) {
    const absl::Status allowed = Check(context, call);
    if (!allowed.ok()) return Conclude(context, allowed);
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    parts_.loop->Run(
        [reactor, fill](int64_t now_nanos) { reactor->Finish(ToGrpc(fill(now_nanos))); });
    return reactor;
  }

  const AdminParts parts_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeAdminService(const AdminParts& parts) {
  return std::make_unique<AdminService>(parts);
}

}  // namespace entropyd
