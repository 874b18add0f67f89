// Where each eight bytes of some pools are, from the moment a pool gives them until a guest takes
// them. A pool of a model has a salt (FakePool), so that each word tells its pool and its place.
//
//   WordFates fates;
//   fates.Add(&pool);
//   const size_t lane = fates.NewLane(&pool, holder, "default/gold");   // a channel of a stream
//   fates.Sent(lane, bytes);             // in the order of the pool
//   fates.Stored(holder, bytes);         // in the order in which the lane sent them
//   fates.Taken(holder, bytes);
//
// Errors: every step that is not the next one of a word's life is a failure of the running test.
//
// Thread safety: none.
#pragma once

#include <cstdint>
#include <cstring>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "gtest/gtest.h"
#include "tests/server/fakes.h"

namespace entropyd {

class WordFates {
 public:
  static constexpr size_t kWord = 8;
  // kGiven: the pool gave it, and nobody was sent it. kSent: the server has sent it to an agent.
  // kStored: the agent has it. kTaken: a guest has it. kDropped: the agent wiped it. kGot: a reader
  // has it. Nothing follows the last three.
  enum class Fate : uint8_t { kGiven, kSent, kStored, kTaken, kDropped, kGot };

  // One channel of one stream.
  struct Lane {
    const FakePool* pool;
    int holder;  // who alone may store its words
    std::string name;
    std::vector<uint64_t> words = {};  // sent, in this order
    size_t stored = 0;                 // of these
    uint64_t sent_bytes() const { return words.size() * kWord; }
    uint64_t stored_bytes() const { return stored * kWord; }
  };

  void Add(const FakePool* pool) { pools_.push_back({pool, {}}); }

  size_t NewLane(const FakePool* pool, int holder, std::string name) {
    lanes_.push_back({pool, holder, std::move(name)});
    return lanes_.size() - 1;
  }
  const Lane& lane(size_t index) const { return lanes_[index]; }

  // The server sends these on a channel.
  void Sent(size_t index, absl::string_view bytes) {
    Lane& lane = lanes_[index];
    Each(bytes, lane.name, [&](Pool* pool, uint64_t number, Word* word) {
      if (pool->pool != lane.pool) return Wrong(lane.name, *pool, number, "is of another pool");
      if (word->fate != Fate::kGiven) return Wrong(lane.name, *pool, number, "was sent before");
      if (!lane.words.empty() && lane.words.back() >= number) {
        return Wrong(lane.name, *pool, number, "comes out of order");
      }
      *word = {Fate::kSent, static_cast<uint32_t>(index)};
      lane.words.push_back(number);
      return true;
    });
  }

  // A holder (a class of an agent) appends them to what it holds.
  void Stored(int holder, absl::string_view bytes) {
    const std::string who = absl::StrCat("holder ", holder);
    Each(bytes, who, [&](Pool* pool, uint64_t number, Word* word) {
      if (word->fate != Fate::kSent) return Wrong(who, *pool, number, "is not on its way");
      Lane& lane = lanes_[word->lane];
      if (lane.holder != holder) return Wrong(who, *pool, number, "is for another class or host");
      if (lane.words[lane.stored] != number) return Wrong(who, *pool, number, "overtook others");
      word->fate = Fate::kStored;
      ++lane.stored;
      Held(holder)->push_back({pool, number});
      return true;
    });
  }

  // A guest takes them from what the holder holds.
  void Taken(int holder, absl::string_view bytes) {
    const std::string who = absl::StrCat("a guest of holder ", holder);
    Each(bytes, who, [&](Pool* pool, uint64_t number, Word* word) {
      std::deque<Held1>* const held = Held(holder);
      if (word->fate != Fate::kStored) return Wrong(who, *pool, number, "is not there to be taken");
      if (held->empty() || held->front().number != number || held->front().pool != pool) {
        return Wrong(who, *pool, number, "is not the oldest");
      }
      held->pop_front();
      word->fate = Fate::kTaken;
      return true;
    });
  }

  // The holder has only so many bytes left: it wiped the oldest.
  void Left(int holder, size_t bytes) {
    std::deque<Held1>* const held = Held(holder);
    if (bytes > held->size() * kWord) ADD_FAILURE() << "holder " << holder << " has more than came";
    for (; held->size() * kWord > bytes; held->pop_front()) {
      WordAt(held->front().pool, held->front().number)->fate = Fate::kDropped;
    }
  }

  // A reader gets them.
  void Got(const FakePool* pool, absl::string_view bytes) {
    Each(bytes, "a reader", [&](Pool* of, uint64_t number, Word* word) {
      if (of->pool != pool) return Wrong("a reader", *of, number, "is of another pool");
      if (word->fate != Fate::kGiven) return Wrong("a reader", *of, number, "was sent before");
      word->fate = Fate::kGot;
      return true;
    });
  }

  // The bytes of all pools with that fate, of all that the pools have given.
  uint64_t BytesOf(Fate fate) {
    uint64_t words = 0;
    for (Pool& pool : pools_) {
      Fill(&pool);
      for (const Word& word : pool.words) words += word.fate == fate;
    }
    return words * kWord;
  }

 private:
  struct Word {
    Fate fate = Fate::kGiven;
    uint32_t lane = 0;
  };
  struct Pool {
    const FakePool* pool;
    std::vector<Word> words;
  };
  struct Held1 {
    Pool* pool;
    uint64_t number;
  };

  static void Fill(Pool* pool) { pool->words.resize(pool->pool->given / kWord); }
  static Word* WordAt(Pool* pool, uint64_t number) { return &pool->words[number]; }
  std::deque<Held1>* Held(int holder) {
    if (held_.size() <= static_cast<size_t>(holder)) held_.resize(static_cast<size_t>(holder) + 1);
    return &held_[static_cast<size_t>(holder)];
  }

  static bool Wrong(absl::string_view who, const Pool& pool, uint64_t number,
                    absl::string_view what) {
    ADD_FAILURE() << who << ": word " << number << " of " << pool.pool->name() << " " << what;
    return false;
  }

  // Calls `next` with each word, until it returns false.
  template <typename Next>
  void Each(absl::string_view bytes, absl::string_view who, const Next& next) {
    if (bytes.size() % kWord != 0) {
      ADD_FAILURE() << who << ": " << bytes.size() << " bytes are no whole words";
      return;
    }
    for (size_t at = 0; at < bytes.size(); at += kWord) {
      uint64_t word = 0;
      std::memcpy(&word, bytes.data() + at, kWord);
      Pool* const pool = PoolOf(word);
      if (pool == nullptr) {
        ADD_FAILURE() << who << ": byte " << at << " of " << bytes.size()
                      << " begins a word that no pool gave";
        return;
      }
      const uint64_t number = pool->pool->NumberOf(word);
      if (!next(pool, number, WordAt(pool, number))) return;
    }
  }

  Pool* PoolOf(uint64_t word) {
    for (Pool& pool : pools_) {
      if (pool.pool->NumberOf(word) >= pool.pool->given / kWord) continue;
      Fill(&pool);
      return &pool;
    }
    return nullptr;
  }

  std::deque<Pool> pools_;
  std::vector<Lane> lanes_;
  std::vector<std::deque<Held1>> held_;
};

}  // namespace entropyd
