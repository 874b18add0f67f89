// The world of the model of Attach: two servers, three hosts, their streams, and readers. Steps
// (ModelStep) happen one at a time; Check() says what must hold after each. Finish() lets all
// become well, and then nobody may wait and every byte must be accounted for.
//
//   AttachModel model(seed);
//   for (const ModelStep& step : ModelSteps(seed, 400)) { model.Do(step); model.Check(); }
//   model.Finish(failed);
//
// Errors: failures of the running test.
//
// Thread safety: none.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/hostagent/fake_server.h"
#include "tests/model_runs.h"
#include "tests/server/attach/model_host.h"
#include "tests/server/attach/model_link.h"
#include "tests/server/attach/model_server.h"
#include "tests/server/attach/word_fates.h"

namespace entropyd {

// What may happen next.
struct ModelStepKinds {
  enum class Kind {
    kAsk,         // guests of host a want b words of a class
    kProcess,     // the agent of host a runs
    kUp,          // a message of stream a reaches the server
    kDown,        // a message of stream a comes out of the network, cut every b bytes
    kWritten,     // the network has taken the server's message of stream a
    kMove,        // stream a moves whatever there is, in both directions
    kBlock,       // what the agent sends on stream a stays there (b odd), or leaves
    kPass,        // b milliseconds pass
    kJump,        // some seconds pass at once
    kRotate,      // most of an hour passes at once
    kSever,       // the connection of stream a breaks
    kTellAgent,   // the agent of stream a learns of the end
    kTellServer,  // so does its server
    kGet,         // a reader asks server a for b words, or gives up
    kDrainOne,    // an operator drains an identity of server a
    kDrainAll,    // or all of it, or ends that
    kClasses,     // server a has other figures, or one class less
    kPools,       // a pool of server a suspends, discards, fails or is filled
    kRules,       // server a lets an identity in no more, or not to a class, or all as before
    kOffend,      // stream a breaks the rules
    kSuspend,     // the agent of host a leaves for its successor, or is that
    kCopy,        // host a was copied
    kForgive,     // the agent of host a forgets for how long it waits
  };
  // Of a thousand.
  static constexpr std::array<StepKind, 23> kKinds = {
      {{"ask", 110},     {"process", 190},   {"up", 120},         {"down", 100}, {"written", 110},
       {"move", 120},    {"block", 30},      {"pass", 60},        {"jump", 25},  {"rotate", 0.5},
       {"sever", 12},    {"tell_agent", 25}, {"tell_server", 20}, {"get", 20},   {"drain_one", 3},
       {"drain_all", 3}, {"classes", 5},     {"pools", 12},       {"rules", 3},  {"offend", 6},
       {"suspend", 3},   {"copy", 2},        {"forgive", 20}}};
  static constexpr uint64_t kMax = 1000;
};
using ModelStep = StepOf<ModelStepKinds>;

// Every fourth seed is calm: nothing breaks.
inline std::vector<ModelStep> ModelSteps(uint64_t seed, size_t count) {
  std::vector<double> weights = ModelStep::Weights();
  if (seed % 4 == 0) {
    for (size_t i = static_cast<size_t>(ModelStep::Kind::kRotate); i < weights.size(); ++i) {
      weights[i] = 0;
    }
    weights[static_cast<size_t>(ModelStep::Kind::kGet)] = 20;
  }
  return ModelStep::Random(seed, count, weights);
}

class AttachModel {
 public:
  // What happened, so that a test sees that the model is no calm sea.
  struct Counts {
    // Bytes.
    uint64_t taken = 0, got = 0, lost = 0, dropped = 0;
    uint64_t streams = 0, offences = 0, replaced = 0;
    // Streams with a message that had bytes of several channels.
    uint64_t mixed = 0;

    void Add(const Counts& other) {
      taken += other.taken;
      got += other.got;
      lost += other.lost;
      dropped += other.dropped;
      streams += other.streams;
      offences += other.offences;
      replaced += other.replaced;
      mixed += other.mixed;
    }
  };

