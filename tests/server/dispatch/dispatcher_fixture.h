// A dispatcher with fake pools, peers and time. The test drives it by hand.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/class_tree/class_tree.h"
#include "base/process/clock.h"
#include "base/process/nanos.h"
#include "gtest/gtest.h"
#include "server/access/peer_certificate.h"
#include "server/attach/protocols.h"
#include "server/dispatch/dispatcher.h"
#include "tests/server/fakes.h"

namespace entropyd {

inline constexpr int64_t kSecond = kSecondNanos;
inline constexpr int64_t kMilli = kMillisecondNanos;

// An agent's end of a session, as the dispatcher's transport sees it.
struct FakePeer {
  Session* session = nullptr;
  FakeTransport::Record wire;
  size_t seen = 0;                        // messages already looked at
  std::map<uint32_t, uint64_t> received;  // by channel
  bool write_pending() const { return written < wire.messages.size(); }
  size_t written = 0;  // messages whose write was reported done
};

class DispatcherFixture : public ::testing::Test {
 protected:
  // default: quality drbg, leaves gold (guests weigh) and slow (64 KiB/s ceiling);
  // scarce: quality full, leaf key.
  //
  // A message's payload, an eighth of a channel's credit.
  static constexpr uint32_t kPayload = 32 * 1024;
  static constexpr Session::Limits kLimits = {.max_credit = 256 * 1024, .max_payload = kPayload};

  // What a test may want to be different.
  struct Options {
    Session::Limits limits = kLimits;
    uint64_t max_in_flight = 64ull << 20;
    uint32_t max_agents = 10'000;
    uint32_t max_gets = 1024;
    uint32_t max_gets_per_identity = 128;
    uint32_t max_streams_per_identity = 10'000;
    uint64_t max_in_flight_per_identity = UINT64_MAX;
    uint32_t max_messages_per_second = 1'000'000;
  };

  void SetUp() override { Make({}); }

  void Make(const Options& options) {
    limits_ = options.limits;
    std::vector<PoolSetup> setups;
    std::vector<ClassTree::ClassSpec> classes = {Class("root", "", 100 << 20),
                                                 Class("gold", "root", 10 << 20),
                                                 Class("slow", "root", 16 << 10, 64 << 10)};
    for (size_t i = 0; i < more_leaves_; ++i) {
      classes.push_back(Class(absl::StrCat("leaf", i), "root", 1 << 10));
    }
    setups.push_back(Setup(&drbg_, 1024, classes));
    for (auto& leaf : setups.back().leaves) leaf.above = above_;
    setups.back().leaves[0].weigh_guests = true;
    setups.back().leaves[1].weigh_guests = slow_weighs_guests_;
    setups.push_back(Setup(&full_, 256, {Class("all", "", 1 << 20), Class("key", "all", 1 << 20)}));
    protocols_.reset();
    dispatcher_ = std::make_unique<Dispatcher>(
        Dispatcher::Options{.max_in_flight = options.max_in_flight,
                            .message_bytes = options.limits.max_payload},
        std::move(setups), &clock_, &log_);
    Protocols::Options peers;
    peers.attach = {.limits = options.limits, .max_agents = options.max_agents};
    peers.get = {.max_waiting = options.max_gets};
    peers.shares = {.streams = options.max_streams_per_identity,
                    .in_flight = options.max_in_flight_per_identity,
                    .gets = options.max_gets_per_identity,
                    .messages_per_second = options.max_messages_per_second};
    peers.allow = [this](absl::string_view, Call,
                         absl::string_view name) -> absl::StatusOr<uint32_t> {
      if (absl::EndsWith(name, "secret") || name == taken_away_) {
        return absl::PermissionDeniedError("not for you");
      }
      return max_weight_;
    };
    peers.attach.admission = peers.get.admission = [this](const PeerCertificate& certificate) {
      if (&certificate != shut_out_.get()) return absl::OkStatus();
      return absl::UnauthenticatedError("revoked");
    };
    peers.attach.lifetime_nanos = [this](const PeerCertificate&) { return lifetime_nanos_; };
    protocols_ = std::make_unique<Protocols>(std::move(peers), dispatcher_.get(), &clock_, &log_);
  }

  static ClassTree::ClassSpec Class(const std::string& name, const std::string& parent,
                                    uint64_t rate, uint64_t ceil = ClassTree::kUnlimited) {
    ClassTree::ClassSpec spec;
    spec.name = name;
    spec.parent = parent;
    spec.rate = rate;
    spec.ceil = ceil;
    return spec;
  }
  static PoolSetup Setup(FakePool* pool, uint32_t chunk,
                         std::vector<ClassTree::ClassSpec> classes) {
    PoolSetup setup;
    setup.pool = pool;
    setup.tree = ClassTree::Create({.chunk_bytes = chunk}, classes).value();
    for (const ClassTree::ClassSpec& spec : classes) {
      const absl::StatusOr<ClassTree::ClassId> id = setup.tree->FindLeaf(spec.name);
      if (id.ok()) {
        setup.leaves.push_back({pool->name() + "/" + spec.name, *id, spec.rate, spec.ceil, false});
      }
    }
    return setup;
  }

