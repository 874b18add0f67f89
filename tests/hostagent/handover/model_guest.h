// Guests of the model of an agent, and the ledger of what they get. A guest checks that its replies
// have the shape that its commands ask for (base/wire/egd.h). The ledger knows each byte that was
// ever given to an agent process, and says of each byte of a reply which one it is: nobody has it
// twice, each guest has those of one buffer in their order, and none is of a class or of a process
// that cannot have given it.
//
// Errors: failures of the running test.
//
// Thread safety: none.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "gtest/gtest.h"
#include "tests/hostagent/client.h"

namespace entropyd {

// What came to one class of one process.
struct GivenStream {
  size_t class_index = 0;
  size_t generation = 0;
  uint64_t salt = 0;
  uint64_t bytes = 0;
  // What somebody has: where it begins, and where it ends.
  std::map<uint64_t, uint64_t> had = {};

  // Eight bytes of it. No other eight of any stream are the same.
  uint64_t WordAt(uint64_t number) const { return (number + 1) * kOdd ^ salt; }
  uint64_t NumberOf(uint64_t word) const { return (word ^ salt) * kInverse - 1; }
  uint8_t ByteAt(uint64_t place) const {
    return static_cast<uint8_t>(WordAt(place / 8) >> (8 * (place % 8)));
  }
  Bytes Next(size_t count) {
    Bytes out(count);
    for (uint8_t& byte : out) byte = ByteAt(bytes++);
    return out;
  }

 private:
  static constexpr uint64_t kOdd = 0x9e3779b97f4a7c15;
  static constexpr uint64_t kInverse = 0xf1de83e19937733d;
};

class ModelGuest {
 public:
  ModelGuest(Client client, uint64_t id, size_t door)
      : client_(std::move(client)), id_(id), door_(door) {}

  // It sends a command; a half one first when `half`.
  void Ask(uint8_t type, uint8_t bytes, bool half) {
    if (!sends()) return;
    if (half_command_) client_.Send({half_bytes_});
    half_command_ = false;
    // There is no reply to a read of nothing that waits.
    if (type != 0x02 || bytes > 0) expected_.push_back({type, bytes});
    const bool two = type == 0x01 || type == 0x02;
    if (two && half) {
      client_.Send({type});
      half_bytes_ = bytes;
      half_is_expected_ = type != 0x02 || bytes > 0;
      half_command_ = true;
    } else if (two) {
      client_.Send({type, bytes});
    } else {
      client_.Send({type});
    }
  }
  void Receive(size_t at_most) {
    if (gone_) return;
    for (const uint8_t byte : client_.Receive(at_most)) Take(byte);
  }
  void Hangup() {
    client_.Hangup();
    gone_ = true;
  }
  void FinishSending() {
    if (!sends()) return;
    if (half_command_ && half_is_expected_) expected_.pop_back();
    half_command_ = false;
    client_.FinishSending();
    finished_ = true;
  }
  // Rest of a half command.
  void Complete() {
    if (half_command_ && sends()) client_.Send({half_bytes_});
    half_command_ = false;
  }

  bool sends() const { return !gone_ && !finished_; }
  bool gone() const { return gone_; }
  bool finished() const { return finished_; }
  // It has all that it asked for.
  bool satisfied() const { return expected_.empty(); }
  uint64_t id() const { return id_; }
  size_t door() const { return door_; }
  const std::string& entropy() const { return entropy_; }
  // Classes that it has been in.
  std::set<size_t>* classes() { return &classes_; }
  // From here on, bytes are of that process or of a later one.
  void Boundary(size_t generation) { boundaries_[entropy_.size()] = generation; }
  // The oldest process whose bytes may stand at that place.
  size_t OldestAt(size_t place) const {
    const auto after = boundaries_.upper_bound(place);
    return after == boundaries_.begin() ? 0 : std::prev(after)->second;
  }

 private:
  struct Expected {
    uint8_t type;
    uint8_t bytes;
  };

