// The world of the model of an agent: what serves a host's guests, in one process after another.
// Guests connect, ask, read slowly and leave; who they are comes late and changes; servers refuse
// classes and serve them again; the real handover takes all of it to the next process, or is cut
// at any of its messages. Steps happen one at a time. Check() says what must hold after each.
//
// Errors: failures of the running test.
//
// Thread safety: none.
#pragma once

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "hostagent/handover/giver.h"
#include "hostagent/handover/handover_link.h"
#include "hostagent/handover/protocol.h"
#include "hostagent/handover/taker.h"
#include "tests/hostagent/fake_filled_class.h"
#include "tests/hostagent/handover/model_guest.h"
#include "tests/hostagent/handover/soon.h"
#include "tests/hostagent/two_hosts.h"
#include "tests/model_runs.h"

namespace entropyd {

struct AgentStepKinds {
  enum class Kind {
    kConnect,   // a guest connects at door a
    kAsk,       // guest a sends a command
    kMany,      // guest a sends many commands at once
    kReceive,   // guest a reads up to b bytes
    kLeave,     // guest a hangs up, or only ends its sending side
    kArrive,    // bytes come for class a
    kTurn,      // the loop turns some times
    kPass,      // b milliseconds pass
    kTick,      // a second passes
    kIdentify,  // somebody says who guest a is
    kServer,    // the server of class a refuses it, or serves it
    kHandover,  // a successor comes, which fails at message b, or takes the guests
  };
  static constexpr std::array<StepKind, 12> kKinds = {{{"connect", 50},
                                                       {"ask", 200},
                                                       {"many", 8},
                                                       {"receive", 120},
                                                       {"leave", 20},
                                                       {"arrive", 150},
                                                       {"turn", 200},
                                                       {"pass", 40},
                                                       {"tick", 20},
                                                       {"identify", 150},
                                                       {"server", 20},
                                                       {"handover", 20}}};
  static constexpr uint64_t kMax = 10'000;
};
using AgentStep = StepOf<AgentStepKinds>;

class AgentModel final : public TwoHostsTest, public HandoverGiver::Subject {
 public:
  // What happened, so that a test sees that the model is no calm sea.
  struct Counts {
    uint64_t told = 0, untold = 0;  // bytes
    uint64_t handovers = 0, cuts = 0, moves = 0, identified = 0, stalled = 0;

    void Add(const Counts& other) {
      told += other.told;
      untold += other.untold;
      handovers += other.handovers;
      cuts += other.cuts;
      moves += other.moves;
      identified += other.identified;
      stalled += other.stalled;
    }
  };

  explicit AgentModel(uint64_t) {
    SetUp();
    giver_ = HandoverGiver::Start(path(), old_.loop.get(), old_.host->state(), this, &log_).value();
    NewProcess(&old_);
  }
  ~AgentModel() override {
    giver_.reset();
    TearDown();  // before the members that the host asks
  }
  void TestBody() override {}

  void Do(const AgentStep& step) {
    ModelGuest* const guest = guests_.empty() ? nullptr : guests_[step.a % guests_.size()].get();
    switch (step.kind) {
      case AgentStep::Kind::kConnect:
        if (Alive() < kMaxGuests) Come(step.a % kClasses);
        break;
      case AgentStep::Kind::kAsk:
        if (guest != nullptr) AskOne(guest, step.b);
        break;
      case AgentStep::Kind::kMany:
        for (uint64_t i = 0; guest != nullptr && i < 60; ++i) guest->Ask(1 + i % 2, 200, false);
        break;
      case AgentStep::Kind::kReceive:
        if (guest != nullptr) guest->Receive(1 + step.b);
        break;
      case AgentStep::Kind::kLeave:
        if (guest != nullptr && step.b % 3 == 0) guest->FinishSending();
        if (guest != nullptr && step.b % 3 != 0) guest->Hangup();
        break;
      case AgentStep::Kind::kArrive:
        Bring(step.a % kClasses, (1 + step.b % 64) * 32);
        break;
      case AgentStep::Kind::kTurn:
        for (uint64_t i = 0; i <= step.b % 4; ++i) Turn(&old_);
        break;
      case AgentStep::Kind::kPass:
        Turn(&old_, static_cast<int64_t>(step.b % 300) * kMillisecondNanos);
        break;
      case AgentStep::Kind::kTick:
        Turn(&old_, kSecondNanos);
        old_.host->Tick();
        break;
      case AgentStep::Kind::kIdentify:
        Identify(step.a, step.b);
        break;
      case AgentStep::Kind::kServer:
        refused_[step.a % kClasses] = step.b % 2 == 1;
        Refuse(&old_, step.a % kClasses, step.b % 2 == 1 ? "not for you" : "");
        break;
      case AgentStep::Kind::kHandover:
        HandOver(step.b % 12);
        break;
    }
  }

