// What an agent that takes over does before it serves anybody: it may be told to stop, its
// predecessor may go, and its server may not answer.
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "base/process/listen_socket.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hostagent/agent.h"
#include "hostagent/handover/protocol.h"
#include "hostagent/loop/fd_watch.h"
#include "tests/hostagent/agent_rig.h"
#include "tests/hostagent/handover/attach_server.h"

namespace entropyd {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

class AgentTakesTest : public AgentRig {
 protected:
  using AgentRig::AgentRig;
  using Script = std::function<void(HandoverLink*)>;

  // Where a running agent is reached.
  void Listen() {
    listener_ = UniqueFd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = HandoverPath(Control());
    std::memcpy(address.sun_path, path.data(), path.size());
    ASSERT_EQ(bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(listen(listener_.get(), 1), 0);
  }
  // A running agent that makes an offer, and then follows the script, in a thread of its own.
  void Play(const Script& script) {
    Listen();
    predecessor_ = std::thread([this, script] {
      auto link =
          HandoverLink::Create(UniqueFd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)))
              .value();
      EXPECT_TRUE(link->Receive(Soon())->message.has_begin());
      Message offer;
      offer.mutable_offer()->set_format(kHandoverFormat);
      if (offered_http_port_.has_value()) {
        offer.mutable_offer()->set_http_port(static_cast<uint32_t>(*offered_http_port_));
      }
      EXPECT_TRUE(Say(link.get(), offer).ok());
      script(link.get());
    });
  }
  // How the taker's start ends.
  absl::Status Take(const Script& script) {
    agent_ = Make();
    Play(script);
    const absl::Status status =
        agent_->Start(Options({.take_over = true, .successor = {"/bin/false"}}));
    predecessor_.join();
    EXPECT_EQ(told_, "");
    EXPECT_NE(access(Socket().c_str(), F_OK), 0) << "it has opened nothing";
    return status;
  }
  static std::string Refusal(HandoverLink* link) {
    auto received = link->Receive(Soon());
    EXPECT_TRUE(received.ok()) << received.status();
    return received.ok() ? received->message.refusal().reason() : "";
  }

  UniqueFd listener_;
  absl::optional<int> offered_http_port_;
  std::thread predecessor_;
};

TEST_F(AgentTakesTest, AStopWhileItsBuffersFillEndsItAndIsNoFailure) {
  std::string heard;
  const absl::Status status = Take([&](HandoverLink* link) {
    agent_->Stop();
    heard = Refusal(link);
  });
  EXPECT_TRUE(absl::IsCancelled(status)) << status;
  EXPECT_THAT(heard, HasSubstr("told to stop"));
}

TEST_F(AgentTakesTest, APredecessorThatTakesItsOfferBackIsNotWaitedFor) {
  const absl::Status status = Take([&](HandoverLink* link) {
    Message refusal;
    refusal.mutable_refusal()->set_reason("this agent is stopping");
    EXPECT_TRUE(Say(link, refusal).ok());
  });
  EXPECT_EQ(status, absl::FailedPreconditionError("this agent is stopping"));
}

TEST_F(AgentTakesTest, APredecessorThatDiesIsNotWaitedFor) {
  const absl::Status status = Take([](HandoverLink*) {});
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
}

TEST_F(AgentTakesTest, WithoutAServerItTakesNobody) {
  const absl::Status status = Take([&](HandoverLink* link) {
    // It counts from when it has read the offer, which may be after this thread's first step.
    std::string heard;
    for (int i = 0; i < 100 && heard.empty(); ++i) {
      clock_.AdvanceNanos(16 * kSecondNanos);
      auto received = link->Receive(absl::Now() + absl::Milliseconds(50));
      if (received.ok()) heard = received->message.refusal().reason();
    }
    EXPECT_THAT(heard, HasSubstr("not attached to a server after 15 s"));
  });
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
}

// After it has the guests nobody could refuse any more, and there would be no /metrics.
TEST_F(AgentTakesTest, AnAddressOfHttpThatAnotherProcessHasIsARefusal) {
  auto other = ListenOn("127.0.0.1:0").value();
  http_ = absl::StrCat("127.0.0.1:", other.port);
  WriteConfig();
  std::string heard;
  offered_http_port_ = 1;
  const absl::Status status = Take([&](HandoverLink* link) { heard = Refusal(link); });
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_THAT(heard, AllOf(HasSubstr("take over: open `metrics`"), HasSubstr(http_)));
}

