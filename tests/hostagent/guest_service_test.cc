// Real sockets, a real class buffer and the event loop; the test plays upstream by appending bytes.
#include "hostagent/guest_service.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/hostagent/fake_buffer.h"
#include "tests/hostagent/temp_dir.h"

namespace entropyd {
namespace {

using Bytes = std::vector<uint8_t>;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr int64_t kSecond = 1'000'000'000;
enum Door : size_t { kAuto = 0, kQemu = 1, kEgd = 2 };

class Client {
 public:
  explicit Client(UniqueFd fd) : fd_(std::move(fd)) {}
  void Send(const Bytes& bytes) {
    ASSERT_EQ(send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT),
              static_cast<ssize_t>(bytes.size()));
  }
  // All that is there now.
  Bytes Receive(size_t at_most = 1 << 22) {
    Bytes bytes(at_most);
    size_t got = 0;
    while (got < at_most) {
      const ssize_t n = recv(fd_.get(), bytes.data() + got, at_most - got, MSG_DONTWAIT);
      if (n <= 0) {
        closed_ = n == 0 || errno == ECONNRESET;
        break;
      }
      got += static_cast<size_t>(n);
    }
    bytes.resize(got);
    return bytes;
  }
  bool Closed() {
    EXPECT_THAT(Receive(), IsEmpty());
    return closed_;
  }
  void FinishSending() { shutdown(fd_.get(), SHUT_WR); }
  void Hangup() { fd_.reset(); }

 private:
  UniqueFd fd_;
  bool closed_ = false;
};

class GuestServiceTest : public testing::Test {
 protected:
  void SetUp() override { Make(100); }

  void Make(uint32_t max_guests, uint64_t guest_ceil = ClassTree::kUnlimited) {
    service_.reset();
    settings_ = AgentSettings();
    settings_.max_guests = max_guests;
    settings_.classes.push_back({"default/gold", 4 << 20, 60 * kSecond, guest_ceil, "block"});
    const config::v1::Clients clients[] = {config::v1::CLIENTS_AUTO, config::v1::CLIENTS_QEMU,
                                           config::v1::CLIENTS_EGD};
    for (int i = 0; i < 3; ++i) {
      settings_.listeners.push_back(
          {dir_ / absl::StrCat(i, ".sock"), 0600, "", 0, clients[i], "name"});
    }
    arena_ =
        SecretArena::Create(GuestService::ArenaBytes(settings_), SecretArena::Locking::kBestEffort)
            .value();
    registry_ = std::make_unique<Metrics>();
    metrics_ =
        std::make_unique<AgentMetrics>(registry_.get(), std::vector<std::string>{"default/gold"});
    service_ =
        GuestService::Create(settings_, loop_.get(), arena_.get(), &log_, metrics_.get()).value();
    service_->SetDemandChanged([this](size_t) { ++demand_changes_; });
    loop_->SetAfterBatch([this] { service_->ServeClasses(); });
    appended_ = 0;
  }
  void TearDown() override { service_.reset(); }

