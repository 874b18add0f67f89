#include "server/rpc/admin_service.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/process/nanos.h"
#include "base/text/names.h"
#include "base/wire/grpc_status.h"
#include "base/wire/state_names.h"
#include "grpcpp/support/server_callback.h"
#include "proto/admin.grpc.pb.h"
#include "server/rpc/grpc_caller.h"

namespace entropyd {
namespace {

// Long enough for an agent to attach elsewhere and let its old channels run out.
constexpr uint32_t kDefaultDrainSeconds = 30;
// A longer recording is a typing error: the assessment wants a million samples.
constexpr uint64_t kMaxSamples = uint64_t{1} << 30;
// A longer drain makes no sense: a session moves by itself within the hour.
constexpr uint32_t kMaxDrainSeconds = 3600;

// A list shows so much of a name that was refused: sixteen streams may have asked for 64 each.
constexpr size_t kMaxRefusedNameBytes = 100;

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
  out->set_connected_seconds(ToSeconds(now_nanos - session.started_nanos()));
  out->set_guests(session.guests());
  out->set_delivered_bytes(session.deliveries().sent());
  out->set_unconfirmed_bytes(session.deliveries().unconfirmed());
  out->set_draining(session.phase() == Session::Phase::kDraining);
  for (const auto& channel : session.channels()) {
    v1::Agent::Channel* entry = out->add_channel();
    // Of what was refused an excerpt is enough: a peer may have asked for anything.
    const bool lengthy = channel->name().size() > kMaxRefusedNameBytes;
    entry->set_class_(lengthy && channel->phase() == Channel::Phase::kClosed
                          ? Excerpt(channel->name())
                          : channel->name());
    entry->set_phase(ToWire(channel->phase()));
    entry->set_sent(channel->sent());
    entry->set_received(channel->received());
    entry->set_limit(channel->limit());
    entry->set_guests(channel->guests());
    entry->set_weight(std::max<uint32_t>(1, channel->waiting_guests()));
    entry->set_max_weight(channel->max_weight());
  }
}

constexpr absl::string_view kRecordSource = "record source: ";

// A call that was refused before it began.
class RefusedRecording final : public grpc::ServerWriteReactor<v1::RecordSourceResponse> {
 public:
  explicit RefusedRecording(const absl::Status& status) { Finish(ToGrpc(status)); }
  void OnDone() override { delete this; }
};

// Sends what a source records. It ends with the recording. When the caller leaves, the recording
// ends. The source's thread, or whoever shuts the caller out, may call it at the moment when gRPC
// is done with it: the last of them frees it.
class RecordReactor final : public grpc::ServerWriteReactor<v1::RecordSourceResponse>,
                            public SampleReader,
                            public OpenCall {
 public:
  // gRPC holds it until OnDone().
  static std::shared_ptr<RecordReactor> Make(grpc::CallbackServerContext* context, uint64_t rows,
                                             uint64_t row_samples, AuditedCall call) {
    auto reactor = std::make_shared<RecordReactor>(context, std::move(call));
    reactor->recording_ = std::make_shared<SampleRecording>(rows, row_samples, reactor);
    reactor->held_by_grpc_ = reactor;
    return reactor;
  }

  RecordReactor(grpc::CallbackServerContext* context, AuditedCall call)
      : context_(context), call_(std::move(call)) {}

  const std::shared_ptr<SampleRecording>& recording() const { return recording_; }

  // The caller may be one who does not read: the second time the call is cancelled.
  void ShutOut(const absl::Status& status) override {
    bool cancel = false;
    {
      absl::MutexLock lock(&mutex_);
      cancel = writing_ && !finished_ && !shut_out_.ok();
      cancelling_ = cancelling_ || cancel;
      if (shut_out_.ok()) shut_out_ = status;
    }
    // After that, so that the source's last word does not come before this one.
    recording_->Cancel(absl::StripPrefix(status.message(), kRecordSource));
    if (cancel) {
      context_->TryCancel();  // as long as cancelling_ holds, the call is not finished
      absl::MutexLock lock(&mutex_);
      cancelling_ = false;
    }
    Next();
  }

  void OnSamples() override { Next(); }
  void OnWriteDone(bool ok) override {
    if (!ok) recording_->Cancel();
    {
      absl::MutexLock lock(&mutex_);
      writing_ = false;
    }
    Next();
  }
  void OnCancel() override { recording_->Cancel(); }
  void OnDone() override {
    const std::shared_ptr<RecordReactor> last_but_for_the_source = std::move(held_by_grpc_);
  }

 private:
  void Next() {
    absl::Status status;
    bool finish = false;
    {
      absl::MutexLock lock(&mutex_);
      if (writing_ || finished_ || cancelling_) return;
      std::string samples = recording_->Take();
      if (!shut_out_.ok()) {
        status = shut_out_;
        finish = true;
      } else if (!samples.empty() && recording_->cancelled().empty()) {
        sent_ += samples.size();
        message_.set_samples(std::move(samples));
        writing_ = true;
      } else if (recording_->Ended(&status)) {
        finish = true;
      } else {
        return;
      }
      if (finish) {
        finished_ = true;
        // Before the caller hears of it, so that its next call is told after this one.
        call_.action()->after = absl::StrCat(sent_, " samples sent");
        status = call_.End(status);
      }
    }
    if (finish) {
      Finish(ToGrpc(status));
    } else {
      StartWrite(&message_);
    }
  }

  grpc::CallbackServerContext* const context_;  // until it is finished
  std::shared_ptr<SampleRecording> recording_;  // since Make()
  std::shared_ptr<RecordReactor> held_by_grpc_;
  v1::RecordSourceResponse message_;  // the write's while there is one
  absl::Mutex mutex_;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  bool cancelling_ ABSL_GUARDED_BY(mutex_) = false;
  // Why the caller may not go on.
  absl::Status shut_out_ ABSL_GUARDED_BY(mutex_);
  uint64_t sent_ ABSL_GUARDED_BY(mutex_) = 0;
  AuditedCall call_ ABSL_GUARDED_BY(mutex_);
};

absl::Status MayRecord(bool allowed) {
  if (allowed) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(kRecordSource,
                   "raw samples do not leave this server; write allow_recording: true in "
                   "server.yaml and reload it"));
}

