#include "server/rpc/foreign_calls.h"

#include <iterator>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "base/wire/grpc_status.h"
#include "grpcpp/server_context.h"
#include "server/rpc/grpc_caller.h"

namespace entropyd {
namespace {

using grpc::experimental::InterceptionHookPoints;

// A call that can be cancelled until it is over.
class ForeignCall final : public OpenCall {
 public:
  explicit ForeignCall(grpc::ServerContextBase* context) : context_(context) {}

  void ShutOut(const absl::Status&) override {
    {
      absl::MutexLock lock(&mutex_);
      if (over_ || cancelling_) return;
      cancelling_ = true;
      by_ = std::this_thread::get_id();
    }
    // gRPC may end the call from within.
    context_->TryCancel();
    absl::MutexLock lock(&mutex_);
    cancelling_ = false;
  }

  // After this the context may go.
  void Over() {
    absl::MutexLock lock(&mutex_);
    over_ = true;
    if (by_ == std::this_thread::get_id()) return;
    mutex_.Await(absl::Condition(
        +[](ForeignCall* call)
             ABSL_EXCLUSIVE_LOCKS_REQUIRED(call->mutex_) { return !call->cancelling_; },
        this));
  }

 private:
  grpc::ServerContextBase* const context_;
  absl::Mutex mutex_;
  bool over_ ABSL_GUARDED_BY(mutex_) = false;
  bool cancelling_ ABSL_GUARDED_BY(mutex_) = false;
  // Who cancels it.
  std::thread::id by_ ABSL_GUARDED_BY(mutex_);
};

constexpr absl::string_view kUnknown = "unknown";

// How the log calls a method. Its path is the peer's choice: it may be long, and another each time.
absl::string_view KnownCall(absl::string_view path) {
  for (const absl::string_view known :
       {"/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"}) {
    if (path == known) return known.substr(1);
  }
  return kUnknown;
}

class Admitting final : public grpc::experimental::Interceptor {
 public:
  Admitting(const Gate* gate, OpenCalls* open_calls, grpc::experimental::ServerRpcInfo* info)
      : gate_(gate), open_calls_(open_calls), info_(info), name_(KnownCall(info->method())) {}
  ~Admitting() override {
    if (call_ != nullptr) call_->Over();
  }

  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::POST_RECV_INITIAL_METADATA)) {
      Begin();
    }
    if (!admitted_.ok() &&
        methods->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_STATUS)) {
      methods->ModifySendStatus(ToGrpc(admitted_));
    }
    if (call_ != nullptr &&
        methods->QueryInterceptionHookPoint(InterceptionHookPoints::POST_RECV_CLOSE)) {
      call_->Over();
    }
    methods->Proceed();
  }

 private:
  // What ends by itself ends with the gate's status. A stream of gRPC's own need not end.
  bool EndsByItself() const {
    return info_->type() == grpc::experimental::ServerRpcInfo::Type::UNARY || name_ == kUnknown;
  }

  void Begin() {
    std::string address;
    const Gate::Caller caller = CallerOf(*info_->server_context(), name_, &address);
    const absl::StatusOr<Gate::Admission> admission = gate_->Admit(caller, Gate::kAnyRole);
    admitted_ = admission.status();
    call_ = std::make_shared<ForeignCall>(info_->server_context());
    if (!admission.ok()) {
      if (!EndsByItself()) call_->ShutOut(admitted_);
      return;
    }
    open_calls_->Add(*gate_,
                     {admission->certificate,
                      std::string(name_),
                      {std::begin(Gate::kAnyRole), std::end(Gate::kAnyRole)}},
                     call_);
  }

  const Gate* const gate_;
  OpenCalls* const open_calls_;
  grpc::experimental::ServerRpcInfo* const info_;
  const absl::string_view name_;
  absl::Status admitted_;
  std::shared_ptr<ForeignCall> call_;
};

class Doorman final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  Doorman(const Gate* gate, OpenCalls* open_calls, OwnMethods own)
      : gate_(gate), open_calls_(open_calls), own_(std::move(own)) {}

  grpc::experimental::Interceptor* CreateServerInterceptor(
      grpc::experimental::ServerRpcInfo* info) override {
    if (info->method() == nullptr || own_.contains(info->method())) return nullptr;
    return new Admitting(gate_, open_calls_, info);
  }

 private:
  const Gate* const gate_;
  OpenCalls* const open_calls_;
  const OwnMethods own_;
};

class Unimplemented final : public grpc::ServerGenericBidiReactor {
 public:
  Unimplemented() { Finish(ToGrpc(absl::UnimplementedError("no such method"))); }
  void OnDone() override { delete this; }
};

}  // namespace

OwnMethods MethodsIn(std::initializer_list<const google::protobuf::FileDescriptor*> files) {
  OwnMethods methods;
  for (const google::protobuf::FileDescriptor* file : files) {
    for (int i = 0; i < file->service_count(); ++i) {
      const google::protobuf::ServiceDescriptor* const service = file->service(i);
      for (int j = 0; j < service->method_count(); ++j) {
        methods.insert(absl::StrCat("/", service->full_name(), "/", service->method(j)->name()));
      }
    }
  }
  return methods;
}

std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>>
AdmitForeignCalls(const Gate* gate, OpenCalls* open_calls, OwnMethods own) {
  std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> all;
  all.push_back(std::make_unique<Doorman>(gate, open_calls, std::move(own)));
  return all;
}

grpc::ServerGenericBidiReactor* UnknownCalls::CreateReactor(grpc::GenericCallbackServerContext*) {
  return new Unimplemented;
}

}  // namespace entropyd
