// The world of the model of changing classes: a dispatcher with its protocols, agents and readers
// whose classes get other figures, move, go and come, and a pool that does. Steps happen one at a
// time. Check() says what must hold after each: what each class gave stays within its ceiling in
// every window, nobody is forgotten whom no ceiling holds back, and each agent knows of each of its
// classes what holds now.
//
// Errors: failures of the running test.
//
// Thread safety: none.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/model_runs.h"
#include "tests/server/dispatch/class_reference.h"
#include "tests/server/dispatch/dispatcher_fixture.h"

namespace entropyd {

struct ClassStepKinds {
  enum class Kind {
    kPass,     // b milliseconds pass
    kOpen,     // agent a opens class b
    kCredit,   // agent a gives credit on one of its channels
    kWritten,  // the network takes what agent a is sent
    kClose,    // agent a closes a channel
    kDie,      // agent a goes, and another one comes in its place
    kGet,      // a reader asks for bytes of class b
    kGiveUp,   // a reader gives up
    kFigures,  // the classes get other figures, and none goes or comes
    kClasses,  // the classes are others
    kPool,     // pool `other` comes or goes
    kState,    // a pool suspends, or serves again
  };
  static constexpr std::array<StepKind, 12> kKinds = {{{"pass", 250},
                                                       {"open", 120},
                                                       {"credit", 200},
                                                       {"written", 150},
                                                       {"close", 10},
                                                       {"die", 8},
                                                       {"get", 30},
                                                       {"give_up", 10},
                                                       {"figures", 40},
                                                       {"classes", 40},
                                                       {"pool", 15},
                                                       {"state", 10}}};
  static constexpr uint64_t kMax = 100'000;
};
using ClassStep = StepOf<ClassStepKinds>;

class ClassChangeModel final : public DispatcherFixture {
 public:
  // What happened, so that a test sees that the model is no calm sea.
  struct Counts {
    uint64_t given = 0;  // bytes
    uint64_t changes = 0, closed = 0, held_back = 0, gets_ended = 0, pools = 0;

    void Add(const Counts& other) {
      given += other.given;
      changes += other.changes;
      closed += other.closed;
      held_back += other.held_back;
      gets_ended += other.gets_ended;
      pools += other.pools;
    }
  };

  explicit ClassChangeModel(uint64_t seed) {
    Make({.limits = {.max_credit = kMaxCredit, .max_payload = 16 * 1024},
          .max_in_flight = 96 * 1024});
    agents_.resize(4);
    reference_.Adopt("scarce", {Class("all", "", 1 << 20), Class("key", "all", 1 << 20)});
    ChangeClasses("default", seed * 7919, true);
    for (size_t i = 0; i < agents_.size(); ++i) Come(i);
  }
  void TestBody() override {}

