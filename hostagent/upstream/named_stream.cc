#include "hostagent/upstream/named_stream.h"

#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace entropyd {

// With the thread that waits for the answer.
struct NamedStream::Shared {
  absl::Mutex mutex;
  // Nobody may be woken any more.
  bool gone ABSL_GUARDED_BY(mutex) = false;
  absl::optional<NameLookup::Answer> answer ABSL_GUARDED_BY(mutex);
};

NamedStream::NamedStream(NameLookup* lookup, const std::string& server, std::function<void()> wake,
                         Connect connect, Heard heard)
    : shared_(std::make_shared<Shared>()), connect_(std::move(connect)), heard_(std::move(heard)) {
  lookup->Begin(server, [shared = shared_, wake = std::move(wake)](NameLookup::Answer answer) {
    absl::MutexLock lock(&shared->mutex);
    if (shared->gone) return;
    shared->answer = std::move(answer);
    wake();
  });
}

NamedStream::~NamedStream() {
  absl::MutexLock lock(&shared_->mutex);
  shared_->gone = true;
}

void NamedStream::ConnectIfKnown() {
  if (answer_.has_value() || end_.has_value()) return;
  {
    absl::MutexLock lock(&shared_->mutex);
    if (!shared_->answer.has_value()) return;
    answer_ = std::move(shared_->answer);
  }
  absl::StatusOr<std::unique_ptr<EntropyStream>> stream = connect_(*answer_);
  if (!stream.ok()) {
    end_ = stream.status();
    return;
  }
  stream_ = *std::move(stream);
  for (const v1::AgentMessage& message : waiting_) stream_->Send(message);
  waiting_.clear();
  if (half_closed_) stream_->HalfClose();
}

bool NamedStream::Send(const v1::AgentMessage& message) {
  if (stream_ != nullptr) return stream_->Send(message);
  if (end_.has_value() || half_closed_) return false;
  waiting_.push_back(message);
  return true;
}

size_t NamedStream::unsent() const {
  return stream_ != nullptr ? stream_->unsent() : waiting_.size();
}

std::unique_ptr<ReceivedMessage> NamedStream::TryNext() {
  ConnectIfKnown();
  if (stream_ == nullptr) return nullptr;
  std::unique_ptr<ReceivedMessage> message = stream_->TryNext();
  if (message != nullptr && message->view().ok() && answer_->ok()) {
    if (const Heard heard = std::exchange(heard_, nullptr)) heard(**answer_);
  }
  return message;
}

bool NamedStream::connected() const { return stream_ != nullptr && stream_->connected(); }

absl::optional<absl::Status> NamedStream::finished() const {
  return stream_ != nullptr ? stream_->finished() : end_;
}

void NamedStream::HalfClose() {
  half_closed_ = true;
  if (stream_ != nullptr) stream_->HalfClose();
}

void NamedStream::Cancel() {
  if (stream_ != nullptr) return stream_->Cancel();
  if (!end_.has_value()) end_ = absl::CancelledError("cancelled before the server was found");
}

}  // namespace entropyd