  // Does what a loop does: steps until there is nothing to do now, and sends the messages.
  void Run() {
    Dispatcher::Progress progress;
    do {
      progress = dispatcher_->Step(clock_.NowNanos());
      std::vector<Dispatcher::Outgoing> outgoing;
      dispatcher_->TakeOutgoing(&outgoing);
      for (Dispatcher::Outgoing& one : outgoing) one.outlet->Send(std::move(one.message));
    } while (progress.more || !dispatcher_->mailbox().TryRelease());
    wake_nanos_ = progress.wake_nanos;
  }
  void Post(MailNode* node, uint32_t events) {
    if (dispatcher_->mailbox().Post(node, events)) Run();
  }
  void Tick() { Post(&tick_, 1); }
  void Advance(int64_t nanos) {
    clock_.AdvanceNanos(nanos);
    Tick();
  }
  std::shared_ptr<const PeerCertificate> CertificateOf(const std::string& identity) {
    std::shared_ptr<const PeerCertificate>& certificate = certificates_[identity];
    if (certificate == nullptr) certificate = std::make_shared<PeerCertificate>("", "");
    return certificate;
  }
  // New rules: that identity may not come in, and nobody may use that class.
  void SetRules(const std::string& shut_out, const std::string& taken_away = "") {
    shut_out_ = CertificateOf(shut_out);
    taken_away_ = taken_away;
    Post(new Command([this](int64_t) { protocols_->BeginRecheck(); }), 1);
    bool more = true;
    while (more) {
      Post(new Command([this, &more](int64_t now) { more = protocols_->RecheckSome(now); }), 1);
    }
  }
  void PoolsChanged() {
    dispatcher_->PoolsChanged();
    Tick();
  }

  FakePeer* Attach(const std::string& identity = "spiffe://test/agent") {
    peers_.push_back(std::make_unique<FakePeer>());
    FakePeer* peer = peers_.back().get();
    peer->session =
        protocols_->attach()->NewSession({identity, "peer", CertificateOf(identity)}).release();
    peer->session->SetTransport(std::make_unique<FakeTransport>(&peer->wire));
    Post(peer->session, Session::kStart);
    return peer;
  }
  void Say(FakePeer* peer, const v1::AgentMessage& message) {
    *peer->session->inbox()->room() = message;
    peer->session->inbox()->Filled(absl::OkStatus());
    Post(peer->session, Session::kRead);
  }
  FakePeer* Greet(const std::string& identity = "spiffe://test/agent", char host = 'a') {
    FakePeer* peer = Attach(identity);
    Hello(peer, host);
    return peer;
  }
  void Hello(FakePeer* peer, char host = 'a') {
    v1::AgentMessage message;
    message.mutable_hello()->set_version_min(1);
    message.mutable_hello()->set_version_max(1);
    message.mutable_hello()->set_host_id(std::string(16, host));
    Say(peer, message);
  }
  void Open(FakePeer* peer, uint32_t channel, const std::string& name,
            v1::Quality quality = v1::QUALITY_UNSPECIFIED) {
    v1::AgentMessage message;
    message.mutable_open()->set_channel(channel);
    message.mutable_open()->set_class_(name);
    message.mutable_open()->set_min_quality(quality);
    Say(peer, message);
  }
  void Credit(FakePeer* peer, uint32_t channel, uint64_t limit, uint64_t received,
              uint32_t guests = 0) {
    v1::AgentMessage message;
    v1::Line* line = message.mutable_credit()->add_line();
    line->set_channel(channel);
    line->set_limit(limit);
    line->set_received(received);
    line->set_guests(guests);
    Say(peer, message);
  }
  void CloseChannel(FakePeer* peer, uint32_t channel) {
    v1::AgentMessage message;
    message.mutable_close()->set_channel(channel);
    Say(peer, message);
  }
  // The transport took the peer's oldest message.
  void Written(FakePeer* peer, bool ok = true) {
    ASSERT_TRUE(peer->write_pending());
    ++peer->written;
    Post(peer->session, ok ? Session::kWritten : Session::kWriteFailed);
  }
  void WriteAll(FakePeer* peer) {
    while (peer->write_pending()) Written(peer);
  }
  void Die(FakePeer* peer) {
    if (peer->write_pending()) Written(peer, false);
    Post(peer->session, Session::kCancelled);
    ASSERT_TRUE(peer->wire.finished);
    Post(peer->session, Session::kDead);
  }

