#include "client/entropy_stream.h"

#include <deque>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "base/wire/grpc_status.h"
#include "client/wipe.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/impl/codegen/proto_utils.h"
#include "grpcpp/support/client_callback.h"

namespace entropyd {
namespace {

constexpr char kAttachMethod[] = "/entropyd.v1.Entropy/Attach";

// The gRPC side. It lives until the stream (after gRPC's last callback) and the last received
// message are destroyed, so it dies on the owner's thread. That matters: when the last channel of a
// process dies on one of gRPC's callback threads, that thread of gRPC 1.51 joins itself and aborts.
//
// A hold keeps the call alive between the owner's operations. It ends when no further operation
// will start: the stream is over (a read failed, or Cancel) and no read is outstanding.
class Core final : public grpc::ClientBidiReactor<v1::AgentMessage, grpc::ByteBuffer> {
 public:
  Core(std::shared_ptr<grpc::Channel> channel, std::function<void()> wake)
      : wake_(std::move(wake)), channel_(channel), stub_(std::move(channel)) {}

  void Start() {
    stub_.PrepareBidiStreamingCall(&context_, kAttachMethod, grpc::StubOptions(), this);
    AddHold();
    {
      absl::MutexLock lock(&mutex_);
      StartNextRead();
    }
    StartCall();
  }

  bool Send(const v1::AgentMessage& message) {
    absl::MutexLock lock(&mutex_);
    if (over_ || half_closed_) return false;
    sends_.push_back(message);
    if (sends_.size() == 1) StartWrite(&sends_.front());
    return true;
  }

  size_t unsent() const {
    absl::MutexLock lock(&mutex_);
    owner_waits_ = !sends_.empty();
    return sends_.size();
  }

  bool connected() const {
    return channel_->GetState(/*try_to_connect=*/false) == GRPC_CHANNEL_READY;
  }

  std::unique_ptr<WipedBuffer> TakeNext() {
    absl::MutexLock lock(&mutex_);
    if (waiting_.empty()) return nullptr;
    std::unique_ptr<WipedBuffer> next = std::move(waiting_.front());
    waiting_.pop_front();
    return next;
  }

  // The owner has destroyed a message.
  void Returned(size_t bytes) {
    absl::MutexLock lock(&mutex_);
    --held_messages_;
    held_bytes_ -= bytes;
    StartNextRead();
  }

  absl::optional<absl::Status> finished() const {
    absl::MutexLock lock(&mutex_);
    if (!waiting_.empty()) return absl::nullopt;
    return status_;
  }

  void HalfClose() {
    absl::MutexLock lock(&mutex_);
    if (over_ || half_closed_) return;
    half_closed_ = true;
    if (sends_.empty()) StartWritesDone();
  }

  void Cancel() {
    context_.TryCancel();
    bool release = false;
    {
      absl::MutexLock lock(&mutex_);
      over_ = true;
      release = TakeHold();
    }
    if (release) RemoveHold();
  }

  // REQUIRES: Cancel() was called.
  void AwaitLastCallback() {
    std::deque<std::unique_ptr<WipedBuffer>> wiped_outside_the_lock;
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(&gone_));
    waiting_.swap(wiped_outside_the_lock);
  }

  // Wakes the owner before the next read starts. An owner may handle the message in `wake`. If the
  // next message came meanwhile on another of gRPC's threads, the two would wait for each other.
  void OnReadDone(bool ok) override {
    std::unique_ptr<WipedBuffer> late;
    bool tell = false;
    {
      absl::MutexLock lock(&mutex_);
      if (ok && !over_) {
        ++held_messages_;
        held_bytes_ += incoming_->size();
        waiting_.push_back(std::move(incoming_));
        tell = true;
      } else {
        late = std::move(incoming_);
        over_ = true;
      }
    }
    if (tell) wake_();
    bool release = false;
    {
      absl::MutexLock lock(&mutex_);
      reading_ = false;  // until here nobody else starts a read or ends the hold
      StartNextRead();
      release = over_ && TakeHold();
    }
    if (release) RemoveHold();
  }

  void OnWriteDone(bool ok) override {
    bool tell = false;
    {
      absl::MutexLock lock(&mutex_);
      sends_.pop_front();
      if (!ok || over_) {
        sends_.clear();  // the reads will say why
      } else if (!sends_.empty()) {
        StartWrite(&sends_.front());
      } else if (half_closed_) {
        StartWritesDone();
      }
      tell = sends_.empty() && std::exchange(owner_waits_, false);
    }
    if (tell) wake_();
  }