  // What holds after each step.
  void Check() {
    for (size_t i = 0; i < kClasses; ++i) {
      const ClassBuffer& buffer = *old_.host->classes()[i]->buffer();
      const uint64_t taken =
          old_.metrics->of_class(settings_.classes[i].name)->delivered_bytes.Get() - before_[i];
      EXPECT_EQ(streams_[i]->bytes, buffer.level() + buffer.discarded_bytes() + taken)
          << "bytes of class " << i << " are nowhere";
    }
    const double seconds = static_cast<double>(clock_.NowNanos() - refilled_) / kSecondNanos;
    refilled_ = clock_.NowNanos();
    for (auto& [key, tokens] : tokens_) tokens = std::min(tokens + seconds * kCeil, kBucket);
    for (const auto& guest : guests_) CheckGuest(guest.get());
    for (const auto& [key, tokens] : tokens_) {
      EXPECT_GT(tokens, -1) << key.text() << " gets more than its ceiling lets through";
    }
  }

  // Every guest reads, enough comes, nobody is unknown for long: all get what they asked for.
  void Finish(const std::function<bool()>& failed) {
    for (size_t i = 0; i < kClasses; ++i) Do({AgentStep::Kind::kServer, i, 0});
    for (const auto& guest : guests_) guest->Complete();
    for (int i = 0; i < 3000 && Waiting() && !failed(); ++i) {
      for (size_t c = 0; c < kClasses; ++c) {
        if (old_.host->classes()[c]->buffer()->level() < 8192) Bring(c, 8192);
      }
      for (int turn = 0; turn < 4; ++turn) Turn(&old_);
      for (const auto& guest : guests_) guest->Receive(1 << 20);
      Check();
      clock_.AdvanceNanos(100 * kMillisecondNanos);
      if (i % 10 == 0) old_.host->Tick();
    }
    for (const auto& guest : guests_) {
      EXPECT_TRUE(guest->gone() || guest->satisfied()) << "connection " << guest->id() << " waits";
    }
    for (const auto& guest : guests_) ledger_.Audit(guest.get());
    counts_.told = ledger_.told();
    counts_.untold = ledger_.untold();
  }

  const Counts& counts() const { return counts_; }

  // From HandoverGiver::Subject.
  absl::Status LeaveServer() override { return absl::OkStatus(); }
  int http_port() const override { return 0; }
  void ReturnToServer(const absl::Status&) override { ++returns_; }
  void Given(const std::string&) override {}
  void Released() override {}

 private:
  static constexpr size_t kClasses = 3;
  static constexpr size_t kMaxGuests = 16;
  // Class 1 has a ceiling for each guest: a bucket of four grants.
  static constexpr size_t kCapped = 1;
  static constexpr double kCeil = 4096;
  static constexpr double kBucket = 4096;

  class FakeIdentifier final : public Identifier {
   public:
    void Ask(IdentityQuestion question) override { asked[question.connection] = question.pin.pid; }
    void Withdraw(uint64_t connection) override { asked.erase(connection); }
    std::map<uint64_t, int32_t> asked;
  };

  std::string path() const { return dir_ / "agent.sock.handover"; }

  void Configure() override {
    settings_.max_guests = settings_.max_connections_per_guest = 100;
    settings_.classes.clear();
    settings_.listeners.clear();
    for (size_t i = 0; i < kClasses; ++i) {
      settings_.classes.push_back({absl::StrCat("default/", i), 64 << 10, 60 * kSecondNanos,
                                   i == kCapped ? uint64_t{4096} : ClassTree::kUnlimited});
      AgentSettings::Socket socket;
      socket.path = dir_ / absl::StrCat(i, ".sock");
      socket.mode = 0600;
      socket.class_index = i;
      socket.clients = config::v1::CLIENTS_EGD;
      if (i > 0) socket.identify = config::v1::IDENTIFY_LIBVIRT;
      settings_.listeners.push_back(socket);
    }
  }