TEST_F(AgentTakesTest, TheAddressOfHttpThatItsPredecessorHasIsNone) {
  auto predecessors = ListenOn("127.0.0.1:0").value();
  http_ = absl::StrCat("127.0.0.1:", predecessors.port);
  WriteConfig();
  for (const absl::optional<int>& offered : {absl::optional<int>(predecessors.port), {}}) {
    offered_http_port_ = offered;  // an older version does not say
    std::string heard;
    Take([&](HandoverLink* link) {
      agent_->Stop();
      heard = Refusal(link);
    }).IgnoreError();
    EXPECT_THAT(heard, HasSubstr("told to stop"));
    agent_.reset();
    unlink(HandoverPath(Control()).c_str());
  }
}

TEST_F(AgentTakesTest, WhatIsAskedOfItMeanwhileIsRefused) {
  absl::Status upgrade, reload, added;
  Phase phase = Phase::kStarting;
  Take([&](HandoverLink* link) {
    agent_->loop()->Post([&] {
      agent_->answers()->Upgrade(
          [&](const absl::Status& status, const std::string&) { upgrade = status; });
      agent_->answers()->Reload(
          [&](const absl::Status& status, const std::string&) { reload = status; });
      added = agent_->answers()->AddGuestSocket({}).status();
      phase = agent_->phase();
      agent_->Stop();
    });
    Refusal(link);
  }).IgnoreError();
  EXPECT_EQ(phase, Phase::kTakingOver);
  for (const absl::Status& status : {upgrade, reload, added}) {
    EXPECT_TRUE(absl::IsAborted(status)) << status;
    EXPECT_THAT(status.message(), HasSubstr("taking over from another"));
  }
}

TEST_F(AgentTakesTest, AStopBeforeTheStartIsHeard) {
  agent_ = Make();
  agent_->Stop();
  const absl::Status status = agent_->Start(Options({.take_over = true}));
  EXPECT_TRUE(absl::IsCancelled(status)) << status;
  EXPECT_EQ(told_, "");
  EXPECT_NE(access(Socket().c_str(), F_OK), 0);
  EXPECT_NE(access(Control().c_str(), F_OK), 0);
  EXPECT_THAT(log_.lines(), Not(Contains(HasSubstr("handover.nobody"))))
      << "it does not start normally";
}

TEST_F(AgentTakesTest, AStopThatWasObeyedBeforeTheStartTakesNobody) {
  agent_ = Make();
  agent_->Stop();
  agent_->loop()->RunOnce(0);
  Listen();
  const absl::Status status = agent_->Start(Options({.take_over = true}));
  EXPECT_EQ(status, absl::CancelledError("take over: this process was told to stop"));
  EXPECT_EQ(agent_->phase(), Phase::kStopping);
  EXPECT_THAT(log_.lines(), Not(Contains(HasSubstr("agent.refused"))));
}

TEST_F(AgentTakesTest, WhereNobodyRunsItStartsNormallyAndSaysSo) {
  Start({.take_over = true});
  EXPECT_THAT(log_.lines(), Contains(HasSubstr("info handover.nobody")));
}

// As main() does it: one turn of the loop reads the signal, and Stop() is obeyed in the next one.
class Signal final : public EventLoop::Handler {
 public:
  explicit Signal(Agent* agent)
      : agent_(agent), fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), watch_(agent->loop(), this) {
    EXPECT_TRUE(watch_.Begin(fd_.get(), EPOLLIN).ok());
  }
  void Raise() { eventfd_write(fd_.get(), 1); }
  void OnEvents(uint32_t) override {
    eventfd_t ignored;
    eventfd_read(fd_.get(), &ignored);
    agent_->Stop();
  }

 private:
  Agent* const agent_;
  const UniqueFd fd_;
  FdWatch watch_;
};

TEST_F(AgentTakesTest, ASignalThatNobodyHasReadBeforeTheStartIsHeard) {
  agent_ = Make();
  Signal signal(agent_.get());
  signal.Raise();
  const absl::Status status = agent_->Start(Options({.take_over = true}));
  EXPECT_TRUE(absl::IsCancelled(status)) << status;
  EXPECT_EQ(told_, "");
  EXPECT_NE(access(Socket().c_str(), F_OK), 0);
  EXPECT_NE(access(Control().c_str(), F_OK), 0);
}

// All of a group were told, and the predecessor was quicker.
TEST_F(AgentTakesTest, APredecessorThatStopsWithItIsNoFailure) {
  agent_ = Make();
  Signal signal(agent_.get());
  Play([&](HandoverLink* link) {
    Message refusal;
    refusal.mutable_refusal()->set_reason("this agent is stopping");
    signal.Raise();
    EXPECT_TRUE(Say(link, refusal).ok());
  });
  const absl::Status status =
      agent_->Start(Options({.take_over = true, .successor = {"/bin/false"}}));
  predecessor_.join();
  EXPECT_TRUE(absl::IsCancelled(status)) << status;
}

