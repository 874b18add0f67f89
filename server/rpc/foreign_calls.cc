#include "server/rpc/foreign_calls.h"

#include <string>
#include <thread>
#include <utility>

#include "absl/synchronization/mutex.h"
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

class Watcher final : public grpc::experimental::Interceptor {
 public:
  Watcher(const Gate* gate, OpenCalls* open_calls, grpc::experimental::ServerRpcInfo* info)
      : gate_(gate), open_calls_(open_calls), info_(info) {}
  ~Watcher() override {
    if (call_ != nullptr) call_->Over();
  }

  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::POST_RECV_INITIAL_METADATA)) {
      Begin();
    }
    if (call_ != nullptr &&
        methods->QueryInterceptionHookPoint(InterceptionHookPoints::POST_RECV_CLOSE)) {
      call_->Over();
    }
    methods->Proceed();
  }

 private:
  void Begin() {
    std::string address;
    const Gate::Caller caller = CallerOf(*info_->server_context(), info_->method(), &address);
    call_ = std::make_shared<ForeignCall>(info_->server_context());
    open_calls_->Add(*gate_,
                     {gate_->Certificate(caller),
                      info_->method(),
                      {config::v1::ROLE_AGENT, config::v1::ROLE_READER, config::v1::ROLE_OPERATOR}},
                     call_);
  }

  const Gate* const gate_;
  OpenCalls* const open_calls_;
  grpc::experimental::ServerRpcInfo* const info_;
  std::shared_ptr<ForeignCall> call_;
};

class Watchers final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  Watchers(const Gate* gate, OpenCalls* open_calls, ServingCredentials::Methods own)
      : gate_(gate), open_calls_(open_calls), own_(std::move(own)) {}

  grpc::experimental::Interceptor* CreateServerInterceptor(
      grpc::experimental::ServerRpcInfo* info) override {
    if (info->method() == nullptr || own_.contains(info->method())) return nullptr;
    return new Watcher(gate_, open_calls_, info);
  }

 private:
  const Gate* const gate_;
  OpenCalls* const open_calls_;
  const ServingCredentials::Methods own_;
};

}  // namespace

std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>>
WatchForeignCalls(const Gate* gate, OpenCalls* open_calls, ServingCredentials::Methods own) {
  std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> watchers;
  watchers.push_back(std::make_unique<Watchers>(gate, open_calls, std::move(own)));
  return watchers;
}

}  // namespace entropyd
