// The upstream against servers that delay, drain, close, suspend, die and cheat at random. After
// each step the test checks what must always hold. In the end everybody gets what they wait for.
#include <fcntl.h>
#include <poll.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/process/fd.h"
#include "base/process/nanos.h"
#include "gtest/gtest.h"
#include "hostagent/upstream/upstream.h"
#include "tests/hostagent/fake_filled_class.h"
#include "tests/hostagent/fake_server.h"

namespace entropyd {
namespace {

constexpr size_t kSize = 16 * 1024;
constexpr size_t kWord =
    8;  // bytes come and go in whole numbers of this size, so that each number shows

// What one server knows of one stream. It sees messages late, and sends what its credit allows.
struct ServerSide {
  struct Channel {
    uint64_t limit = 0;
    uint64_t sent = 0;
    uint64_t received = 0;
    bool closed = false;
  };
  std::shared_ptr<FakeWire> wire;
  std::map<uint32_t, Channel> channels;
  std::map<uint32_t, std::string> classes;
  bool welcomed = false;
  bool draining = false;
  bool cheated = false;   // from here on nothing from it may be used
  bool promises = false;  // heartbeats
  int64_t beat_at = 0;    // the last one
};

class Model {
 public:
  Model(uint32_t seed, bool hostile) : random_(seed), hostile_(hostile) {
    arena_ =
        SecretArena::Create(4 * ClassBuffer::ArenaBytes(kSize), SecretArena::Locking::kBestEffort)
            .value();
    for (const char* name : {"default/gold", "default/bulk", "full/keys"}) {
      ClassBuffer::Options options;
      options.class_name = name;
      options.size = kSize;
      options.max_age_nanos = 20'000'000'000;
      buffers_.push_back(ClassBuffer::Create(options, arena_.get(), &clock_).value());
      owed_.push_back(0);
    }
    Upstream::Options options;
    options.servers = {"a:1", "b:1", "c:1"};
    options.host_id = std::string(16, 'h');
    options.dial = [this](const std::string& server, std::function<void()> wake) {
      auto stream = net_.Dial(server, std::move(wake));
      servers_.emplace_back();
      servers_.back().wire = net_.wires.back();
      return stream;
    };
    options.uniform = [this] { return std::uniform_real_distribution<double>(0, 1)(random_); };
    std::vector<FilledClass*> pointers;
    for (size_t i = 0; i < buffers_.size(); ++i) {
      classes_.push_back(std::make_unique<FakeFilledClass>(buffers_[i].get()));
      classes_.back()->on_arrival = [this, i] { Serve(i); };
      pointers.push_back(classes_.back().get());
    }
    upstream_ = Upstream::Create(options, pointers, &clock_, &log_, &metrics_).value();
  }

  void Step() {
    switch (Below(12)) {
      case 0:
        Ask(Below(buffers_.size()));
        break;
      case 1:
        Serve(Below(buffers_.size()));
        break;
      case 2:
      case 3:
      case 4:
        ServeServers();
        break;
      case 5:
        clock_.Advance(absl::Milliseconds(Below(20)));
        break;
      case 6:
        if (Below(20) == 0) clock_.Advance(absl::Seconds(Below(40)));
        break;
      case 7:
        if (ServerSide* s = AnyAlive()) s->wire->blocked = Below(3) == 0;
        break;
      case 8:
        if (ServerSide* s = AnyAlive(); s && s->wire->unsent > 0) s->wire->Unblock();
        break;
      case 9:
        Trouble();
        break;
      default:
        Process();
        break;
    }
    CheckRoom();
    CheckNothingLiesUnread();
  }

