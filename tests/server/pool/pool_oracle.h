// What a pool must give, by the contract at the top of entropy_pool.h: the same conditioning once
// more, over the samples of groups that have not failed since. It shares no state with the pool.
// The generators are real (PoolRoot, CtrDrbg); it feeds them with blocks of its own. So bytes that
// are equal to the oracle's derive from no block of a source that has failed.
//
//   PoolOracle oracle(options, provider);
//   oracle.Add("trng0", samples, now);             // as the pool was told
//   oracle.SetState("trng0", state);
//   oracle.Apply(options);
//   PoolOracle::Reader reader = oracle.NewReader();
//   oracle.Read(&reader, &bytes, epoch, now)       // what the pool's reader must answer
//
// Every use is under FixedRandom: generators mix in what the kernel gives.
//
// Errors: failures of the running test, when a generator fails.
//
// Thread safety: none.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/crypto/drbg.h"
#include "gtest/gtest.h"
#include "server/pool/entropy_pool.h"

namespace entropyd {

class PoolOracle {
 public:
  struct Reader {
    int number = 0;
    std::unique_ptr<CtrDrbg> child = nullptr;
    uint64_t generation = 0;
    uint32_t calls = 0;
    int64_t seeded_at = 0;
  };

  PoolOracle(EntropyPool::Options options, const SeedProvider* provider)
      : provider_(provider), root_(PoolRoot::Create(options.name, provider).value()) {
    Apply(std::move(options));
  }

  Reader NewReader() { return {.number = ++readers_, .child = CtrDrbg::Create(provider_).value()}; }

  void SetState(const std::string& source, v1::SourceState state) {
    Member& member = members_.at(source);
    member.state = state;
    if (state != v1::SOURCE_STATE_QUARANTINED && state != v1::SOURCE_STATE_LATCHED) return;
    if (member.config.min_entropy == 0) root_.DropMixed();
    if (!member.gave) return;
    Group& group = groups_.at(member.config.group);
    const bool in_root = group.in_root;
    Empty(member.config.group);
    for (auto& [name, other] : members_) {
      if (other.config.group == member.config.group) other.gave = false;
    }
    for (auto& [name, other] : groups_) other.seed_asked = true;
    group.in_root = false;
    for (const auto& [name, other] : groups_) {
      if (other.seeded_at >= 0) return;
    }
    if (!in_root) return;
    // The root rests on no other group.
    root_.Destroy();
    ++epoch_;
    for (auto& [name, other] : groups_) other.in_root = false;
  }

  void Add(const std::string& source, absl::Span<const uint8_t> samples, int64_t now) {
    Member& member = members_.at(source);
    if (member.state != v1::SOURCE_STATE_HEALTHY) return;
    const double bits = member.config.min_entropy;
    if (bits == 0) return root_.Mix(samples);
    member.gave = true;
    Group& group = groups_.at(member.config.group);
    while (!samples.empty()) {
      size_t taken = samples.size();
      const bool wanted = SeedDue(group, now) || (Stores() && !Full());
      if (wanted) taken = std::min(taken, Missing(group, source, bits));
      group.open.insert(group.open.end(), samples.begin(), samples.begin() + taken);
      group.bits[source] += static_cast<double>(taken) * bits;
      samples.remove_prefix(taken);
      if (wanted && Ready(group)) UseBlock(member.config.group, now);
    }
  }

  // Another configuration.
  void Apply(EntropyPool::Options options) {
    const std::vector<EntropyPool::Member> members = std::exchange(options.members, {});
    const size_t capacity = Capacity();
    options_ = std::move(options);
    std::map<std::string, Member> before = std::exchange(members_, {});
    for (const EntropyPool::Member& config : members) {
      const auto same = before.find(config.source);
      const bool stays = same != before.end() && !config.is_new;
      Member member = stays ? same->second : Member();
      member.config = config;
      // It reads the same device as the one whose place it takes.
      if (same != before.end()) member.gave = same->second.gave;
      if (stays) before.erase(same);
      members_[config.source] = member;
      groups_[config.group];
    }
    // An open block may hold samples of those that go, and their claim is gone.
    for (const auto& [name, gone] : before) groups_.at(gone.config.group).CloseOpen();
    for (auto& [name, group] : groups_) {
      const bool credited = Credited(name);
      if (std::exchange(group.credited, credited) && !credited) {
        Empty(name);
        group.in_root = false;
        for (auto& [other_name, other] : groups_) other.seed_asked = true;
      }
    }
    if (Stores() && Capacity() != capacity) DropBegun();
    while (store_.size() > Capacity()) store_.pop_back();
  }

  // What a reader must answer for `out`, and fills it.
  absl::StatusCode Read(Reader* reader, absl::Span<uint8_t> out, uint64_t epoch, int64_t now) {
    if (epoch != epoch_) return absl::StatusCode::kAborted;
    if (!ReadyAt(now)) return absl::StatusCode::kUnavailable;
    if (!reader->child->instantiated() || reader->generation != generation_ ||
        reader->calls >= DrbgReader::kCallsPerSeed ||
        now - reader->seeded_at >= options_.reseed_interval_nanos) {
      Seed(reader, now);
    }
    ++reader->calls;
    EXPECT_TRUE(reader->child->Generate(out, kFresh).ok());
    if (Stores() && stored_bytes() < out.size()) return absl::StatusCode::kUnavailable;
    if (Stores()) {
      for (uint8_t& byte : out) byte ^= TakeStored();
    }
    bytes_since_seed_ += out.size();
    return absl::StatusCode::kOk;
  }