  const ServerMessageView& Message(const FakePeer* peer, size_t index) const {
    return peer->wire.messages.at(index)->view;
  }
  const ServerMessageView& Last(const FakePeer* peer) const {
    return peer->wire.messages.back()->view;
  }
  uint64_t Granted(const FakePeer* peer, uint32_t channel) const {
    uint64_t bytes = 0;
    for (const auto& message : peer->wire.messages) {
      for (const GrantView& grant : message->view.grants) {
        if (grant.channel == channel) bytes += grant.bytes;
      }
    }
    return bytes;
  }

  PendingGet* Get(FakeOutlet::Record* record, const std::string& name, uint32_t bytes,
                  const std::string& identity = "spiffe://test/reader",
                  v1::Quality quality = v1::QUALITY_UNSPECIFIED) {
    PendingGet* const get = protocols_->get()
                                ->NewGet({identity, name, bytes, quality, CertificateOf(identity)})
                                .release();
    get->SetOutlet(std::make_unique<FakeOutlet>(record));
    Post(get, PendingGet::kStart);
    return get;
  }

  // Compares the figures of all parts.
  struct Totals : AttachProtocol::Totals {
    uint64_t sent_bytes;
    uint64_t received_bytes;
    uint64_t denied_class;
    uint64_t charged_bytes;
    uint64_t planned_bytes;
    uint64_t in_flight_bytes;
    uint64_t forfeited_bytes;
    uint64_t drawn_bytes;
  };
  Totals totals() const {
    return {protocols_->attach()->totals(),
            protocols_->attach()->deliveries().sent(),
            protocols_->attach()->deliveries().received(),
            protocols_->access().denied(),
            dispatcher_->charged_bytes(),
            dispatcher_->budgets()->planned.used(),
            dispatcher_->budgets()->in_flight.used(),
            dispatcher_->budgets()->planned.given_back(),
            protocols_->get()->totals().given_bytes};
  }
  const SessionRegistry& registry() const { return protocols_->attach()->registry(); }
  // charged = received + unconfirmed + planned + forfeited (+ what Get was given)
  void ExpectBalance() const {
    uint64_t unconfirmed = totals().lost_bytes;
    uint64_t planned_by_sessions = 0;
    for (const auto& session : registry().sessions()) {
      if (!session->ended()) unconfirmed += session->deliveries().unconfirmed();
      planned_by_sessions += session->outbox()->planned();
    }
    EXPECT_LE(planned_by_sessions, totals().planned_bytes);
    EXPECT_EQ(dispatcher_->budgets()->all.used(),
              totals().planned_bytes + totals().in_flight_bytes);
    EXPECT_EQ(totals().charged_bytes, totals().received_bytes + unconfirmed +
                                          totals().planned_bytes + totals().forfeited_bytes +
                                          totals().drawn_bytes);
  }

  // parked => busy or waiting for room; nobody waits while there is room; a demand that nothing
  // holds back has been served.
  void ExpectNobodyForgotten() const {
    ASSERT_FALSE(dispatcher_->budgets()->all.room_is_wanted());
    for (const auto& session : registry().sessions()) {
      if (session->ended()) continue;
      for (const auto& channel : session->channels()) {
        if (channel->leaf() == nullptr) continue;
        const PoolSlot& slot = *channel->leaf()->slot;
        ASSERT_EQ(channel->wanted(), channel->want());
        ASSERT_TRUE(!channel->parked() || session->outbox()->outstanding() ||
                    session->outbox()->waiting());
        const bool held = channel->want() == 0 || !slot.state.ready() || slot.stopped ||
                          slot.pool->Available() == 0 || session->outbox()->outstanding() ||
                          session->outbox()->waiting() || slot.tree->NextEventNanos().has_value();
        ASSERT_TRUE(held) << channel->name() << " wants " << channel->want();
      }
    }
  }

  // Before Make():
  bool slow_weighs_guests_ = false;
  size_t more_leaves_ = 0;            // of default: leaf0, leaf1, …
  std::vector<SharedCeiling> above_;  // all leaves of default
  uint32_t max_weight_ = kMaxGuests;  // of the policy
  std::map<std::string, std::shared_ptr<const PeerCertificate>> certificates_;
  // Of all certificates, from now on.
  int64_t lifetime_nanos_ = kNever;
  std::shared_ptr<const PeerCertificate> shut_out_;
  std::string taken_away_;
  ManualClock clock_{kSecond};
  FakeLog log_{&clock_};
  FakePool drbg_{"default"};
  FakePool full_{"scarce", v1::QUALITY_FULL};
  Session::Limits limits_;
  std::vector<std::unique_ptr<FakePeer>> peers_;  // outlives the sessions, which write into it
  std::unique_ptr<Dispatcher> dispatcher_;
  std::unique_ptr<Protocols> protocols_;
  int64_t wake_nanos_ = 0;

 private:
  TickNode tick_;
};

}  // namespace entropyd