  void Do(const ClassStep& step) {
    Agent& agent = agents_[step.a % agents_.size()];
    switch (step.kind) {
      case ClassStep::Kind::kPass:
        Advance(static_cast<int64_t>(step.b % (step.b % 5 == 0 ? 2000 : 60)) * kMilli);
        break;
      case ClassStep::Kind::kOpen:
        if (agent.next_channel <= kMaxChannels) OpenOne(&agent, NameOf(step.b));
        break;
      case ClassStep::Kind::kCredit:
        CreditOne(&agent, step.b);
        break;
      case ClassStep::Kind::kWritten:
        WriteAll(agent.peer);
        break;
      case ClassStep::Kind::kClose:
        if (!agent.names.empty()) CloseChannel(agent.peer, 1 + step.b % agent.names.size());
        break;
      case ClassStep::Kind::kDie:
        for (const auto& channel : agent.peer->session->channels()) charged_.erase(channel.get());
        Die(agent.peer);
        Come(step.a % agents_.size());
        break;
      case ClassStep::Kind::kGet:
        GetOne(NameOf(step.b), 1 + step.b % 32'000);
        break;
      case ClassStep::Kind::kGiveUp:
        if (!gets_.empty()) GiveUp(step.b % gets_.size());
        break;
      case ClassStep::Kind::kFigures:
        ChangeClasses("default", step.b, false);
        break;
      case ClassStep::Kind::kClasses:
        ChangeClasses(step.a % 4 == 0 && other_ != nullptr ? "other" : "default", step.b, true);
        break;
      case ClassStep::Kind::kPool:
        ChangePool(step.b);
        break;
      case ClassStep::Kind::kState: {
        FakePool* const pool = step.a % 2 == 0 || other_ == nullptr ? &drbg_ : other_.get();
        pool->state.phase =
            step.b % 3 == 0 ? PoolState::Phase::kSuspended : PoolState::Phase::kServing;
        PoolsChanged();
        break;
      }
    }
  }

  // What holds after each step.
  void Check() {
    Charge();
    ExpectBalance();
    ExpectNobodyForgotten();
    for (Agent& agent : agents_) CheckAgent(&agent);
    CheckGets();
  }

  // All pools serve, and the network takes everything: nobody waits in the end.
  void Finish(const std::function<bool()>& failed) {
    drbg_.state.phase = PoolState::Phase::kServing;
    if (other_ != nullptr) other_->state.phase = PoolState::Phase::kServing;
    PoolsChanged();
    for (int i = 0; i < 4000 && Waiting() && !failed(); ++i) {
      for (Agent& agent : agents_) WriteAll(agent.peer);
      Check();
      Advance(100 * kMilli);
      Check();
    }
    EXPECT_FALSE(Waiting());
    for (Agent& agent : agents_) Die(agent.peer);
    while (!gets_.empty()) GiveUp(0);
    EXPECT_TRUE(protocols_->idle());
    EXPECT_EQ(totals().in_flight_bytes, 0u);
    EXPECT_EQ(totals().planned_bytes, 0u);
    EXPECT_EQ(totals().violations, 0u);
    ExpectBalance();
    counts_.given = totals().sent_bytes + totals().drawn_bytes;
  }

  const Counts& counts() const { return counts_; }

 private:
  static constexpr uint64_t kMaxCredit = 32 * 1024;
  static constexpr uint32_t kChunk = 1024;

  struct Agent {
    FakePeer* peer = nullptr;
    std::vector<std::string> names = {};  // by channel, from 1
    uint32_t next_channel = 1;
    size_t read = 0;  // messages
    std::map<uint32_t, v1::ChannelState> told = {};
  };
  struct Reader {
    FakeOutlet::Record record;
    PendingGet* get = nullptr;
    std::string name;
    uint32_t bytes = 0;
  };

  static std::string NameOf(uint64_t number) {
    static constexpr std::array<const char*, 7> kNames = {
        "default/a", "default/b", "default/c", "default/d", "other/x", "other/y", "scarce/key"};
    return kNames[number % kNames.size()];
  }

  // Agents ----------------------------------------------------------------------------------------

  void Come(size_t i) {
    agents_[i] = Agent();
    agents_[i].peer = Greet(absl::StrCat("spiffe://test/", i % 3), static_cast<char>('a' + i));
  }
  void OpenOne(Agent* agent, const std::string& name) {
    for (size_t i = 0; i < agent->names.size(); ++i) {
      // One channel per class, and no second one before CLOSED has come.
      const auto told = agent->told.find(static_cast<uint32_t>(i + 1));
      if (agent->names[i] != name) continue;
      if (told == agent->told.end() || told->second.phase() != v1::PHASE_CLOSED) return;
    }
    agent->names.push_back(name);
    const bool there = reference_.IsLeaf(name);
    Open(agent->peer, agent->next_channel++, name);
    EXPECT_EQ(ChannelOf(*agent, agent->names.size())->phase() == Channel::Phase::kClosed, !there)
        << name;
  }
  void CreditOne(Agent* agent, uint64_t number) {
    if (agent->names.empty()) return;
    const Channel* const channel = ChannelOf(*agent, 1 + number % agent->names.size());
    if (channel->phase() == Channel::Phase::kClosed) return;
    const uint64_t limit =
        std::max(channel->credit().limit(), channel->credit().sent() + number % kMaxCredit);
    Credit(agent->peer, channel->number(), limit, channel->credit().sent(),
           static_cast<uint32_t>(number % 5));
  }
  static const Channel* ChannelOf(const Agent& agent, size_t number) {
    for (const auto& channel : agent.peer->session->channels()) {
      if (channel->number() == number) return channel.get();
    }
    return nullptr;
  }

  // What the agent was told last is what holds, unless a message is still to be taken.
  void CheckAgent(Agent* agent) {
    for (; agent->read < agent->peer->wire.messages.size(); ++agent->read) {
      for (const v1::ChannelState& state : Message(agent->peer, agent->read).head.state()) {
        const auto before = agent->told.find(state.channel());
        if (before != agent->told.end()) {
          EXPECT_NE(before->second.phase(), v1::PHASE_CLOSED) << "CLOSED is the last word";
        }
        agent->told[state.channel()] = state;
        counts_.closed += state.phase() == v1::PHASE_CLOSED;
      }
    }
    Session& session = *agent->peer->session;
    EXPECT_FALSE(session.ended());
    if (session.outbox()->outstanding()) return;
    for (const auto& channel : session.channels()) {
      const v1::ChannelState& told = agent->told[channel->number()];
      EXPECT_EQ(told.phase(), ToWire(channel->phase())) << channel->name();
      if (channel->phase() == Channel::Phase::kClosed) continue;
      ASSERT_TRUE(reference_.IsLeaf(channel->name()))
          << channel->name() << " is open, and there is none";
      EXPECT_EQ(told.rate(), reference_.RateOf(channel->name())) << channel->name();
      EXPECT_EQ(told.ceil(), reference_.LowestCeil(channel->name())) << channel->name();
      EXPECT_EQ(SharedOf(told), reference_.Above(channel->name())) << channel->name();
    }
  }

  // Readers ---------------------------------------------------------------------------------------

  void GetOne(const std::string& name, uint64_t bytes) {
    if (gets_.size() >= 4) return;
    gets_.push_back(std::make_unique<Reader>());
    Reader* const reader = gets_.back().get();
    reader->name = name;
    reader->bytes = static_cast<uint32_t>(bytes);
    reader->get = Get(&reader->record, name, reader->bytes);
  }
  void GiveUp(size_t i) {
    charged_.erase(gets_[i]->get);
    if (!gets_[i]->record.done) Post(gets_[i]->get, PendingGet::kCancelled);
    Post(gets_[i]->get, PendingGet::kDead);
    gets_.erase(gets_.begin() + static_cast<std::ptrdiff_t>(i));
  }
  void CheckGets() {
    for (size_t i = gets_.size(); i-- > 0;) {
      const Reader& reader = *gets_[i];
      if (!reader.record.done) {
        EXPECT_TRUE(reference_.IsLeaf(reader.name))
            << "a Get waits in " << reader.name << ", and none is there";
        continue;
      }
      if (reader.record.status.ok()) {
        EXPECT_EQ(reader.record.response.data().size(), reader.bytes);
      } else {
        counts_.gets_ended += absl::IsNotFound(reader.record.status);
      }
      GiveUp(i);
    }
  }
  bool Waiting() const {
    if (!gets_.empty()) return true;
    return std::any_of(agents_.begin(), agents_.end(), [](const Agent& agent) {
      const auto& channels = agent.peer->session->channels();
      return std::any_of(channels.begin(), channels.end(), [](const auto& channel) {
        return channel->phase() != Channel::Phase::kClosed &&
               channel->credit().limit() > channel->credit().sent();
      });
    });
  }

  // Classes ---------------------------------------------------------------------------------------

  // The ceilings above a class, as the agent was told.
  using Shared = ClassReference::Ceilings;
  static Shared SharedOf(const v1::ChannelState& told) {
    Shared shared;
    for (const v1::Ceiling& above : told.above()) {
      shared.emplace_back(above.class_(), above.ceil());
    }
    return shared;
  }

  static void Cap(ClassTree::ClassSpec* spec, std::mt19937_64* random) {
    spec->ceil = spec->rate * (1 + (*random)() % 3);
    // 10 ms at the ceiling at least.
    spec->cburst = std::max<uint64_t>(4 * kChunk, spec->ceil / 64) + ((*random)() % 30 << 10);
  }
  // A class with figures of its own, from the bits of `random`.
  static ClassTree::ClassSpec Random(const std::string& name, const std::string& parent,
                                     std::mt19937_64* random) {
    ClassTree::ClassSpec spec = Class(name, parent, (16 + (*random)() % 200) << 10);
    if ((*random)() % 3 > 0) Cap(&spec, random);
    spec.prio = static_cast<uint32_t>((*random)() % 3);
    return spec;
  }
  // The classes of a pool. `others`: which there are, and where, is new, too.
  std::vector<ClassTree::ClassSpec> Specs(const std::string& pool, uint64_t seed, bool others) {
    std::mt19937_64 random(seed);
    if (others) shapes_[pool] = random();
    std::mt19937_64 shape(shapes_[pool]);
    const std::vector<std::string> names = pool == "other"
                                               ? std::vector<std::string>{"x", "y"}
                                               : std::vector<std::string>{"a", "b", "c", "d"};
    std::vector<ClassTree::ClassSpec> specs = {Class("root", "", 0)};
    std::vector<ClassTree::ClassSpec> leaves;
    std::string parent = "root";
    for (const std::string& name : names) {
      if (shape() % 5 == 0 && name != names.back()) continue;
      // Some are below `mid`, and now and then one is below the one before.
      if (shape() % 3 == 0) parent = parent == "root" ? "mid" : "root";
      const bool deep = shape() % 8 == 0 && !leaves.empty();
      leaves.push_back(Random(name, deep ? leaves.back().name : parent, &random));
    }
    const auto in = [&leaves](const std::string& name) {
      return std::any_of(leaves.begin(), leaves.end(),
                         [&name](const auto& spec) { return spec.parent == name; });
    };
    if (in("mid")) specs.push_back(Class("mid", "root", 0));
    for (ClassTree::ClassSpec& spec : leaves) {
      if (in(spec.name)) spec = Class(spec.name, spec.parent, 0);
    }
    specs.insert(specs.end(), leaves.begin(), leaves.end());
    // From the leaves up: what is guaranteed below, and a ceiling that lets it through.
    std::map<std::string, uint64_t> below;
    for (size_t i = specs.size(); i-- > 0;) {
      ClassTree::ClassSpec& spec = specs[i];
      if (spec.rate == 0) {
        spec.rate = below[spec.name];
        if (random() % 2 == 0) Cap(&spec, &random);
      }
      below[spec.parent] += spec.rate;
    }
    return specs;
  }

  void ChangeClasses(const std::string& pool, uint64_t seed, bool others) {
    const std::vector<ClassTree::ClassSpec> specs = Specs(pool, seed, others);
    reference_.Adopt(pool, specs);
    ++counts_.changes;
    absl::Status status = absl::UnknownError("it did not run");
    PoolsChange change;
    ClassesChange classes;
    classes.update = {pool, specs, {}};
    if (seed % 2 == 0) classes.weigh_guests = {"a", "c"};
    change.changed = {classes};
    change.order = Order();
    Post(new Command([&](int64_t now) {
           status = others ? dispatcher_->ChangePools(std::move(change), now)
                           : dispatcher_->UpdateClasses(classes.update, now);
         }),
         1);
    EXPECT_TRUE(status.ok()) << status;
  }
  std::vector<std::string> Order() const {
    std::vector<std::string> order = {"default", "scarce"};
    if (other_ != nullptr) order.push_back("other");
    return order;
  }

  // Pool `other` comes or goes. Nobody reads one that has gone.
  void ChangePool(uint64_t seed) {
    PoolsChange change;
    std::unique_ptr<FakePool> gone;
    if (other_ != nullptr) {
      gone = std::move(other_);
      gone->on_read = [] { ADD_FAILURE() << "a pool is read that was removed"; };
      change.removed = {"other"};
      reference_.Adopt("other", {});
    } else {
      other_ = std::make_unique<FakePool>("other");
      const std::vector<ClassTree::ClassSpec> specs = Specs("other", seed, true);
      reference_.Adopt("other", specs);
      change.added.push_back(Setup(other_.get(), kChunk, specs));
      for (PoolSetup::LeafSetup& leaf : change.added[0].leaves) {
        const uint64_t lowest = reference_.LowestCeil(leaf.name);
        leaf.ceil = lowest == 0 ? ClassTree::kUnlimited : lowest;
        for (const auto& [name, ceil] : reference_.Above(leaf.name)) {
          leaf.above.push_back({name, ceil});
        }
      }
    }
    ++counts_.pools;
    change.order = Order();
    absl::Status status = absl::UnknownError("it did not run");
    Post(new Command(
             [&](int64_t now) { status = dispatcher_->ChangePools(std::move(change), now); }),
         1);
    EXPECT_TRUE(status.ok()) << status;
  }

  // Ceilings --------------------------------------------------------------------------------------

  // What claimants were granted since the last call counts in their class and all above it.
  void Charge() {
    reference_.Refill();
    std::set<const Claimant*> waiting;
    for (const Agent& agent : agents_) {
      for (const auto& channel : agent.peer->session->channels()) {
        if (channel->leaf() == nullptr) continue;
        waiting.insert(channel.get());
        ChargeOne(channel.get(), channel->name(), channel->credit().sent() + channel->planned());
      }
    }
    for (const auto& reader : gets_) {
      const bool in = !reader->record.done && reader->get->leaf() != nullptr;
      if (!in && !(reader->record.done && reader->record.status.ok())) continue;
      waiting.insert(reader->get);
      ChargeOne(reader->get, reader->name, reader->bytes - (in ? reader->get->wanted() : 0));
    }
    for (const Claimant* claimant : waiting) CheckHeldBack(claimant);
  }
  void ChargeOne(const Claimant* claimant, const std::string& name, uint64_t granted) {
    uint64_t& before = charged_[claimant];
    const uint64_t bytes = granted - std::min(granted, before);
    before = granted;
    if (bytes > 0) reference_.Charge(name, bytes);
  }
  // A claimant that could take bytes, of a pool that has them, waits for a ceiling above it.
  void CheckHeldBack(const Claimant* claimant) {
    if (claimant->leaf() == nullptr || claimant->parked() || claimant->wanted() == 0) return;
    const PoolSlot& slot = *claimant->leaf()->slot;
    if (!slot.state.ready() || slot.stopped || slot.pool == &full_) return;
    EXPECT_TRUE(reference_.HeldBack(claimant->leaf()->name, kChunk))
        << "somebody is forgotten in " << claimant->leaf()->name;
    ++counts_.held_back;
  }

  std::vector<Agent> agents_;
  std::vector<std::unique_ptr<Reader>> gets_;
  std::unique_ptr<FakePool> other_;
  ClassReference reference_{&clock_};
  std::map<std::string, uint64_t> shapes_;
  // What each claimant had been granted at the last look.
  std::map<const Claimant*, uint64_t> charged_;
  Counts counts_;
};

}  // namespace entropyd