  uint64_t generation() const { return generation_; }
  uint64_t epoch() const { return epoch_; }
  uint64_t blocks() const { return blocks_; }
  // In whole blocks less what has left of the oldest.
  size_t stored_bytes() const { return store_.size() * kBlock - taken_; }
  // When the pool had its newest seed that counts; -1 = none does.
  int64_t seeded_at() const {
    int64_t newest = -1;
    for (const auto& [name, group] : groups_) newest = std::max(newest, group.seeded_at);
    return newest;
  }
  bool ReadyAt(int64_t now) const {
    uint32_t fresh = 0, healthy = 0;
    for (const auto& [name, group] : groups_) {
      if (!group.credited) continue;
      fresh += group.seeded_at >= 0 && now < group.seeded_at + options_.max_seed_age_nanos;
      healthy += Healthy(name);
    }
    if (fresh < options_.min_healthy_groups) return false;
    if (bytes_since_seed_ >= options_.max_bytes_per_seed) return false;
    return !Stores() || stored_bytes() > 0 || healthy > 0;
  }

 private:
  static constexpr size_t kBlock = 64;
  // FixedRandom's.
  static constexpr std::array<uint8_t, 32> kFresh = {};

  struct Member {
    EntropyPool::Member config;
    v1::SourceState state = v1::SOURCE_STATE_STARTING;
    bool gave = false;
  };
  struct Group {
    std::vector<uint8_t> open = {};
    std::map<std::string, double> bits = {};  // by source
    int64_t seeded_at = -1;
    bool seed_asked = true;
    bool in_root = false;
    bool credited = false;

    void CloseOpen() {
      open.clear();
      bits.clear();
    }
  };

  bool Stores() const { return options_.quality == v1::QUALITY_FULL; }
  size_t Capacity() const { return options_.capacity_bytes / kBlock; }
  bool Full() const { return store_.size() == Capacity(); }
  bool Credited(const std::string& group) const {
    return std::any_of(members_.begin(), members_.end(), [&group](const auto& entry) {
      return entry.second.config.group == group && entry.second.config.min_entropy > 0;
    });
  }
  bool Healthy(const std::string& group) const {
    return std::any_of(members_.begin(), members_.end(), [&group](const auto& entry) {
      const Member& member = entry.second;
      return member.config.group == group && member.config.min_entropy > 0 &&
             member.state == v1::SOURCE_STATE_HEALTHY;
    });
  }
  bool SeedDue(const Group& group, int64_t now) const {
    return group.seed_asked || group.seeded_at < 0 ||
           now - group.seeded_at >= options_.reseed_interval_nanos;
  }
  // SP 800-90C: 64 bits more than a block has; the best source of the group counts.
  static bool Ready(const Group& group) {
    double best = 0;
    for (const auto& [source, bits] : group.bits) best = std::max(best, bits);
    return best >= 8 * kBlock + 64 && group.open.size() >= kBlock + 16;
  }
  static size_t Missing(const Group& group, const std::string& source, double bits) {
    if (Ready(group)) return 0;
    const auto has = group.bits.find(source);
    const double lacks = 8 * kBlock + 64 - (has == group.bits.end() ? 0 : has->second);
    const double shorter =
        static_cast<double>(kBlock + 16) - static_cast<double>(group.open.size());
    return static_cast<size_t>(std::max({std::ceil(lacks / bits), shorter, 1.0}));
  }

  void UseBlock(const std::string& name, int64_t now) {
    Group& group = groups_.at(name);
    std::array<uint8_t, kBlock> block;
    Sha512 hash = Sha512::Create().value();
    hash.Update(group.open);
    EXPECT_TRUE(hash.Finish(absl::MakeSpan(block)).ok());
    group.CloseOpen();
    ++blocks_;
    if (!SeedDue(group, now)) {
      store_.push_back({name, block});
      return;
    }
    EXPECT_TRUE(root_.Seed(block).ok());
    ++generation_;
    bytes_since_seed_ = 0;
    group.seeded_at = now;
    group.seed_asked = false;
    group.in_root = true;
  }
  void Empty(const std::string& name) {
    Group& group = groups_.at(name);
    group.CloseOpen();
    group.seeded_at = -1;
    DropBegun();
    store_.erase(std::remove_if(store_.begin(), store_.end(),
                                [&name](const Block& block) { return block.group == name; }),
                 store_.end());
  }
  // What is left of a block, when a part of it has left.
  void DropBegun() {
    if (taken_ > 0) store_.pop_front();
    taken_ = 0;
  }
  uint8_t TakeStored() {
    const uint8_t byte = store_.front().bytes[taken_++];
    if (taken_ == kBlock) {
      taken_ = 0;
      store_.pop_front();
    }
    return byte;
  }
  void Seed(Reader* reader, int64_t now) {
    std::array<uint8_t, CtrDrbg::kSeedBytes> seed;
    EXPECT_TRUE(root_.Generate(absl::MakeSpan(seed), kFresh).ok());
    const bool again = reader->child->instantiated();
    const absl::Status seeded =
        again ? reader->child->Reseed(seed, {})
              : reader->child->Instantiate(seed, absl::StrCat("reader ", reader->number));
    EXPECT_TRUE(seeded.ok());
    reader->generation = generation_;
    reader->calls = 0;
    reader->seeded_at = now;
  }

  struct Block {
    std::string group;
    std::array<uint8_t, kBlock> bytes;
  };

  const SeedProvider* const provider_;
  PoolRoot root_;
  EntropyPool::Options options_;  // without the members
  std::map<std::string, Member> members_;
  std::map<std::string, Group> groups_;
  std::deque<Block> store_;  // the oldest first
  size_t taken_ = 0;         // of the oldest
  uint64_t generation_ = 0;
  uint64_t epoch_ = 0;
  uint64_t bytes_since_seed_ = 0;
  uint64_t blocks_ = 0;
  int readers_ = 0;
};

}  // namespace entropyd