  // A process begins to serve.
  void NewProcess(Side* side) {
    for (size_t i = 0; i < kClasses; ++i) {
      streams_[i] = ledger_.NewStream(i, generation_);
      before_[i] = side->metrics->of_class(settings_.classes[i].name)->delivered_bytes.Get();
      side->host->classes()[i]->SetFiller(&filler_);
    }
    side->host->assignment()->SetIdentifier(identifier_.get());
  }

  // Guests ----------------------------------------------------------------------------------------

  size_t Alive() const {
    return static_cast<size_t>(std::count_if(guests_.begin(), guests_.end(),
                                             [](const auto& guest) { return !guest->gone(); }));
  }
  bool Waiting() const {
    return std::any_of(guests_.begin(), guests_.end(),
                       [](const auto& guest) { return !guest->gone() && !guest->satisfied(); });
  }
  void Come(size_t door) {
    int fds[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    // So that a slow reader is soon one whose socket is full.
    const int least = 1;
    setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &least, sizeof least);
    const uint64_t id = old_.host->connections()->next_id();
    guests_.push_back(std::make_unique<ModelGuest>(Client(UniqueFd(fds[1])), id, door));
    guests_.back()->classes()->insert(door);
    old_.host->connections()->Accept(door, UniqueFd(fds[0]));
  }
  static void AskOne(ModelGuest* guest, uint64_t number) {
    static constexpr std::array<uint8_t, 8> kTypes = {2, 2, 2, 2, 1, 1, 0, 4};
    guest->Ask(kTypes[number % kTypes.size()], static_cast<uint8_t>(number / 8), number % 5 == 0);
  }
  Connection* Find(const ModelGuest& guest) const {
    const auto& all = old_.host->connections()->all();
    const auto found = all.find(guest.id());
    return found == all.end() ? nullptr : found->second.get();
  }
  void CheckGuest(ModelGuest* guest) {
    const Connection* const connection = Find(*guest);
    if (connection == nullptr) {
      EXPECT_TRUE(guest->gone() || guest->finished()) << "connection " << guest->id() << " is lost";
      return;
    }
    // Where its metadata says, or where it came in.
    const auto asks = asks_.find(guest->id());
    const auto served = std::find_if(
        settings_.classes.begin(), settings_.classes.end(),
        [connection](const auto& one) { return one.name == connection->served_class()->name(); });
    const auto index = static_cast<size_t>(served - settings_.classes.begin());
    size_t wanted = guest->door();
    if (asks != asks_.end() && asks->second < kClasses && !refused_[asks->second]) {
      wanted = asks->second;
    }
    EXPECT_EQ(index, wanted) << "connection " << guest->id();
    counts_.moves += guest->classes()->insert(index).second;
    counts_.stalled += connection->undelivered();
    uint64_t& had = had_[guest->id()];
    const uint64_t bytes = connection->totals().delivered - had;
    had = connection->totals().delivered;
    if (index != kCapped) return;
    tokens_.try_emplace(connection->guest(), kBucket).first->second -= static_cast<double>(bytes);
  }

  // The host --------------------------------------------------------------------------------------

  void Bring(size_t class_index, size_t bytes) {
    ServedClass* const served = old_.host->classes()[class_index];
    bytes = std::min(bytes, served->buffer()->size() - served->buffer()->level());
    served->buffer()->Append(streams_[class_index]->Next(bytes));
    served->OnArrival();
  }

  // Somebody answers a question, or says another time who a guest is.
  void Identify(uint64_t which, uint64_t number) {
    if (guests_.empty()) return;
    const ModelGuest& guest = *guests_[which % guests_.size()];
    const auto asked = identifier_->asked.find(guest.id());
    if (Find(guest) == nullptr || guest.door() == 0) return;
    if (asked == identifier_->asked.end() && number % 2 > 0) return;
    identifier_->asked.erase(guest.id());
    IdentityNews news;
    news.connection = guest.id();
    news.pid = getpid();
    news.start_ticks = 5;
    if (number % 5 > 0) {
      // Class 3 is none that there is; 4 is none at all.
      const size_t asks = number / 5 % 5;
      news.identity = GuestIdentity{IdentitySource::kLibvirt, absl::StrCat("vm", number / 25 % 4),
                                    "c7a5fdbd-edaf-9455-926a-d65c16db1809",
                                    asks == 4 ? "" : absl::StrCat("default/", asks), ""};
      asks_[guest.id()] = asks;
      ++counts_.identified;
    }
    old_.host->connections()->OnIdentities({news});
  }

