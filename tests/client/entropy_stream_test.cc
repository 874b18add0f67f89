#include "client/entropy_stream.h"

#include <atomic>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "client/grpc_channel.h"
#include "client/wipe.h"
#include "grpcpp/channel.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "gtest/gtest.h"
#include "proto/entropy.grpc.pb.h"

namespace entropyd {
namespace {

// Much longer than anything here takes, even under sanitizers.
constexpr absl::Duration kPatience = absl::Seconds(20);

// Counts wake-ups; the owner waits for the next one.
class Waker {
 public:
  std::function<void()> callback() {
    return [this] {
      absl::MutexLock lock(&mutex_);
      ++count_;
    };
  }
  // Waits until `done()` holds, looking again after each wake-up.
  bool Until(const std::function<bool()>& done) {
    const absl::Time deadline = absl::Now() + kPatience;
    for (;;) {
      const int seen = count();
      if (done()) return true;
      absl::MutexLock lock(&mutex_);
      auto woken = [this, seen]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return count_ != seen; };
      if (!mutex_.AwaitWithDeadline(absl::Condition(&woken), deadline)) return false;
    }
  }
  int count() const {
    absl::MutexLock lock(&mutex_);
    return count_;
  }

 private:
  mutable absl::Mutex mutex_;
  int count_ ABSL_GUARDED_BY(mutex_) = 0;
};

using ServerStream = grpc::ServerReaderWriter<v1::ServerMessage, v1::AgentMessage>;

// Runs the function of the test for each Attach. Get returns how many messages were written so far.
class FakeAttachService final : public v1::Entropy::Service {
 public:
  using Script = std::function<grpc::Status(grpc::ServerContext*, ServerStream*)>;
  void SetScript(Script script) { script_ = std::move(script); }
  grpc::Status Attach(grpc::ServerContext* context, ServerStream* stream) override {
    return script_(context, stream);
  }
  grpc::Status Get(grpc::ServerContext*, const v1::GetRequest*, v1::GetResponse* reply) override {
    reply->set_seed_generation(written_);
    return grpc::Status::OK;
  }
  void CountWritten() { ++written_; }

 private:
  Script script_;
  std::atomic<uint64_t> written_{0};
};

v1::ServerMessage Numbered(uint64_t seq, size_t bytes) {
  v1::ServerMessage message;
  message.set_seq(seq);
  v1::Grant* grant = message.add_grant();
  grant->set_channel(1);
  grant->set_offset(seq * 1000);
  grant->set_data(std::string(bytes, static_cast<char>('a' + seq % 26)));
  return message;
}

std::string Data(const GrantView& grant) {
  std::string data;
  for (absl::Span<const uint8_t> piece : grant.pieces) data.append(piece.begin(), piece.end());
  return data;
}

class EntropyStreamTest : public testing::Test {
 protected:
  void StartServer(FakeAttachService::Script script) {
    service_.SetScript(std::move(script));
    StartServer(&service_);
  }
  void StartServer(grpc::Service* service) {
    int port = 0;
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(service);
    server_ = builder.BuildAndStart();
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
    channel_ = grpc::CreateCustomChannel(absl::StrCat("127.0.0.1:", port),
                                         grpc::InsecureChannelCredentials(), arguments);
  }
  void Attach() { stream_ = EntropyStream::Start(channel_, waker_.callback()); }
  void TearDown() override {
    stream_.reset();
    if (server_ != nullptr) server_->Shutdown(absl::ToChronoTime(absl::Now() + kPatience));
  }

  std::unique_ptr<ReceivedMessage> Next() {
    std::unique_ptr<ReceivedMessage> message;
    waker_.Until([&] { return (message = stream_->TryNext()) != nullptr; });
    return message;
  }
  absl::Status Finish() {
    if (!waker_.Until([this] { return stream_->finished().has_value(); })) {
      return absl::InternalError("the stream did not finish");
    }
    return *stream_->finished();
  }
  // A whole call on the same connection: when it ends, all that the server sent before has arrived.
  uint64_t WrittenAfterACall() {
    grpc::ClientContext context;
    v1::GetResponse reply;
    EXPECT_TRUE(v1::Entropy::NewStub(channel_)->Get(&context, {}, &reply).ok());
    return reply.seed_generation();
  }