  // From now on servers are honest and quick: nobody may wait for ever. The agent runs only when it
  // was woken or when its deadline has come, so that a wake-up that was lost shows.
  void Settle() {
    hostile_ = false;
    for (int i = 0; i < 4000 && Waiting(); ++i) {
      for (ServerSide& s : servers_) {
        if (s.wire->alive() && s.wire->unsent > 0) s.wire->Unblock();
        s.wire->blocked = false;
      }
      ServeServers();
      for (size_t c = 0; c < owed_.size(); ++c) {
        if (owed_[c] > 0 && buffers_[c]->level() > 0) Serve(c);  // guests take what is there
      }
      if (!Awake()) {
        const int64_t next = upstream_->next_deadline_nanos();
        ASSERT_TRUE(next != kNever || !Waiting() || OnItsWay())
            << "guests wait, and nothing will wake the agent";
        if (next == kNever) continue;
        if (next > clock_.NowNanos()) clock_.AdvanceNanos(next - clock_.NowNanos());
      }
      Process();
      ASSERT_TRUE(Awake() || upstream_->next_deadline_nanos() > clock_.NowNanos())
          << "the loop would spin";
      CheckRoom();
      CheckNothingLiesUnread();
      CheckNobodyWaitsInVain();
      if (testing::Test::HasFatalFailure()) return;
    }
    for (size_t i = 0; i < owed_.size(); ++i) EXPECT_EQ(owed_[i], 0u) << "class " << i;
  }

  uint64_t taken() const { return taken_.size(); }
  uint64_t offences() const { return offences_; }

 private:
  // As in the agent, the classes let their bytes age once a second.
  void Process() {
    if (clock_.NowNanos() >= tick_at_) {
      tick_at_ = clock_.NowNanos() + kSecondNanos;
      for (auto& buffer : buffers_) buffer->Tick();
    }
    upstream_->Process();
  }
  bool Awake() const {
    pollfd p = {upstream_->wake_fd(), POLLIN, 0};
    return poll(&p, 1, 0) == 1;
  }
  uint64_t Below(uint64_t n) { return random_() % n; }

  bool Waiting() const {
    return std::any_of(owed_.begin(), owed_.end(), [](uint64_t owed) { return owed > 0; });
  }

  // A server has not read yet what the agent sent.
  bool OnItsWay() const {
    return std::any_of(servers_.begin(), servers_.end(), [](const ServerSide& s) {
      return s.wire->alive() && s.wire->read < s.wire->sent.size();
    });
  }

  ServerSide* AnyAlive() {
    std::vector<ServerSide*> alive;
    for (ServerSide& s : servers_) {
      if (s.wire->alive()) alive.push_back(&s);
    }
    return alive.empty() ? nullptr : alive[Below(alive.size())];
  }

  void Ask(size_t i) {
    owed_[i] += kWord * Below(Below(8) == 0 ? 4096 : 32);
    classes_[i]->Want({1, owed_[i]});
  }

  // Guests take the bytes that are there and that they wait for. No number may come twice.
  void Serve(size_t i) {
    const size_t n = std::min<uint64_t>(owed_[i], buffers_[i]->level()) / kWord * kWord;
    std::vector<uint8_t> out(n);
    ASSERT_EQ(buffers_[i]->Take(absl::MakeSpan(out)), n);
    for (size_t at = 0; at < n; at += kWord) {
      uint64_t number = 0;
      std::memcpy(&number, &out[at], kWord);
      ASSERT_TRUE(taken_.insert(number).second) << number << " was delivered twice";
    }
    owed_[i] -= n;
    classes_[i]->Want({1, owed_[i]});
  }

  std::string Numbers(size_t bytes) {
    std::string out(bytes, 0);
    for (size_t at = 0; at < bytes; at += kWord, ++next_number_) {
      std::memcpy(&out[at], &next_number_, kWord);
    }
    return out;
  }

  void ServeServers() {
    for (ServerSide& s : servers_) {
      if (!s.wire->alive() || s.cheated) continue;
      ReadSome(&s);
      for (auto& [number, channel] : s.channels) SendSome(&s, number, &channel);
      Beat(&s);
      if (s.wire->half_closed) s.wire->End(absl::OkStatus());
    }
  }

  // Now and then a heartbeat comes too late.
  void Beat(ServerSide* s) {
    if (!s->promises || !s->wire->alive() || (hostile_ && Below(4) == 0)) return;
    if (clock_.NowNanos() - s->beat_at < 2 * kSecondNanos) return;
    s->beat_at = clock_.NowNanos();
    s->wire->Heartbeat();
  }