  void Take(uint8_t byte) {
    if (expected_.empty()) {
      ADD_FAILURE() << "connection " << id_ << " gets a byte that it has not asked for";
      return;
    }
    const Expected& now = expected_.front();
    if (now.type == 0x02) {
      entropy_.push_back(static_cast<char>(byte));
      Count(now.bytes);
    } else if (now.type == 0x00) {
      Count(4);
    } else if (at_ == 0) {
      length_ = byte;
      EXPECT_TRUE(now.type != 0x01 || length_ <= now.bytes) << "more than was asked for";
      Count(size_t{1} + length_);
    } else {
      if (now.type == 0x01) entropy_.push_back(static_cast<char>(byte));
      Count(size_t{1} + length_);
    }
  }
  // One more byte of a reply that has so many.
  void Count(size_t whole) {
    if (++at_ < whole) return;
    at_ = 0;
    expected_.pop_front();
  }

  Client client_;
  const uint64_t id_;
  const size_t door_;
  std::deque<Expected> expected_;
  size_t at_ = 0;  // of the reply that has begun
  uint8_t length_ = 0;
  bool half_command_ = false;
  uint8_t half_bytes_ = 0;
  bool half_is_expected_ = false;
  bool gone_ = false;
  bool finished_ = false;
  std::string entropy_;
  std::set<size_t> classes_;
  std::map<size_t, size_t> boundaries_;
};

class GuestLedger {
 public:
  GivenStream* NewStream(size_t class_index, size_t generation) {
    streams_.push_back({.class_index = class_index,
                        .generation = generation,
                        .salt = (streams_.size() + 1) * 0xd1b54a32d192ed03});
    return &streams_.back();
  }
  // Looks at all that the guest got. Bytes that are too few to be known count as untold.
  void Audit(ModelGuest* guest) {
    absl::string_view rest = guest->entropy();
    std::map<const GivenStream*, uint64_t> last;
    while (!rest.empty()) {
      const size_t place = guest->entropy().size() - rest.size();
      const size_t run = Run(guest, place, rest, &last);
      told_ += run;
      untold_ += run == 0;
      rest.remove_prefix(std::max<size_t>(run, 1));
    }
  }
  uint64_t told() const { return told_; }
  uint64_t untold() const { return untold_; }

 private:
  static constexpr size_t kMinToTell = 15;
  // The bytes after a run may be those that follow it by chance.
  static constexpr uint64_t kByChance = 3;

  size_t Run(ModelGuest* guest, size_t place, absl::string_view bytes,
             std::map<const GivenStream*, uint64_t>* last) {
    for (size_t skip = 0; skip < 8 && skip + 8 <= bytes.size(); ++skip) {
      uint64_t word = 0;
      for (size_t i = 8; i-- > 0;) word = word << 8 | static_cast<uint8_t>(bytes[skip + i]);
      for (GivenStream& stream : streams_) {
        const uint64_t number = stream.NumberOf(word);
        if (number > stream.bytes / 8 || number * 8 < skip) continue;
        const uint64_t begin = number * 8 - skip;
        size_t n = 0;
        while (n < bytes.size() && begin + n < stream.bytes &&
               stream.ByteAt(begin + n) == static_cast<uint8_t>(bytes[n])) {
          ++n;
        }
        if (n < kMinToTell) continue;
        Note(guest, place, n, &stream, begin, last);
        return n;
      }
    }
    return 0;
  }
  static void Note(ModelGuest* guest, size_t place, size_t n, GivenStream* stream, uint64_t begin,
                   std::map<const GivenStream*, uint64_t>* last) {
    const auto next = stream->had.lower_bound(begin);
    EXPECT_TRUE(next == stream->had.end() || begin + n <= next->first + kByChance)
        << "bytes came twice";
    EXPECT_TRUE(next == stream->had.begin() || std::prev(next)->second <= begin + kByChance)
        << "bytes came twice";
    stream->had.emplace(begin, begin + n);
    EXPECT_GE(begin + kByChance, (*last)[stream])
        << "connection " << guest->id() << ": bytes out of order";
    (*last)[stream] = begin + n;
    EXPECT_EQ(guest->classes()->count(stream->class_index), 1u)
        << "connection " << guest->id() << " has bytes of a class that it was never in";
    EXPECT_GE(stream->generation, guest->OldestAt(place))
        << "connection " << guest->id() << " has bytes of a process that had given it away";
  }

  std::deque<GivenStream> streams_;
  uint64_t told_ = 0;
  uint64_t untold_ = 0;
};

}  // namespace entropyd