  void Turn() { loop_->RunOnce(0); }
  void Turn(int64_t nanos) {
    clock_.AdvanceNanos(nanos);
    Turn();
  }
  void Arrive(size_t bytes) {
    service_->buffers()[0]->Append(StreamBytes(appended_, bytes));
    appended_ += bytes;
    service_->OnArrival(0);
    Turn();
  }
  // Connects and says `first` before the agent looks.
  Client Connect(Door door, const Bytes& first = {}) {
    int fds[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    Client client{UniqueFd(fds[1])};
    if (!first.empty()) client.Send(first);
    service_->Accept(door, UniqueFd(fds[0]));
    Turn();
    return client;
  }
  v1::Guest OnlyGuest() {
    v1::ListGuestsResponse guests;
    service_->FillGuests(&guests);
    EXPECT_EQ(guests.guest_size(), 1);
    return guests.guest_size() == 1 ? guests.guest(0) : v1::Guest();
  }
  ClassCounters& counters() { return *metrics_->of_class(0); }
  ClassBuffer& buffer() { return *service_->buffers()[0]; }

  TempDir dir_;
  ManualClock clock_{kSecond};
  Log log_{&clock_, -1};
  std::unique_ptr<EventLoop> loop_ = EventLoop::Create(&clock_).value();
  AgentSettings settings_;
  std::unique_ptr<SecretArena> arena_;
  std::unique_ptr<Metrics> registry_;
  std::unique_ptr<AgentMetrics> metrics_;
  std::unique_ptr<GuestService> service_;
  uint64_t appended_ = 0;
  int demand_changes_ = 0;
};

TEST_F(GuestServiceTest, ARequestIsAnsweredInTheBatchItCameIn) {
  Arrive(1'000);
  Client client = Connect(kAuto);
  client.Send({0x02, 64});
  Turn();
  EXPECT_EQ(client.Receive(), StreamBytes(0, 64));
  EXPECT_EQ(counters().delivered_bytes.Get(), 64u);
  EXPECT_EQ(counters().requests[2].Get(), 1u);
}

TEST_F(GuestServiceTest, ARequestThatFindsPlentyIsCountedLikeAnyOther) {
  Arrive(100'000);
  Client client = Connect(kAuto);
  client.Send({0x02, 64});
  Turn();
  const int changes = demand_changes_;
  client.Send({0x02, 64, 0x01, 10});
  Turn();
  EXPECT_EQ(client.Receive().size(), 64u + 64 + 11);
  EXPECT_EQ(demand_changes_, changes);  // served at once, and no news for upstream
  EXPECT_EQ(counters().delivered_bytes.Get(), 138u);
  EXPECT_EQ(counters().buffer_level.Get(), 100'000u - 138);
  uint64_t waits = 0;
  for (const LoopNumber& n : counters().waits) waits += n.Get();
  EXPECT_EQ(waits, 3u);
  EXPECT_EQ(buffer().waiting_guests(), 1u);
}

TEST_F(GuestServiceTest, AShortReplyIsCompletedWhenBytesArrive) {
  Client client = Connect(kAuto, {0x02, 255, 0x04});
  EXPECT_THAT(client.Receive(), IsEmpty());
  EXPECT_EQ(buffer().owed(), 255u);
  EXPECT_EQ(buffer().guests(), 1u);
  Arrive(100);
  EXPECT_EQ(client.Receive(), StreamBytes(0, 100));
  Arrive(1'000);
  const Bytes rest = client.Receive();
  const std::string pid = absl::StrCat(getpid());
  ASSERT_EQ(rest.size(), 155 + 1 + pid.size());
  EXPECT_EQ(std::string(rest.end() - static_cast<ptrdiff_t>(pid.size()), rest.end()), pid);
  EXPECT_EQ(buffer().owed(), 0u);
}

TEST_F(GuestServiceTest, MixedReadsInOnePipelineDoNotWaitForEachOthersBytes) {
  Bytes requests;
  for (int i = 0; i < 100; ++i) requests.insert(requests.end(), {0x02, 20, 0x01, 10});
  Arrive(100'000);
  Client client = Connect(kAuto, requests);
  Turn();
  EXPECT_EQ(buffer().owed(), 0u);
  EXPECT_GE(client.Receive().size(), 100u * 21);
}

TEST_F(GuestServiceTest, DemandIsToldWhenGuestsComeAskAndGo) {
  Client client = Connect(kAuto);
  EXPECT_GE(demand_changes_, 1);
  EXPECT_EQ(buffer().guests(), 1u);
  const int before = demand_changes_;
  client.Send({0x02, 8});
  Turn();
  EXPECT_GT(demand_changes_, before);
  EXPECT_EQ(buffer().owed(), 8u);
  client.Hangup();
  Turn();
  EXPECT_EQ(buffer().guests(), 0u);
  EXPECT_EQ(buffer().owed(), 0u);
  EXPECT_EQ(service_->guests(), 0u);
}

TEST_F(GuestServiceTest, AnOpenSslStyleClientSeesNoPrimedBytes) {
  Arrive(1'000);
  for (Door door : {kAuto, kEgd}) {
    const size_t at = 1'000 - buffer().level();
    Client client = Connect(door);
    Turn(10 * kSecond);
    EXPECT_THAT(client.Receive(), IsEmpty());
    client.Send({0x01, 48});
    Turn();
    Bytes expected = StreamBytes(at, 48);
    expected.insert(expected.begin(), 48);
    EXPECT_EQ(client.Receive(), expected);
    client.Hangup();
    Turn();
  }
  EXPECT_EQ(counters().primed_bytes.Get(), 0u);
}

TEST_F(GuestServiceTest, APostfixStyleClientIsAnsweredOnAFreshConnection) {
  Arrive(100);
  Client bits = Connect(kAuto, {0x00});
  EXPECT_THAT(bits.Receive(), ElementsAre(0, 0, 3, 32));
  Client pid = Connect(kAuto, {0x04});
  EXPECT_EQ(pid.Receive().size(), 1 + absl::StrCat(getpid()).size());
  Client read = Connect(kAuto, {0x01, 32});
  EXPECT_EQ(read.Receive().size(), 33u);
  Client more = Connect(kAuto, {0x01, 255});
  EXPECT_EQ(more.Receive().at(0), 68);
}

TEST_F(GuestServiceTest, LastWordsThatComeTogetherWithTheEndAreAnsweredAndTheEndIsSeen) {
  Arrive(1'000);
  Client client = Connect(kEgd, {0x02, 10});
  EXPECT_EQ(client.Receive().size(), 10u);
  client.Send({0x02, 20});
  client.FinishSending();
  Turn();
  EXPECT_EQ(client.Receive().size(), 20u);
  Turn();
  Turn(2 * kSecond);
  EXPECT_TRUE(client.Closed());
}

TEST_F(GuestServiceTest, AnEmptyBufferIsGivenARoundTripBeforeANonBlockingReadGetsNothing) {
  Client first = Connect(kAuto, {0x01, 32, 0x01, 0});
  Turn(Connection::kFirstBytesNanos - 1);
  EXPECT_THAT(first.Receive(), IsEmpty());
  Arrive(20);
  EXPECT_EQ(first.Receive().size(), 1 + 20 + 1u) << "what has come is an answer";
  Client none = Connect(kAuto, {0x01, 255, 0x01, 255, 0x04});
  Turn(Connection::kFirstBytesNanos - 1);
  EXPECT_THAT(none.Receive(), IsEmpty());
  Turn(1);
  const Bytes answers = none.Receive();
  ASSERT_EQ(answers.size(), 3 + absl::StrCat(getpid()).size());
  EXPECT_EQ(answers[0], 0);
  EXPECT_EQ(answers[1], 0);
  // Who asks after that waits anew, and its end is no harm.
  none.Send({0x01, 1});
  Turn(1);
  EXPECT_THAT(none.Receive(), IsEmpty());
}

TEST_F(GuestServiceTest, AQemuThatReconnectsIsPrimedUntilItTakesNoMore) {
  Arrive(1'000'000);
  Client qemu = Connect(kQemu);
  Bytes seen = qemu.Receive();
  EXPECT_EQ(seen, StreamBytes(0, 64));
  // It was waiting for 300 bytes: takes the first two pushes, and then some of the third.
  Turn(kSecond);
  Bytes second = qemu.Receive();
  EXPECT_EQ(second, StreamBytes(64, 128));
  Turn(kSecond);
  EXPECT_EQ(qemu.Receive(108), StreamBytes(192, 108));
  for (int i = 0; i < 60; ++i) Turn(kSecond);
  EXPECT_EQ(OnlyGuest().primed(), 64u + 128 + 256);
  EXPECT_EQ(counters().primed_bytes.Get(), 448u);
  EXPECT_EQ(counters().delivered_bytes.Get(), 448u);
  // What it did not wait for is surplus, and never netted off its next request.
  qemu.Send({0x02, 64});
  Turn();
  EXPECT_EQ(qemu.Receive(), StreamBytes(300, 148 + 64));
}

TEST_F(GuestServiceTest, AQemuWithNothingPendingKeepsTheFirstBytesForLater) {
  Arrive(1'000);
  Client qemu = Connect(kQemu);
  for (int i = 0; i < 60; ++i) Turn(kSecond);
  EXPECT_EQ(OnlyGuest().primed(), 64u);
}

TEST_F(GuestServiceTest, PrimingEndsAt64KiBAStep) {
  Arrive(1'000'000);
  Client qemu = Connect(kQemu);
  size_t taken = 0;
  for (int i = 0; i < 100; ++i) {
    taken += qemu.Receive().size();
    Turn(kSecond);
  }
  EXPECT_EQ(taken, 2u * 64 * 1024 - 64);
}

TEST_F(GuestServiceTest, AConnectionThatSpokeIsNeverPrimed) {
  Arrive(10'000);
  Client first = Connect(kQemu, {0x02, 64});
  EXPECT_EQ(first.Receive(), StreamBytes(0, 64));
  Client half = Connect(kQemu, {0x02});
  for (int i = 0; i < 20; ++i) Turn(kSecond);
  EXPECT_THAT(half.Receive(), IsEmpty());
  EXPECT_EQ(counters().primed_bytes.Get(), 0u);
}

TEST_F(GuestServiceTest, ACommandEndsPriming) {
  Arrive(10'000);
  Client qemu = Connect(kQemu);
  EXPECT_EQ(qemu.Receive().size(), 64u);
  qemu.Send({0x02, 10});
  Turn();
  EXPECT_EQ(qemu.Receive(), StreamBytes(64, 10));
  for (int i = 0; i < 20; ++i) Turn(kSecond);
  EXPECT_THAT(qemu.Receive(), IsEmpty());
}

TEST_F(GuestServiceTest, PrimingWaitsForBytesAndIsDemand) {
  Client qemu = Connect(kQemu);
  EXPECT_EQ(buffer().owed(), 64u);
  Arrive(1'000);
  EXPECT_EQ(qemu.Receive(), StreamBytes(0, 64));
}

TEST_F(GuestServiceTest, PrimingStaysInsideTheGuestsCeiling) {
  Make(100, /*guest_ceil=*/1024);
  Arrive(1'000'000);
  Client qemu = Connect(kQemu);
  size_t taken = 0;
  for (int i = 0; i < 20; ++i) {
    taken += qemu.Receive().size();
    Turn(kSecond);
  }
  EXPECT_LE(taken, 20u * 1024 + 4096);
  EXPECT_GE(taken, 10u * 1024);
}

TEST_F(GuestServiceTest, UnknownCommandIsAnsweredWithNothingAndClosed) {
  Arrive(1'000);
  Client other = Connect(kAuto);
  Client bad = Connect(kAuto, {0x02, 64, 0x55, 0x02, 64});
  EXPECT_TRUE(bad.Closed());
  EXPECT_EQ(counters().closed_unknown.Get(), 1u);
  EXPECT_EQ(service_->guests(), 1u);
  other.Send({0x02, 32});
  Turn();
  EXPECT_EQ(other.Receive(), StreamBytes(0, 32));  // and nothing was lost
}

TEST_F(GuestServiceTest, HalfACommandAndAHangupIsFine) {
  Client client = Connect(kAuto, {0x03, 1});
  EXPECT_EQ(service_->guests(), 1u);
  client.Hangup();
  Turn();
  EXPECT_EQ(service_->guests(), 0u);
  EXPECT_EQ(counters().closed_unknown.Get(), 0u);
}

TEST_F(GuestServiceTest, HangupDropsWhatIsOwed) {
  Client client = Connect(kAuto, {0x02, 255});
  client.Hangup();
  Turn();
  Arrive(1'000);
  EXPECT_EQ(buffer().level(), 1'000u);
  EXPECT_EQ(counters().delivered_bytes.Get(), 0u);
}

TEST_F(GuestServiceTest, AfterAHalfCloseTheRestIsDeliveredAndThenClosed) {
  Client client = Connect(kAuto, {0x02, 200, 0x02, 100});
  client.FinishSending();
  Turn();
  Turn();
  EXPECT_EQ(service_->guests(), 1u);
  Arrive(250);
  EXPECT_EQ(client.Receive(), StreamBytes(0, 250));
  Arrive(250);
  EXPECT_EQ(service_->guests(), 1u) << "the last reply was not read yet";
  EXPECT_EQ(client.Receive(), StreamBytes(250, 50));
  Turn(kSecond / 10);
  EXPECT_EQ(service_->guests(), 0u);
  EXPECT_TRUE(client.Closed());
}

TEST_F(GuestServiceTest, AHalfClosedPeerThatReadsNothingIsGivenUp) {
  Arrive(1'000);
  Client client = Connect(kAuto, {0x02, 200});
  client.FinishSending();
  Turn();
  Turn(2 * kSecond);
  EXPECT_EQ(service_->guests(), 0u);
  EXPECT_EQ(client.Receive(), StreamBytes(0, 200));  // a closed unix socket keeps what was sent
}

TEST_F(GuestServiceTest, TenThousandPipelinedRequestsAreAnsweredInOrder) {
  Client client = Connect(kAuto);
  Bytes requests;
  for (int i = 0; i < 10'000; ++i) requests.insert(requests.end(), {0x02, 100});
  client.Send(requests);
  for (int i = 0; i < 4; ++i) Turn();
  EXPECT_EQ(counters().requests[2].Get(), 10'000u);
  EXPECT_EQ(buffer().owed(), 1'000'000u);
  Arrive(1'000'000);
  Bytes seen;
  for (int i = 0; i < 100 && seen.size() < 1'000'000; ++i) {
    const Bytes part = client.Receive();
    seen.insert(seen.end(), part.begin(), part.end());
    Turn();
  }
  EXPECT_TRUE(seen == StreamBytes(0, 1'000'000));
}

TEST_F(GuestServiceTest, AStalledReaderIsReadOnAndHoldsUpNobody) {
  Arrive(3'000'000);
  Client stalled = Connect(kAuto);
  Bytes requests;
  for (int i = 0; i < 8'000; ++i) requests.insert(requests.end(), {0x02, 255});
  size_t sent = 0;
  for (int i = 0; i < 20; ++i) {
    stalled.Send(requests);  // never refused: the agent goes on reading
    sent += requests.size();
    Turn();
  }
  EXPECT_EQ(OnlyGuest().requests(), sent / 2);
  EXPECT_EQ(buffer().owed(), 0u) << "a stalled reader must not make the buffer grow";
  EXPECT_LE(arena_->used_bytes(), 4'500'000u);
  EXPECT_TRUE(service_->undelivered());

  Client other = Connect(kEgd, {0x02, 64});
  EXPECT_EQ(other.Receive().size(), 64u);

  Bytes seen;
  for (int i = 0; i < 1'000 && seen.size() < 2'000'000; ++i) {
    const Bytes part = stalled.Receive();
    seen.insert(seen.end(), part.begin(), part.end());
    Turn();
  }
  ASSERT_GE(seen.size(), 2'000'000u);
  // Everything the stalled one got is from the stream and in order, the other's 64 bytes aside.
  const Bytes head = StreamBytes(0, 100'000);
  EXPECT_TRUE(std::equal(head.begin(), head.end(), seen.begin()));
}

TEST_F(GuestServiceTest, TwoGuestsNeverGetTheSameBytes) {
  Client one = Connect(kAuto);
  Client two = Connect(kAuto);
  std::multiset<Bytes> blocks;
  for (int i = 0; i < 200; ++i) {
    one.Send({0x02, 64});
    two.Send({0x02, 64});
    Turn();
    Arrive(128);
    for (Client* client : {&one, &two}) {
      const Bytes reply = client->Receive();
      ASSERT_EQ(reply.size(), 64u);
      for (size_t at = 0; at < 64; at += 8) {
        blocks.emplace(reply.begin() + static_cast<ptrdiff_t>(at),
                       reply.begin() + static_cast<ptrdiff_t>(at + 8));
      }
    }
  }
  EXPECT_EQ(std::set<Bytes>(blocks.begin(), blocks.end()).size(), blocks.size());
}

TEST_F(GuestServiceTest, MaxGuestsAreServedAndTheNextIsClosed) {
  Make(2);
  Arrive(1'000);
  Client one = Connect(kAuto);
  Client two = Connect(kAuto);
  Client three = Connect(kAuto);
  EXPECT_TRUE(three.Closed());
  EXPECT_EQ(metrics_->refused_guests.Get(), 1u);
  two.Send({0x02, 8});
  Turn();
  EXPECT_EQ(two.Receive().size(), 8u);
  one.Hangup();
  Turn();
  Client four = Connect(kAuto, {0x02, 8});
  EXPECT_EQ(four.Receive().size(), 8u);
}

TEST_F(GuestServiceTest, AGuestAtItsCeilingIsServedWhenItsTokensAreBack) {
  Make(100, /*guest_ceil=*/10'000);
  Arrive(1'000'000);
  Client client = Connect(kAuto);
  Bytes requests;
  for (int i = 0; i < 1'000; ++i) requests.insert(requests.end(), {0x02, 255});
  client.Send(requests);
  Turn();
  size_t seen = client.Receive().size();
  EXPECT_LE(seen, 5'000u);
  for (int i = 0; i < 1'000; ++i) {
    Turn(kSecond / 100);
    seen += client.Receive().size();
  }
  EXPECT_NEAR(static_cast<double>(seen), 104'000, 3'000);
}

TEST_F(GuestServiceTest, ListenersServeConnectionsOfTheirClass) {
  ASSERT_TRUE(service_->Listen().ok());
  Arrive(100);
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string& path = settings_.listeners[kEgd].path;
  std::memcpy(address.sun_path, path.data(), path.size());
  ASSERT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  Client client(std::move(fd));
  client.Send({0x02, 32});
  Turn();
  Turn();
  EXPECT_EQ(client.Receive(), StreamBytes(0, 32));
  EXPECT_EQ(OnlyGuest().listener(), path);
  EXPECT_EQ(OnlyGuest().pid(), getpid());
  EXPECT_EQ(OnlyGuest().name(), "hostagent_test");
  service_->StopListening();
  EXPECT_NE(access(path.c_str(), F_OK), 0);
}

TEST_F(GuestServiceTest, AListenerThatCannotOpenClosesTheOthers) {
  settings_.listeners[kEgd].group = "no-such-group";
  service_ =
      GuestService::Create(settings_, loop_.get(), arena_.get(), &log_, metrics_.get()).value();
  EXPECT_EQ(service_->Listen().code(), absl::StatusCode::kNotFound);
  EXPECT_NE(access(settings_.listeners[kAuto].path.c_str(), F_OK), 0);
}

TEST_F(GuestServiceTest, StatusTellsClassesAndListeners) {
  Arrive(500);
  Client one = Connect(kAuto, {0x02, 100});
  Client two = Connect(kQemu, {0x04});
  v1::GetStatusResponse status;
  service_->FillStatus(&status);
  ASSERT_EQ(status.class__size(), 1);
  EXPECT_EQ(status.class_(0).class_(), "default/gold");
  EXPECT_EQ(status.class_(0).buffer_level(), 400u);
  EXPECT_EQ(status.class_(0).guests(), 2u);
  EXPECT_EQ(status.class_(0).delivered(), 100u);
  EXPECT_EQ(status.class_(0).requests(), 2u);
  EXPECT_EQ(status.class_(0).on_upstream_loss(), "block");
  ASSERT_EQ(status.listener_size(), 3);
  EXPECT_EQ(status.listener(kQemu).connections(), 1u);
  EXPECT_EQ(status.listener(kEgd).connections(), 0u);
}

TEST_F(GuestServiceTest, MetricsShowWhatWasServed) {
  Arrive(500);
  Client client = Connect(kAuto, {0x02, 100, 0x04});
  const std::string text = registry_->Serialize();
  for (const char* line :
       {"entropyd_agent_delivered_bytes_total{class=\"default/gold\"} 100",
        "entropyd_agent_buffer_fill_bytes{class=\"default/gold\"} 400",
        "entropyd_agent_requests_total{class=\"default/gold\",command=\"read_blocking\"} 1",
        "entropyd_agent_guests{class=\"default/gold\"} 1",
        "entropyd_agent_wait_seconds_count{class=\"default/gold\"} 2"}) {
    EXPECT_THAT(text, testing::HasSubstr(line));
  }
}

TEST_F(GuestServiceTest, NoSecretStaysInTheStagingArea) {
  Arrive(5'000);
  Client client = Connect(kAuto, {0x02, 255, 0x02, 255});
  EXPECT_EQ(client.Receive().size(), 510u);
  client.Hangup();
  Turn();
  // A new block lies where the old one was when nothing else holds memory; whatever is handed out
  // must be zero.
  const size_t used = arena_->used_bytes();
  service_.reset();
  EXPECT_EQ(arena_->used_bytes(), 0u);
  SecretBytes all = arena_->Allocate(used).value();
  EXPECT_TRUE(std::all_of(all.data(), all.data() + all.size(), [](uint8_t b) { return b == 0; }));
}

}  // namespace
}  // namespace entropyd