  explicit AttachModel(uint64_t seed) {
    for (uint64_t i = 0; i < 2; ++i) servers_.push_back(std::make_unique<ModelServer>(i, &fates_));
    for (int i = 0; i < 3; ++i) {
      const auto dial = [this, i](const std::string& server, std::function<void()> wake) {
        auto stream = net_.Dial(server, std::move(wake));
        links_.emplace_back(net_.wires.back(), servers_[server == "b:1"].get(),
                            hosts_[static_cast<size_t>(i)].get(), &fates_);
        ++counts_.streams;
        return stream;
      };
      hosts_.push_back(std::make_unique<ModelHost>(i, seed * 3 + static_cast<uint64_t>(i), dial,
                                                   &clock_, &fates_));
    }
  }

  void Do(const ModelStep& step) {
    ModelHost& host = *hosts_[step.a % hosts_.size()];
    ModelServer& server = *servers_[step.a % servers_.size()];
    if (ModelLink* const link = LinkOf(step.a); link != nullptr) DoOnLink(step, link);
    switch (step.kind) {
      case ModelStep::Kind::kAsk:
        host.Ask(step.b % kModelClasses.size(), step.b % 8 == 0 ? step.b % 1000 : step.b % 40);
        break;
      case ModelStep::Kind::kProcess:
        host.Process();
        break;
      case ModelStep::Kind::kPass:
        PassTime(static_cast<int64_t>(step.b % 50) * kMillisecondNanos);
        break;
      case ModelStep::Kind::kJump:
        PassTime(static_cast<int64_t>(step.b) * (step.b % 4 == 0 ? 9 : 3) * kMillisecondNanos);
        break;
      case ModelStep::Kind::kRotate:
        PassTime(static_cast<int64_t>(30 + step.b % 20) * kMinuteNanos);
        break;
      case ModelStep::Kind::kGet:
        GetOrGiveUp(&server, step.b);
        break;
      case ModelStep::Kind::kDrainOne:
        server.DrainOne(host.identity());
        break;
      case ModelStep::Kind::kDrainAll:
        step.b % 3 == 0 ? server.DrainAll() : server.EndDrain();
        break;
      case ModelStep::Kind::kClasses:
        server.ChangeClasses((1 + step.b % 10) << 20, (1 + step.b % 7) * (32 << 10),
                             step.b % 3 > 0);
        break;
      case ModelStep::Kind::kPools:
        server.Disturb(step.b, step.b);
        break;
      case ModelStep::Kind::kRules:
        server.SetRules(step.b % 3 == 0 ? host.identity() : "nobody",
                        step.b % 3 == 1 ? kModelClasses[step.b % kModelClasses.size()] : "");
        break;
      case ModelStep::Kind::kSuspend:
        step.b % 2 == 0 ? host.upstream()->Suspend() : host.upstream()->Resume();
        break;
      case ModelStep::Kind::kCopy:
        host.Copied();
        break;
      case ModelStep::Kind::kForgive:
        host.upstream()->CertificateRenewed();
        break;
      default:
        break;  // of a stream
    }
  }

  // What holds after each step.
  void Check() {
    for (ModelLink& link : links_) link.Note();
    for (size_t i = 0; i < servers_.size(); ++i) {
      const ModelServer& server = *servers_[i];
      server.Check();
      uint64_t sent = 0, acknowledged = 0, lost = 0;
      for (const ModelLink& link : links_) {
        if (link.server() != &server) continue;
        sent += link.sent();
        acknowledged += link.acknowledged();
        if (link.ended()) lost += link.sent() - link.acknowledged();
      }
      EXPECT_EQ(server.totals().sent_bytes, sent);
      EXPECT_EQ(server.totals().received_bytes, acknowledged);
      EXPECT_EQ(server.totals().lost_bytes, lost);
      EXPECT_EQ(server.totals().violations, offences_[i]) << "a correct agent was ended";
    }
    for (const auto& host : hosts_) {
      EXPECT_EQ(host->complaint(), "");
    }
    ReadGets();
  }

  const Counts& counts() const { return counts_; }