absl::Status CheckRecording(const v1::RecordSourceRequest& request, bool allowed) {
  if (absl::Status may = MayRecord(allowed); !may.ok()) return may;
  const uint64_t rows = std::max(1u, request.restarts());
  if (request.samples() == 0 || request.samples() > kMaxSamples / rows) {
    return absl::InvalidArgumentError(absl::StrCat("record source: ", rows, " rows of ",
                                                   request.samples(), " samples; 1 to ",
                                                   kMaxSamples, " in all"));
  }
  return absl::OkStatus();
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
    if (!call.ok()) return new RefusedRecording(call.status());
    absl::Status status = CheckRecording(*request, *parts_.allow_recording);
    if (!status.ok()) return new RefusedRecording(call->End(status));
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
        return absl::NotFoundError(
            absl::StrCat("list classes: no pool ", Excerpt(request->pool()), " is configured"));
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
    return AnswerAsOwner(context, "ListAgents", [this, response](int64_t now_nanos) {
      for (const auto& session : parts_.protocols->attach()->registry().sessions()) {
        if (session->id() == 0 || session->ended()) continue;
        FillAgent(*session, now_nanos, response->add_agent());
      }
      response->set_draining(parts_.protocols->draining());
      response->set_drain_reason(parts_.protocols->drain_reason());
      response->set_reload_problem(parts_.reload_problem());
      return absl::OkStatus();
    });
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
        call.action()->after = absl::StrCat(outcome->changes.size(), " changes");
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

  std::string DrainState() const { return parts_.protocols->draining() ? "draining" : "serving"; }

  absl::Status EndDrain(const std::string& by) {
    if (!parts_.protocols->EndDrain()) {
      return absl::FailedPreconditionError("drain: the server does not drain");
    }
    parts_.log->Warning("drain.ended", {{"by", by}});
    return absl::OkStatus();
  }

  // For calls that only look. Others Begin().
  absl::Status Check(grpc::CallbackServerContext* context, absl::string_view call) const {
    std::string address;
    return parts_.gate->Admit(CallerOf(*context, call, &address), {config::v1::ROLE_OPERATOR})
        .status();
  }
  // Lets an operator in whose call the audit is to be told of. `certificate` may be null.
  absl::StatusOr<AuditedCall> Begin(
      grpc::CallbackServerContext* context, const std::string& call, const std::string& target,
      std::shared_ptr<const PeerCertificate>* certificate = nullptr) const {
    AdminAudit::Action action;
    absl::StatusOr<Gate::Admission> by =
        parts_.gate->Admit(CallerOf(*context, call, &action.peer), {config::v1::ROLE_OPERATOR});
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