  FakeAttachService service_;
  std::unique_ptr<grpc::Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  Waker waker_;
  std::unique_ptr<EntropyStream> stream_;
};

TEST_F(EntropyStreamTest, MessagesArriveWholeAndInOrderAndThenTheStatus) {
  StartServer([](grpc::ServerContext*, ServerStream* stream) {
    for (uint64_t seq = 1; seq <= 50; ++seq) stream->Write(Numbered(seq, seq * 200));
    return grpc::Status(grpc::StatusCode::UNAVAILABLE, "drained");
  });
  Attach();
  for (uint64_t seq = 1; seq <= 50; ++seq) {
    std::unique_ptr<ReceivedMessage> message = Next();
    ASSERT_NE(message, nullptr);
    ASSERT_TRUE(message->view().ok()) << message->view().status();
    EXPECT_EQ(message->view()->head.seq(), seq);
    ASSERT_EQ(message->view()->grants.size(), 1u);
    EXPECT_EQ(Data(message->view()->grants[0]),
              std::string(seq * 200, static_cast<char>('a' + seq % 26)));
  }
  const absl::Status status = Finish();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(status.message(), "drained");
}

// While `wake` handles a message, no other message comes.
TEST_F(EntropyStreamTest, NoMessageOvertakesTheWakeOfTheOneBefore) {
  constexpr int kMessages = 20;
  StartServer([](grpc::ServerContext*, ServerStream* stream) {
    for (uint64_t seq = 1; seq <= kMessages; ++seq) stream->Write(Numbered(seq, 10));
    v1::AgentMessage message;
    stream->Read(&message);  // the end of the stream would wake, too
    return grpc::Status::OK;
  });
  std::atomic<int> inside{0}, overtaken{0}, woken{0};
  const std::function<void()> count = waker_.callback();
  stream_ = EntropyStream::Start(channel_, [&] {
    overtaken += inside++ > 0;
    absl::SleepFor(absl::Milliseconds(2));
    --inside;
    ++woken;
    count();
  });
  for (uint64_t seq = 1; seq <= kMessages; ++seq) {
    std::unique_ptr<ReceivedMessage> message = Next();
    ASSERT_NE(message, nullptr);
    EXPECT_EQ(message->view()->head.seq(), seq);
  }
  ASSERT_TRUE(waker_.Until([&] { return woken == kMessages; }));
  EXPECT_EQ(overtaken, 0);
  stream_.reset();  // it wakes once more
}

TEST_F(EntropyStreamTest, WhatIsSentArrivesInOrderAndHalfCloseComesLast) {
  StartServer([](grpc::ServerContext*, ServerStream* stream) {
    v1::AgentMessage message;
    uint32_t expected = 1;
    while (stream->Read(&message)) {
      if (message.close().channel() != expected++) {
        return grpc::Status(grpc::StatusCode::INTERNAL, "out of order");
      }
    }
    return grpc::Status(grpc::StatusCode::ABORTED, absl::StrCat(expected - 1, " read"));
  });
  Attach();
  for (uint32_t i = 1; i <= 100; ++i) {
    v1::AgentMessage message;
    message.mutable_close()->set_channel(i);
    EXPECT_TRUE(stream_->Send(message));
  }
  stream_->HalfClose();
  EXPECT_FALSE(stream_->Send({}));
  EXPECT_EQ(Finish().message(), "100 read");
  EXPECT_EQ(stream_->unsent(), 0u);
}

TEST_F(EntropyStreamTest, AnOwnerThatAskedWhatIsUnsentIsWokenWhenAllIsOnItsWay) {
  absl::Notification may_read;
  StartServer([&may_read](grpc::ServerContext* context, ServerStream* stream) {
    may_read.WaitForNotification();
    v1::AgentMessage message;
    while (stream->Read(&message)) {
    }
    return grpc::Status::OK;
  });
  Attach();
  v1::AgentMessage kilobyte;
  kilobyte.mutable_hello()->set_host_id(std::string(1024, 'h'));
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(stream_->Send(kilobyte));  // more than any window
  ASSERT_GT(stream_->unsent(), 0u);
  EXPECT_EQ(waker_.count(), 0);
  may_read.Notify();
  EXPECT_TRUE(waker_.Until([this] { return stream_->unsent() == 0; }));
  EXPECT_GT(waker_.count(), 0);
}

TEST_F(EntropyStreamTest, AnOwnerThatNeverAskedWhatIsUnsentIsLeftAlone) {
  std::atomic<int> read{0};
  StartServer([&read](grpc::ServerContext* context, ServerStream* stream) {
    v1::AgentMessage message;
    while (stream->Read(&message)) ++read;
    return grpc::Status::OK;
  });
  Attach();
  for (int i = 1; i <= 20; ++i) {
    ASSERT_TRUE(stream_->Send({}));
    while (read < i) WrittenAfterACall();  // sent, and its callback is over soon if not already
  }
  EXPECT_EQ(waker_.count(), 0);
}

TEST_F(EntropyStreamTest, OnlySoManyMessagesWaitUntilTheOwnerLetsOneGo) {
  constexpr uint64_t kHeld = EntropyStream::kMaxHeldMessages;
  constexpr uint64_t kMessages = 2 * kHeld;  // small: all of them fit into the window
  StartServer([this](grpc::ServerContext*, ServerStream* stream) {
    for (uint64_t seq = 1; seq <= kMessages; ++seq) {
      stream->Write(Numbered(seq, 10));
      service_.CountWritten();
    }
    return grpc::Status::OK;
  });
  Attach();
  std::vector<std::unique_ptr<ReceivedMessage>> held;
  while (held.size() < kHeld) held.push_back(Next());
  while (WrittenAfterACall() < kMessages) {
  }
  WrittenAfterACall();
  EXPECT_EQ(stream_->TryNext(), nullptr);
  EXPECT_FALSE(stream_->finished().has_value());
  held[0].reset();
  std::unique_ptr<ReceivedMessage> next = Next();
  ASSERT_NE(next, nullptr);
  EXPECT_EQ(next->view()->head.seq(), kHeld + 1);
  EXPECT_EQ(stream_->TryNext(), nullptr);
  next.reset();
  held.clear();
  for (uint64_t seq = kHeld + 2; seq <= kMessages; ++seq) {
    EXPECT_EQ(Next()->view()->head.seq(), seq);
  }
  EXPECT_TRUE(Finish().ok());
}

TEST_F(EntropyStreamTest, AnOwnerThatStopsReadingStopsTheServer) {
  constexpr size_t kBytes = 32 * 1024;
  constexpr uint64_t kMessages = 100;
  // What may be held, the 64 KiB window, the server's write buffer of 64 KiB, and one message each
  // that is being read and written.
  constexpr uint64_t kBound = EntropyStream::kMaxHeldBytes / kBytes + 2 + 2 + 1 + 1;
  StartServer([this](grpc::ServerContext*, ServerStream* stream) {
    for (uint64_t seq = 1; seq <= kMessages; ++seq) {
      if (!stream->Write(Numbered(seq, kBytes))) break;
      service_.CountWritten();
    }
    return grpc::Status::OK;
  });
  Attach();
  std::unique_ptr<ReceivedMessage> first = Next();
  for (int i = 0; i < 100; ++i) ASSERT_LE(WrittenAfterACall(), kBound);
  first.reset();
  for (uint64_t seq = 2; seq <= kMessages; ++seq) {
    std::unique_ptr<ReceivedMessage> message = Next();
    ASSERT_NE(message, nullptr);
    EXPECT_EQ(message->view()->grants[0].bytes, kBytes);
  }
  EXPECT_TRUE(Finish().ok());
}

TEST_F(EntropyStreamTest, CancelEndsTheStreamAlsoWhileReadingIsPaused) {
  StartServer([](grpc::ServerContext* context, ServerStream* stream) {
    for (uint64_t seq = 1; !context->IsCancelled(); ++seq) {
      if (!stream->Write(Numbered(seq, 1000))) break;
    }
    return grpc::Status::OK;
  });
  Attach();
  std::vector<std::unique_ptr<ReceivedMessage>> held;
  while (held.size() < EntropyStream::kMaxHeldMessages) held.push_back(Next());
  stream_->Cancel();
  EXPECT_EQ(Finish().code(), absl::StatusCode::kCancelled);
  EXPECT_FALSE(stream_->Send({}));
  EXPECT_TRUE(held.front()->view().ok());  // still the owner's
}

TEST_F(EntropyStreamTest, DestructionEndsAStreamInAnyStateAndMessagesOutliveIt) {
  StartServer([](grpc::ServerContext* context, ServerStream* stream) {
    for (uint64_t seq = 1; !context->IsCancelled(); ++seq) {
      if (!stream->Write(Numbered(seq, 1000))) break;
    }
    return grpc::Status::OK;
  });
  Attach();
  stream_.reset();  // perhaps not even connected
  Attach();
  std::unique_ptr<ReceivedMessage> kept = Next();
  stream_->Send({});
  stream_.reset();
  EXPECT_EQ(Data(kept->view()->grants[0]), std::string(1000, 'b'));
}

TEST_F(EntropyStreamTest, AServerThatIsNotThereEndsTheStreamAsUnavailable) {
  int port = 0;
  {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&service_);
    builder.BuildAndStart()->Shutdown();
  }
  channel_ =
      grpc::CreateChannel(absl::StrCat("127.0.0.1:", port), grpc::InsecureChannelCredentials());
  Attach();
  stream_->Send({});
  EXPECT_EQ(Finish().code(), absl::StatusCode::kUnavailable);
}

