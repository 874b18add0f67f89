#include "server/rpc/record_reactor.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/wire/grpc_status.h"
#include "grpcpp/server_context.h"

namespace entropyd {
namespace {

// A longer recording is a typing error: the assessment wants a million samples.
constexpr uint64_t kMaxSamples = uint64_t{1} << 30;

constexpr absl::string_view kRecordSource = "record source: ";

class RefusedRecording final : public grpc::ServerWriteReactor<v1::RecordSourceResponse> {
 public:
  explicit RefusedRecording(const absl::Status& status) { Finish(ToGrpc(status)); }
  void OnDone() override { delete this; }
};

}  // namespace

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
    return absl::InvalidArgumentError(absl::StrCat(kRecordSource, rows, " rows of ",
                                                   request.samples(), " samples; 1 to ",
                                                   kMaxSamples, " in all"));
  }
  return absl::OkStatus();
}

grpc::ServerWriteReactor<v1::RecordSourceResponse>* RefuseRecording(const absl::Status& status) {
  return new RefusedRecording(status);
}

std::shared_ptr<RecordReactor> RecordReactor::Make(grpc::CallbackServerContext* context,
                                                   uint64_t rows, uint64_t row_samples,
                                                   AuditedCall call) {
  auto reactor = std::make_shared<RecordReactor>(context, std::move(call));
  reactor->recording_ = std::make_shared<SampleRecording>(rows, row_samples, reactor);
  reactor->held_by_grpc_ = reactor;
  return reactor;
}

RecordReactor::RecordReactor(grpc::CallbackServerContext* context, AuditedCall call)
    : context_(context), call_(std::move(call)) {}

void RecordReactor::ShutOut(const absl::Status& status) {
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

void RecordReactor::OnWriteDone(bool ok) {
  if (!ok) recording_->Cancel();
  {
    absl::MutexLock lock(&mutex_);
    writing_ = false;
  }
  Next();
}

void RecordReactor::OnDone() {
  const std::shared_ptr<RecordReactor> last_but_for_the_source = std::move(held_by_grpc_);
}

void RecordReactor::Next() {
  absl::Status status;
  Step step = Step::kNothing;
  {
    absl::MutexLock lock(&mutex_);
    step = TakeStep(&status);
  }
  if (step == Step::kFinish) Finish(ToGrpc(status));
  if (step == Step::kWrite) StartWrite(&message_);
}

RecordReactor::Step RecordReactor::TakeStep(absl::Status* status) {
  if (writing_ || finished_ || cancelling_) return Step::kNothing;
  std::string samples = recording_->Take();
  if (!shut_out_.ok()) {
    *status = shut_out_;
  } else if (!samples.empty() && recording_->cancelled().empty()) {
    sent_ += samples.size();
    message_.set_samples(std::move(samples));
    writing_ = true;
    return Step::kWrite;
  } else if (!recording_->Ended(status)) {
    return Step::kNothing;
  }
  finished_ = true;
  // Before the caller hears of it, so that its next call is told after this one.
  call_.action()->after = absl::StrCat(sent_, " samples sent");
  *status = call_.End(*status);
  return Step::kFinish;
}

}  // namespace entropyd