  void Finish(const std::function<bool()>& failed) {
    Settle(failed);
    if (!failed()) End();
  }

 private:
  // From now on nothing breaks. Ends early when `failed` says so.
  void Settle(const std::function<bool()>& failed) {
    for (const auto& server : servers_) server->Heal();
    for (const auto& host : hosts_) {
      host->upstream()->Resume();
      host->upstream()->CertificateRenewed();
    }
    const auto waiting = [this] {
      return !gets_.empty() || std::any_of(hosts_.begin(), hosts_.end(),
                                           [](const auto& host) { return host->owed() > 0; });
    };
    for (int i = 0; i < 3000 && waiting() && !failed(); ++i) SettleOnce();
    for (const auto& host : hosts_) {
      for (size_t i = 0; i < kModelClasses.size(); ++i) {
        EXPECT_EQ(host->owed(i), 0u) << kModelClasses[i] << " of host " << host->number();
      }
    }
    EXPECT_TRUE(gets_.empty()) << "readers wait";
    // What the agents owe is said within a tenth of a second. Agents that say nothing are gone
    // after 15 s.
    const int64_t until = clock_.NowNanos() + 17 * kSecondNanos;
    while (clock_.NowNanos() < until && !failed()) SettleOnce();
    for (const ModelLink& link : links_) {
      EXPECT_TRUE(link.over() || link.Even()) << "bytes are on no way";
      EXPECT_TRUE(link.over() || !link.severed()) << "a server waits for nobody";
    }
  }

  // All end: nothing is reserved any more, and each byte is somewhere.
  void End() {
    for (const auto& host : hosts_) host->End();
    while (MoveAll(true)) {
    }
    Check();
    uint64_t given = 0, sent = 0, drawn = 0;
    for (const auto& server : servers_) {
      const auto totals = server->totals();
      EXPECT_TRUE(server->protocols().idle());
      EXPECT_EQ(totals.planned_bytes, 0u);
      EXPECT_EQ(totals.in_flight_bytes, 0u);
      EXPECT_EQ(totals.sent_bytes, totals.received_bytes + totals.lost_bytes);
      given += server->given();
      sent += totals.sent_bytes;
      drawn += totals.drawn_bytes;
      counts_.replaced += totals.replacements;
      counts_.lost += totals.lost_bytes;
    }
    counts_.taken = fates_.BytesOf(WordFates::Fate::kTaken);
    counts_.dropped = fates_.BytesOf(WordFates::Fate::kDropped);
    counts_.got = fates_.BytesOf(WordFates::Fate::kGot);
    const uint64_t on_no_way = fates_.BytesOf(WordFates::Fate::kSent);
    const uint64_t stored = fates_.BytesOf(WordFates::Fate::kStored);
    EXPECT_EQ(sent, counts_.taken + counts_.dropped + stored + on_no_way);
    EXPECT_LE(on_no_way, counts_.lost) << "the server does not know what it has lost";
    EXPECT_EQ(drawn, counts_.got);
    // Readers that gave up had been given a part.
    EXPECT_LE(given, sent + drawn + given_up_);
    EXPECT_GE(given, sent + drawn);
    for (const ModelLink& link : links_) counts_.mixed += link.mixed();
  }

  struct Reader {
    FakeOutlet::Record record;
    PendingGet* get = nullptr;
    ModelServer* server = nullptr;
    const FakePool* pool = nullptr;
    uint32_t bytes = 0;
  };

  // One of the newest streams: the old ones are over.
  ModelLink* LinkOf(uint64_t number) {
    std::vector<ModelLink*> alive;
    for (ModelLink& link : links_) {
      if (!link.over()) alive.push_back(&link);
    }
    return alive.empty() ? nullptr : alive[number % alive.size()];
  }

