// One input = what happens to one connection: commands in pieces, entropy that arrives, passes of
// the fair queue, full sockets, handovers, hang-ups. See README.md.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/wire/egd.h"
#include "hostagent/guest/egd_session.h"
#include "proto/agent_handover.pb.h"
#include "tests/fuzz/check.h"

namespace entropyd {
namespace {

using Bytes = std::vector<uint8_t>;

constexpr int64_t kPid = 4711;
constexpr size_t kMax = 128;  // runs
constexpr size_t kStaging = 4096;

// What the class gives: each byte tells its position.
struct Entropy {
  static uint8_t At(uint64_t position) { return static_cast<uint8_t>(position * 131 + 7); }
  size_t Take(absl::Span<uint8_t> out) {
    const size_t n = std::min(out.size(), level);
    for (size_t i = 0; i < n; ++i) out[i] = At(given + i);
    given += n;
    level -= n;
    return n;
  }
  size_t level = 0;
  uint64_t given = 0;
};

// A second implementation of the protocol: reads what a client sends and what it gets, a byte at a
// time, and knows what each byte of a reply must be.
class Client {
 public:
  void Sends(uint8_t byte) {
    if (data_left_ > 0) {
      --data_left_;
      return;
    }
    half_.push_back(byte);
    const uint8_t type = half_[0];
    if (half_.size() < (type == 3 ? 4u : type == 1 || type == 2 ? 2u : 1u)) return;
    ++commands_;
    if (type == 3) {
      data_left_ = half_[3];
    } else {
      asked_.push_back({type, half_.back()});
    }
    half_.clear();
  }
  bool Knows(uint8_t byte) const { return data_left_ > 0 || !half_.empty() || byte <= 4; }

  void Gets(uint8_t byte) {
    if (left_ == 0) Begin();
    switch (now_.type) {
      case 0:
        break;
      case 1:
        if (!told_) {
          FUZZ_CHECK(byte <= now_.bytes);
          told_ = true;
          left_ = size_t{1} + byte;
          break;
        }
        [[fallthrough]];
      case 2:
        FUZZ_CHECK(byte == Entropy::At(next_++));
        break;
      default:
        FUZZ_CHECK(byte == static_cast<uint8_t>(pid_[pid_.size() - left_]));
    }
    --left_;
  }
  // The bytes that are on their way are lost. The next ones are from here.
  void GoesOnFrom(uint64_t position) { next_ = position; }
  // All that was asked is answered.
  void CheckServed() {
    while (left_ == 0 && !asked_.empty() && asked_.front().type == 2 && asked_.front().bytes == 0) {
      asked_.pop_front();
    }
    FUZZ_CHECK(left_ == 0 && asked_.empty());
  }
  uint64_t commands() const { return commands_; }

 private:
  struct Asked {
    uint8_t type;
    uint8_t bytes;
  };

  void Begin() {
    do {
      FUZZ_CHECK(!asked_.empty());
      now_ = asked_.front();
      asked_.pop_front();
    } while (now_.type == 2 && now_.bytes == 0);
    told_ = false;
    left_ = now_.type == 0 ? 4 : now_.type == 1 ? 1 : now_.type == 2 ? now_.bytes : pid_.size();
  }

  const std::string pid_ = egd::EncodePid(kPid);
  Bytes half_;
  size_t data_left_ = 0;
  std::deque<Asked> asked_;
  Asked now_{};
  bool told_ = false;
  // Of the reply that has begun; of a 0x01 one more than what was told.
  size_t left_ = 0;
  uint64_t next_ = 0;
  uint64_t commands_ = 0;
};

class Connection {
 public:
  explicit Connection(Entropy* entropy) : entropy_(entropy), began_(entropy->given) {
    client_.GoesOnFrom(began_);
  }

  // Returns how many bytes it took. Ends it at an unknown command.
  size_t Input(absl::Span<const uint8_t> bytes) {
    const size_t room = session_->Room(kMax);
    bytes = bytes.first(std::min(bytes.size(), room));
    bool known = true;
    for (size_t i = 0; i < bytes.size() && known; ++i) {
      known = client_.Knows(bytes[i]);
      if (known) client_.Sends(bytes[i]);
    }
    const EgdSession::Input input = session_->OnInput(bytes, ++now_, kMax);
    FUZZ_CHECK((input == EgdSession::Input::kOk) == known);
    FUZZ_CHECK(session_->commands_total() == client_.commands());
    FUZZ_CHECK(session_->runs() <= session_->capacity());
    FUZZ_CHECK(session_->capacity() <= most_);
    ended_ = !known;
    return bytes.size();
  }