  void OnDone(const grpc::Status& status) override {
    {
      absl::MutexLock lock(&mutex_);
      status_ = FromGrpc(status);
      over_ = true;
    }
    wake_();
    absl::MutexLock lock(&mutex_);
    gone_ = true;  // who sees it holds the mutex, so this callback no longer does
  }

 private:
  void StartNextRead() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (over_ || reading_ || held_messages_ >= EntropyStream::kMaxHeldMessages ||
        held_bytes_ >= EntropyStream::kMaxHeldBytes) {
      return;
    }
    reading_ = true;
    incoming_ = std::make_unique<WipedBuffer>();
    StartRead(incoming_->get());
  }

  bool TakeHold() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return !reading_ && std::exchange(hold_, false);
  }

  const std::function<void()> wake_;
  const std::shared_ptr<grpc::Channel> channel_;
  grpc::ClientContext context_;
  grpc::TemplatedGenericStub<v1::AgentMessage, grpc::ByteBuffer> stub_;

  mutable absl::Mutex mutex_;
  std::deque<v1::AgentMessage> sends_ ABSL_GUARDED_BY(mutex_);  // the front one is being written
  std::unique_ptr<WipedBuffer> incoming_ ABSL_GUARDED_BY(mutex_);
  std::deque<std::unique_ptr<WipedBuffer>> waiting_ ABSL_GUARDED_BY(mutex_);
  int held_messages_ ABSL_GUARDED_BY(mutex_) = 0;             // they wait, or the owner holds them
  size_t held_bytes_ ABSL_GUARDED_BY(mutex_) = 0;             // of those
  mutable bool owner_waits_ ABSL_GUARDED_BY(mutex_) = false;  // until sends_ is empty
  bool reading_ ABSL_GUARDED_BY(mutex_) = false;
  bool over_ ABSL_GUARDED_BY(mutex_) = false;  // no further operation starts
  bool hold_ ABSL_GUARDED_BY(mutex_) = true;
  bool half_closed_ ABSL_GUARDED_BY(mutex_) = false;
  absl::optional<absl::Status> status_ ABSL_GUARDED_BY(mutex_);
  bool gone_ ABSL_GUARDED_BY(mutex_) = false;
};

class ReceivedMessageImpl final : public ReceivedMessage {
 public:
  ReceivedMessageImpl(std::shared_ptr<Core> core, std::unique_ptr<WipedBuffer> buffer)
      : core_(std::move(core)),
        buffer_(std::move(buffer)),
        slices_(ViewSlices(buffer_->get())),
        view_(ParseServerMessage(slices_)) {}

  ~ReceivedMessageImpl() override {
    const size_t bytes = buffer_->size();
    buffer_.reset();
    core_->Returned(bytes);
  }

  const absl::StatusOr<ServerMessageView>& view() const override { return view_; }

 private:
  const std::shared_ptr<Core> core_;
  std::unique_ptr<WipedBuffer> buffer_;
  const std::vector<absl::Span<const uint8_t>> slices_;
  const absl::StatusOr<ServerMessageView> view_;
};

class EntropyStreamImpl final : public EntropyStream {
 public:
  explicit EntropyStreamImpl(std::shared_ptr<Core> core) : core_(std::move(core)) {}

  ~EntropyStreamImpl() override {
    core_->Cancel();
    core_->AwaitLastCallback();
  }

  bool Send(const v1::AgentMessage& message) override { return core_->Send(message); }
  size_t unsent() const override { return core_->unsent(); }
  std::unique_ptr<ReceivedMessage> TryNext() override {
    std::unique_ptr<WipedBuffer> buffer = core_->TakeNext();
    if (buffer == nullptr) return nullptr;
    return std::make_unique<ReceivedMessageImpl>(core_, std::move(buffer));
  }
  bool connected() const override { return core_->connected(); }
  absl::optional<absl::Status> finished() const override { return core_->finished(); }
  void HalfClose() override { core_->HalfClose(); }
  void Cancel() override { core_->Cancel(); }

 private:
  const std::shared_ptr<Core> core_;
};

}  // namespace

std::unique_ptr<EntropyStream> EntropyStream::Start(std::shared_ptr<grpc::Channel> channel,
                                                    std::function<void()> wake) {
  auto core = std::make_shared<Core>(std::move(channel), std::move(wake));
  core->Start();
  return std::make_unique<EntropyStreamImpl>(std::move(core));
}

}  // namespace entropyd