  void DoOnLink(const ModelStep& step, ModelLink* link) {
    switch (step.kind) {
      case ModelStep::Kind::kUp:
        link->Accept() || link->Up();
        break;
      case ModelStep::Kind::kDown:
        link->Down(1 + step.b);
        break;
      case ModelStep::Kind::kWritten:
        link->Written();
        break;
      case ModelStep::Kind::kMove:
        Move(link);
        break;
      case ModelStep::Kind::kBlock:
        link->Leave(step.b % 2 == 1);
        break;
      case ModelStep::Kind::kSever:
        link->Sever();
        break;
      case ModelStep::Kind::kTellAgent:
        link->TellAgent();
        break;
      case ModelStep::Kind::kTellServer:
        if (!link->TellServer()) link->Bury();
        break;
      case ModelStep::Kind::kOffend:
        if (!link->Offend(step.b, step.a)) break;
        ++offences_[link->server() == servers_[1].get()];
        ++counts_.offences;
        break;
      default:
        break;
    }
  }

  static bool Move(ModelLink* link) {
    bool moved = link->Accept();
    while (link->Up() || link->Written() || link->Down(1000)) moved = true;
    return moved;
  }

  // `tell`: servers learn of connections that broke. Else they find out by themselves.
  bool MoveAll(bool tell) {
    bool moved = false;
    for (ModelLink& link : links_) {
      if (link.over()) continue;
      moved |= Move(&link) || link.TellAgent() ||
               ((tell || !link.severed()) && link.TellServer()) || link.Bury();
    }
    return moved;
  }

  void PassTime(int64_t nanos) {
    clock_.AdvanceNanos(nanos);
    for (const auto& server : servers_) server->PassTime(nanos);
  }

  // Agents and servers run only when they are woken, so that a lost wake-up shows.
  void SettleOnce() {
    for (ModelLink& link : links_) {
      if (!link.over()) link.Leave(false);
    }
    bool moved = MoveAll(false);
    for (const auto& host : hosts_) {
      moved |= host->ProcessIfDue();
      for (size_t i = 0; i < kModelClasses.size(); ++i) host->Serve(i);
    }
    Check();
    if (moved) return;
    int64_t next = kNever;
    for (const auto& host : hosts_) next = std::min(next, host->upstream()->next_deadline_nanos());
    for (const auto& server : servers_) next = std::min(next, server->wake_nanos());
    PassTime(std::max<int64_t>(next - clock_.NowNanos(), 1));
  }

  // A reader comes, or one that waits gives up.
  void GetOrGiveUp(ModelServer* server, uint64_t number) {
    if (gets_.size() < 4) {
      gets_.push_back(std::make_unique<Reader>());
      Reader* const reader = gets_.back().get();
      const size_t of_class = number % kModelClasses.size();
      reader->server = server;
      reader->pool = server->PoolOf(of_class);
      reader->bytes = static_cast<uint32_t>((1 + number) * WordFates::kWord);
      reader->get = server->Get(&reader->record, kModelClasses[of_class], reader->bytes);
      return;
    }
    const Reader& reader = *gets_[number % gets_.size()];
    if (!reader.record.done) reader.server->Post(reader.get, PendingGet::kCancelled);
  }

  // Looks at the answers that have come.
  void ReadGets() {
    for (const auto& reader : gets_) {
      if (!reader->record.done) continue;
      if (reader->record.status.ok()) {
        EXPECT_EQ(reader->record.response.data().size(), reader->bytes);
        fates_.Got(reader->pool, reader->record.response.data());
      } else {
        given_up_ += reader->bytes;
      }
      reader->server->Post(reader->get, PendingGet::kDead);
    }
    gets_.erase(std::remove_if(gets_.begin(), gets_.end(),
                               [](const auto& reader) { return reader->record.done; }),
                gets_.end());
  }

  WordFates fates_;
  ManualClock clock_{kSecondNanos};
  FakeNet net_;
  std::vector<std::unique_ptr<ModelServer>> servers_;
  std::deque<ModelLink> links_;
  std::vector<std::unique_ptr<Reader>> gets_;
  std::vector<std::unique_ptr<ModelHost>> hosts_;
  std::array<uint64_t, 2> offences_ = {};
  uint64_t given_up_ = 0;  // bytes that readers had asked for
  Counts counts_;
};

}  // namespace entropyd