  // Messages that are still unsent have not reached the server.
  void ReadSome(ServerSide* s) {
    const size_t arrived = s->wire->sent.size() - s->wire->unsent;
    while (s->wire->read < arrived && s->wire->alive()) {
      const v1::AgentMessage& message = s->wire->sent[s->wire->read++];
      if (!s->welcomed) {
        ASSERT_TRUE(message.has_hello());
        s->welcomed = true;
        s->promises = Below(2) == 0;
        s->wire->Welcome(Below(4) == 0 ? 4096 : 1 << 20, {}, s->promises ? 3000 : 0);
      } else if (message.has_open()) {
        const uint32_t number = message.open().channel();
        ASSERT_TRUE(s->channels.emplace(number, ServerSide::Channel()).second);
        s->classes[number] = message.open().class_();
        Say(s, number, hostile_ && Below(8) == 0 ? v1::PHASE_CLOSED : v1::PHASE_OPEN);
      } else if (message.has_close()) {
        Say(s, message.close().channel(), v1::PHASE_CLOSED);
      } else {
        for (const v1::Line& line : message.credit().line()) Credit(s, line);
      }
    }
  }

  void Credit(ServerSide* s, const v1::Line& line) {
    ServerSide::Channel& channel = s->channels.at(line.channel());
    // What the protocol asks of an agent: both fields never fall, received <= sent.
    ASSERT_GE(line.limit(), channel.limit);
    ASSERT_GE(line.received(), channel.received);
    ASSERT_LE(line.received(), channel.sent);
    ASSERT_LE(line.limit() - line.received(), kSize);
    channel.limit = line.limit();
    channel.received = line.received();
  }

  void Say(ServerSide* s, uint32_t number, v1::Phase phase) {
    if (phase == v1::PHASE_CLOSED) s->channels[number].closed = true;
    s->wire->State(number, phase, phase == v1::PHASE_CLOSED ? 5 : 0, hostile_ && Below(50) == 0);
  }

  void SendSome(ServerSide* s, uint32_t number, ServerSide::Channel* channel) {
    if (channel->closed || !s->wire->alive() || (hostile_ && Below(3) == 0)) return;
    uint64_t n = std::min<uint64_t>(channel->limit - channel->sent, 32 * 1024);
    if (hostile_) n = Below(n + 1);
    n = n / kWord * kWord;
    if (n == 0) return;
    s->wire->Grant(number, channel->sent, Numbers(n));
    channel->sent += n;
  }

