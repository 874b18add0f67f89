// The call by which an operator records a source's raw samples (Admin.RecordSource), as gRPC sees
// it: a stream of what the source records.
//
//   absl::Status status = CheckRecording(request, allow_recording);
//   if (!status.ok()) return RefuseRecording(call.End(status));
//   auto reactor = RecordReactor::Make(context, rows, row_samples, std::move(call));
//   open_calls->Add(gate, caller, reactor);
//   status = supply->RecordSource(request.name(), reactor->recording());
//   if (!status.ok()) reactor->recording()->End(status);
//   return reactor.get();
//
// Errors: the call ends with the recording's status, or with the reason why the caller was shut
// out. The audit hears of it first.
//
// Thread safety: safe.
#pragma once

#include <cstdint>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "grpcpp/support/server_callback.h"
#include "proto/admin.pb.h"
#include "server/rpc/admin_audit.h"
#include "server/rpc/open_calls.h"
#include "server/supply/supply.h"

namespace entropyd {

// FAILED_PRECONDITION when raw samples may not leave the server.
absl::Status MayRecord(bool allowed);

// The same, and INVALID_ARGUMENT when nothing, or more than any assessment needs, is asked for.
absl::Status CheckRecording(const v1::RecordSourceRequest& request, bool allowed);

// A call that was refused before it began. It deletes itself.
grpc::ServerWriteReactor<v1::RecordSourceResponse>* RefuseRecording(const absl::Status& status);

// Sends what a source records. It ends with the recording. When the caller leaves, the recording
// ends. The source's thread, or a thread that shuts the caller out, may call it at the moment when
// gRPC is done with it: the last of them frees it.
class RecordReactor final : public grpc::ServerWriteReactor<v1::RecordSourceResponse>,
                            public SampleReader,
                            public OpenCall {
 public:
  // gRPC holds it until OnDone().
  static std::shared_ptr<RecordReactor> Make(grpc::CallbackServerContext* context, uint64_t rows,
                                             uint64_t row_samples, AuditedCall call);

  // For Make().
  RecordReactor(grpc::CallbackServerContext* context, AuditedCall call);

  const std::shared_ptr<SampleRecording>& recording() const { return recording_; }

  // From OpenCall. The caller may be one who does not read: the second time the call is cancelled.
  void ShutOut(const absl::Status& status) override;
  // From SampleReader.
  void OnSamples() override { Next(); }
  // From gRPC.
  void OnWriteDone(bool ok) override;
  void OnCancel() override { recording_->Cancel(); }
  void OnDone() override;

 private:
  // What is to be done with the stream now.
  enum class Step { kNothing, kWrite, kFinish };

  // Writes what there is, or finishes the call, unless a write or an end is on its way.
  void Next();
  Step TakeStep(absl::Status* status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

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

}  // namespace entropyd