// Answers with one message that is no protobuf.
class GarbageService final
    : public v1::Entropy::WithRawCallbackMethod_Attach<v1::Entropy::Service> {
  class Reactor final : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
   public:
    Reactor() {
      grpc::Slice slice("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff");
      garbage_ = grpc::ByteBuffer(&slice, 1);
      StartWriteAndFinish(&garbage_, {}, grpc::Status::OK);
    }
    void OnDone() override { delete this; }

   private:
    grpc::ByteBuffer garbage_;
  };
  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* Attach(
      grpc::CallbackServerContext*) override {
    return new Reactor;
  }
};

TEST_F(EntropyStreamTest, BytesThatAreNoServerMessageAreHandedOnAsAnError) {
  GarbageService garbage;
  StartServer(&garbage);
  Attach();
  std::unique_ptr<ReceivedMessage> message = Next();
  ASSERT_NE(message, nullptr);
  EXPECT_EQ(message->view().status().code(), absl::StatusCode::kInvalidArgument);
  message.reset();
  TearDown();
  server_.reset();
}

TEST(WipeTest, EverySliceIsZeroedInPlaceTheShortOnesToo) {
  const std::string longer(5000, 'L');  // on the heap, shared by reference
  const std::string shorter(10, 'S');   // kept inside the slice object
  const grpc::Slice slices[] = {grpc::Slice(longer), grpc::Slice(shorter), grpc::Slice(longer)};
  grpc::ByteBuffer buffer(slices, 3);
  const std::vector<absl::Span<const uint8_t>> views = ViewSlices(&buffer);
  ASSERT_EQ(views.size(), 3u);
  EXPECT_EQ(std::string(views[0].begin(), views[0].end()), longer);
  EXPECT_EQ(std::string(views[1].begin(), views[1].end()), shorter);
  EXPECT_EQ(views[0].data(), slices[0].begin());  // a view, not a copy

  WipeSlices(&buffer);
  for (absl::Span<const uint8_t> view : views) {
    for (uint8_t byte : view) ASSERT_EQ(byte, 0);
  }
  EXPECT_EQ(*slices[2].begin(), 0);
}

TEST(WipeTest, AWipedBufferIsWipedWhenItGoes) {
  const grpc::Slice slice(std::string(5000, 'L'));
  {
    WipedBuffer buffer;
    *buffer.get() = grpc::ByteBuffer(&slice, 1);
    ASSERT_EQ(*slice.begin(), 'L');
  }
  for (uint8_t byte : slice) ASSERT_EQ(byte, 0);
}

TEST(WipeTest, AnEmptyBufferIsNothingToWipe) {
  grpc::ByteBuffer buffer;
  WipeSlices(&buffer);
  EXPECT_TRUE(ViewSlices(&buffer).empty());
}

}  // namespace
}  // namespace entropyd