  void Trouble() {
    ServerSide* s = AnyAlive();
    if (!hostile_ || s == nullptr || !s->welcomed || Below(10) != 0) return;
    const uint32_t number = s->channels.empty() ? 0 : s->channels.begin()->first;
    switch (Below(7)) {
      case 0:
        s->wire->End(absl::UnavailableError("died"));
        break;
      case 1:
        if (!s->draining) s->wire->Drain(Below(30'000));
        s->draining = true;
        break;
      case 2:
        if (number != 0 && !s->channels[number].closed) Say(s, number, v1::PHASE_SUSPENDED);
        break;
      case 3:
        if (number != 0 && !s->channels[number].closed) Say(s, number, v1::PHASE_CLOSED);
        break;
      case 4:
        Cheat(s, number, s->channels[number].sent, kSize + kWord);
        break;  // excess
      case 5:
        Cheat(s, number, s->channels[number].sent + kWord, kWord);
        break;  // gap
      case 6:
        ++s->wire->next_seq;
        Cheat(s, number, s->channels[number].sent, kWord);
        break;
    }
  }

  void Cheat(ServerSide* s, uint32_t number, uint64_t offset, size_t bytes) {
    ++offences_;
    s->cheated = true;
    s->wire->Grant(number, offset, std::string(bytes, '\xff'));
    Process();
    Process();
  }

  // All that honest servers may still send, or have sent, must find room.
  void CheckRoom() {
    for (size_t i = 0; i < buffers_.size(); ++i) {
      uint64_t coming = 0;
      for (ServerSide& s : servers_) {
        if (s.wire->destroyed || s.wire->cancelled || s.cheated) continue;
        for (const auto& [message, bytes] : s.wire->inbox) {
          for (const GrantView& grant : message.grants) {
            if (s.classes[grant.channel] == buffers_[i]->class_name()) coming += grant.bytes;
          }
        }
        if (s.wire->end.has_value()) continue;
        for (auto& [number, channel] : s.channels) {
          if (s.classes[number] == buffers_[i]->class_name() && !channel.closed) {
            coming += channel.limit - channel.sent;
          }
        }
      }
      ASSERT_LE(buffers_[i]->level() + coming, buffers_[i]->size());
    }
  }

  // What has come and was not handled yet keeps the agent awake.
  void CheckNothingLiesUnread() {
    for (const ServerSide& s : servers_) {
      ASSERT_TRUE(s.wire->destroyed || s.wire->inbox.empty() || Awake())
          << s.wire->inbox.size() << " messages of " << s.wire->server << " lie unread";
    }
  }

  // low and limit = received  =>  a Credit is under way.
  void CheckNobodyWaitsInVain() {
    if (!upstream_->connected()) return;
    v1::GetStatusResponse status;
    upstream_->FillStatus(&status);
    for (ServerSide& s : servers_) {
      if (!s.wire->alive() || s.wire->server != status.server() || s.wire->unsent > 0) continue;
      if (!s.wire->inbox.empty() || s.draining) continue;
      for (size_t i = 0; i < buffers_.size(); ++i) {
        const uint32_t number = s.wire->ChannelOf(buffers_[i]->class_name());
        if (number == 0 || s.channels.count(number) == 0 || s.channels[number].closed) continue;
        if (buffers_[i]->target() == 0 || buffers_[i]->level() > buffers_[i]->target() / 2)
          continue;
        const v1::Line* line = s.wire->LastLine(number);
        if (SomebodyElseHolds(&s, i)) continue;
        ASSERT_TRUE(line != nullptr && line->limit() > s.channels[number].sent)
            << "class " << i << " waits, and so does " << s.wire->server;
      }
    }
  }

  bool SomebodyElseHolds(const ServerSide* but, size_t i) {
    for (ServerSide& s : servers_) {
      if (&s == but || !s.wire->alive()) continue;
      for (auto& [number, channel] : s.channels) {
        if (s.classes[number] == buffers_[i]->class_name()) return true;
      }
    }
    return false;
  }

  std::mt19937 random_;
  bool hostile_;
  ManualClock clock_{1'000'000'000'000};
  UniqueFd null_{open("/dev/null", O_WRONLY | O_CLOEXEC)};
  Log log_{&clock_, null_.get()};
  Metrics metrics_;
  FakeNet net_;
  std::deque<ServerSide> servers_;
  std::unique_ptr<SecretArena> arena_;
  std::vector<std::unique_ptr<ClassBuffer>> buffers_;
  std::vector<std::unique_ptr<FakeFilledClass>> classes_;
  std::vector<uint64_t> owed_;
  std::set<uint64_t> taken_;
  uint64_t next_number_ = 1;
  uint64_t offences_ = 0;
  std::unique_ptr<Upstream> upstream_;
  int64_t tick_at_ = 0;
};

TEST(UpstreamModelTest, RoomIsNeverPromisedTwiceAndEverybodyIsServedInTheEnd) {
  uint64_t taken = 0;
  uint64_t offences = 0;
  for (uint32_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    Model model(seed, /*hostile=*/true);
    for (int i = 0; i < 3000; ++i) {
      model.Step();
      if (testing::Test::HasFatalFailure()) return;
    }
    model.Settle();
    if (testing::Test::HasFailure()) return;
    taken += model.taken();
    offences += model.offences();
  }
  // There really was a storm, and bytes got through it.
  EXPECT_GT(offences, 100u);
  EXPECT_GT(taken, 100'000u);
}

}  // namespace
}  // namespace entropyd