// With a server that welcomes it, it asks for the guests as soon as its buffers are filled. It
// expects none here, so that is in the turn in which it is attached.
class AgentTakesFromServerTest : public AgentTakesTest {
 protected:
  AgentTakesFromServerTest() : AgentTakesTest(absl::Now()) {}  // TLS asks the real clock

  void SetUp() override {
    AgentTakesTest::SetUp();
    pki::IssueRequest request;
    request.name = "server";
    request.dns_names = {"localhost"};
    ASSERT_TRUE(pki::Issue(dir_ / "ca", request, clock_.WallTime()).ok());
    attach_ = std::make_unique<AttachServer>(dir_ / "ca/server.crt", dir_ / "ca/server.key",
                                             dir_ / "ca/ca.crt", clock_.WallTime());
    server_ = attach_->address();
    WriteConfig();
  }
  // The agent must be gone before its server.
  void TearDown() override {
    AgentTakesTest::TearDown();
    attach_.reset();
  }
  bool Attached() {
    v1::GetStatusResponse status;
    agent_->answers()->FillStatus(&status);
    return status.connected();
  }
  // Until the server has refused the second class of the configuration.
  void AwaitSecondClassClosed(v1::GetStatusResponse* status) {
    const auto closed = [status] {
      return status->class__size() == 2 && status->class_(1).phase() == v1::PHASE_CLOSED;
    };
    const absl::Time end = absl::Now() + absl::Seconds(30);
    while (!closed() && absl::Now() < end) {
      agent_->loop()->RunOnce(10 * kMillisecondNanos);
      status->Clear();
      agent_->answers()->FillStatus(status);
    }
    ASSERT_TRUE(closed());
  }

  std::unique_ptr<AttachServer> attach_;
};

TEST_F(AgentTakesFromServerTest, AStopInTheTurnThatFilledItsBuffersIsHeard) {
  std::string heard;
  std::function<void()> each_turn = [&] {
    if (!Attached()) return agent_->loop()->Post(each_turn);
    agent_->Stop();
  };
  const absl::Status status = Take([&](HandoverLink* link) {
    agent_->loop()->Post(each_turn);
    heard = Refusal(link);
  });
  EXPECT_TRUE(absl::IsCancelled(status)) << status;
  EXPECT_THAT(heard, HasSubstr("told to stop")) << "it did not ask for the guests";
}

// What a snapshot of this machine had in its memory would be the server's bytes.
TEST_F(AgentTakesFromServerTest, BytesDoNotLeaveAsTheServerSentThem) {
  Start();
  UniqueFd guest(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, Socket().data(), Socket().size());
  ASSERT_EQ(connect(guest.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(send(guest.get(), "\x02\x40", 2, 0), 2);
  std::string bytes;
  const absl::Time end = absl::Now() + absl::Seconds(30);
  while (bytes.size() < 64 && absl::Now() < end) {
    agent_->loop()->RunOnce(10 * kMillisecondNanos);
    char some[64];
    const ssize_t n = recv(guest.get(), some, sizeof some, MSG_DONTWAIT);
    if (n > 0) bytes.append(some, static_cast<size_t>(n));
  }
  ASSERT_EQ(bytes.size(), 64u);
  EXPECT_NE(bytes, std::string(64, '\0'));
}

TEST_F(AgentTakesFromServerTest, AnAgentWithAClassThatItsServerRefusesIsNotReadyAndNamesIt) {
  WriteConfig(absl::StrCat("  - {path: ", dir_ / "typo.sock", ", class: default/typo}\n"));
  Start();
  EXPECT_THAT(agent_->answers()->Ready().message(), HasSubstr("not yet attached"));
  v1::GetStatusResponse status;
  ASSERT_NO_FATAL_FAILURE(AwaitSecondClassClosed(&status));
  EXPECT_EQ(status.class_(0).mode(), "upstream");
  EXPECT_EQ(status.class_(1).mode(), "closed");
  EXPECT_TRUE(absl::IsUnavailable(agent_->answers()->Ready()));
  EXPECT_THAT(agent_->answers()->Ready().message(), HasSubstr("refuses class default/typo,"));
  EXPECT_THAT(agent_->answers()->Summary(), HasSubstr("default/typo closed"));
}

TEST_F(AgentTakesFromServerTest, ARefusedClassThatOnlyMetadataAsksForLeavesTheAgentReady) {
  WriteConfig("classes: {default/typo: {}}\n");
  Start();
  v1::GetStatusResponse status;
  ASSERT_NO_FATAL_FAILURE(AwaitSecondClassClosed(&status));
  EXPECT_TRUE(agent_->answers()->Ready().ok()) << agent_->answers()->Ready();
}

}  // namespace
}  // namespace entropyd