  // A pass of the fair queue, after which the socket takes `taken` bytes.
  void Pass(size_t granted, size_t room, bool settle, size_t taken) {
    if (!unsent_.empty()) return;
    const uint64_t want = session_->Want();
    session_->Grant(static_cast<uint32_t>(std::min<uint64_t>(want, granted)));
    Bytes staged(EgdSession::kMinRoom + room);
    std::vector<int64_t> completed;
    replies_.clear();
    const auto take = [this](absl::Span<uint8_t> out) { return entropy_->Take(out); };
    const auto available = [this] { return entropy_->level; };
    staged.resize(
        session_->Fill(absl::MakeSpan(staged), {take, available, settle}, &completed, &replies_));
    session_->Forfeit();
    size_t told = 0;
    for (const StagedReply& reply : replies_) told += reply.bytes;
    FUZZ_CHECK(told == staged.size() && replies_.size() <= EgdSession::kMaxReplies + 1);
    FUZZ_CHECK(session_->taken() == entropy_->given - began_);
    unsent_ = std::move(staged);
    sent_ = 0;
    Drain(taken);
  }

  // The socket takes some of what it had refused.
  void Drain(size_t bytes) {
    const size_t n = std::min(bytes, unsent_.size() - sent_);
    for (size_t i = 0; i < n; ++i) client_.Gets(unsent_[sent_ + i]);
    sent_ += n;
    if (sent_ == unsent_.size()) ForgetUnsent();
  }

  void HandOver() {
    Unsent unsent;
    absl::Span<const StagedReply> replies = replies_;
    size_t sent = sent_;
    while (!unsent_.empty() && !replies.empty() && sent >= replies.front().bytes) {
      sent -= replies.front().bytes;
      replies.remove_prefix(1);
    }
    if (!unsent_.empty()) {
      unsent = {replies, static_cast<uint32_t>(sent), absl::MakeSpan(unsent_).subspan(sent_)};
    }
    handover::v1::Session saved;
    session_->Save(unsent, ++now_, &saved);
    handover::v1::Session came;
    FUZZ_CHECK(came.ParseFromString(saved.SerializeAsString()));
    session_ = std::make_unique<EgdSession>(kPid);
    FUZZ_CHECK(session_->Restore(came, now_).ok());
    most_ = std::max(kMax, session_->capacity());
    ForgetUnsent();
    client_.GoesOnFrom(entropy_->given);
  }

  // Everybody is well: all that was asked is answered.
  void Settle() {
    Drain(SIZE_MAX);
    for (int passes = 0; !session_->idle(); ++passes) {
      FUZZ_CHECK(passes < 10'000);
      entropy_->level = kStaging;
      Pass(SIZE_MAX, kStaging, /*settle=*/true, SIZE_MAX);
    }
    client_.CheckServed();
    FUZZ_CHECK(session_->owed() == 0 && session_->runs() == 0);
  }

  bool ended() const { return ended_; }

 private:
  void ForgetUnsent() {
    unsent_.clear();
    sent_ = 0;
  }

  Entropy* const entropy_;
  const uint64_t began_;
  std::unique_ptr<EgdSession> session_ = std::make_unique<EgdSession>(kPid);
  Client client_;
  int64_t now_ = 1;
  size_t most_ = kMax;
  // Staged, and not all sent. `replies_` says what it is.
  Bytes unsent_;
  size_t sent_ = 0;
  std::vector<StagedReply> replies_;
  bool ended_ = false;
};

void Play(absl::Span<const uint8_t> steps) {
  Entropy entropy;
  auto connection = std::make_unique<Connection>(&entropy);
  while (steps.size() >= 2) {
    const uint8_t step = steps[0], much = steps[1];
    steps.remove_prefix(2);
    switch (step % 8) {
      case 0:
      case 1:
        steps.remove_prefix(connection->Input(steps.first(std::min<size_t>(steps.size(), much))));
        break;
      case 2:
        entropy.level += much;
        break;
      case 3:
        connection->Pass(much, size_t{8} * step, step & 0x80, SIZE_MAX);
        break;
      case 4:
        connection->Pass(SIZE_MAX, kStaging, step & 0x80, much);
        break;
      case 5:
        connection->Drain(much);
        break;
      case 6:
        connection->HandOver();
        break;
      default:
        if (step & 0x80) connection->Settle();
        connection = std::make_unique<Connection>(&entropy);
    }
    if (connection->ended()) connection = std::make_unique<Connection>(&entropy);
  }
  connection->Settle();
}

}  // namespace
}  // namespace entropyd

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  entropyd::Play({data, size});
  return 0;
}