  // Handover --------------------------------------------------------------------------------------

  void HandOver(uint64_t cut) {
    if (cut < 6) return CutAt(cut);
    Make(&new_);
    auto identifier = std::make_unique<FakeIdentifier>();
    new_.host->assignment()->SetIdentifier(identifier.get());
    absl::StatusOr<Taken> taken = absl::UnknownError("it did not run");
    const absl::Status fill = cut == 6 ? absl::UnavailableError("no server") : absl::OkStatus();
    auto link = HandoverLink::Connect(path());
    ASSERT_TRUE(link.ok()) << link.status();
    std::atomic<bool> done{false};
    std::thread successor([&] {
      taken = TakeOver(*std::move(link), new_.host->state(),
                       [&fill](const auto&, const auto&) { return fill; });
      done = true;
    });
    while (!done) old_.loop->RunOnce(kMillisecondNanos);
    successor.join();
    EXPECT_EQ(taken.ok(), fill.ok()) << taken.status();
    if (taken.ok()) return Succeed(*std::move(taken), std::move(identifier));
    new_.host.reset();
    Failed();
  }
  // A successor that goes after so many messages, or that says something else then.
  void CutAt(uint64_t messages) {
    auto link = HandoverLink::Connect(path());
    ASSERT_TRUE(link.ok()) << link.status();
    const auto say = [&link, this](const handover::v1::Message& message) {
      (*link)->Send(message, {}, Soon()).IgnoreError();
      for (int i = 0; i < 2 && !message.has_request(); ++i) Turn(&old_);
    };
    handover::v1::Message message;
    if (messages > 0) {
      message.mutable_begin()->set_format_min(1);
      message.mutable_begin()->set_format_max(1);
      say(message);
    }
    EXPECT_TRUE(messages < 2 || (*link)->Receive(Soon()).ok());
    message.mutable_request();
    if (messages > 2) say(message);
    if (messages == 4) message.mutable_refusal()->set_reason("a test");
    if (messages == 5) message.mutable_serving();
    if (messages > 3) say(message);
    (*link).reset();
    Failed();
  }
  // The giver is as before.
  void Failed() {
    ++counts_.cuts;
    for (int i = 0; i < 3; ++i) Turn(&old_);
    EXPECT_FALSE(giver_->given());
  }
  void Succeed(Taken taken, std::unique_ptr<FakeIdentifier> identifier) {
    ++counts_.handovers;
    ++generation_;
    EXPECT_TRUE(giver_->given());
    EXPECT_EQ(old_.host->connections()->size(), 0u);
    // What the old process wrote. What comes later is the new one's.
    for (const auto& guest : guests_) guest->Receive(1 << 20);
    for (const auto& guest : guests_) guest->Boundary(generation_);
    handover::v1::Message serving;
    serving.mutable_serving();
    EXPECT_TRUE(taken.link->Send(serving, {}, Soon()).ok());
    Turn(&old_);
    giver_.reset();
    old_.host.reset();
    identifier_ = std::move(identifier);
    std::swap(old_, new_);
    old_.loop->SetAfterTurn([this] { old_.host->Serve(); });
    NewProcess(&old_);
    giver_ = HandoverGiver::Adopt(path(), std::move(taken.listener), old_.loop.get(),
                                  old_.host->state(), this, &log_)
                 .value();
    new_ = Side();
  }

  std::unique_ptr<FakeIdentifier> identifier_ = std::make_unique<FakeIdentifier>();
  FakeFiller filler_;
  std::unique_ptr<HandoverGiver> giver_;
  int returns_ = 0;
  size_t generation_ = 0;
  GuestLedger ledger_;
  // Of the process that serves: what came, and its counter of bytes when it began.
  std::array<GivenStream*, kClasses> streams_ = {};
  std::array<uint64_t, kClasses> before_ = {};
  std::array<bool, kClasses> refused_ = {};
  std::vector<std::unique_ptr<ModelGuest>> guests_;
  std::map<uint64_t, size_t> asks_;  // by connection: the class that its metadata asks for
  std::map<uint64_t, uint64_t> had_;
  // Of each guest in the class with a ceiling, in bytes.
  std::map<GuestKey, double> tokens_;
  int64_t refilled_ = 0;
  Counts counts_;
};

}  // namespace entropyd
