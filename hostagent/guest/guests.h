// The guests of an agent: how many connections each has, and its share of each class that it uses.
//
//   GuestShare* const share = guests.Join(key, served_class);
//   guests.Leave(key);
//   guests.Tick(now);      // about once a second
//
// A guest whose last connection has closed is remembered for kKeepNanos. So a guest that connects
// again finds its shares as it has left them.
//
// Errors: none.
//
// Thread safety: none; belongs to the event loop's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/types/optional.h"
#include "base/process/nanos.h"
#include "hostagent/guest/guest_key.h"
#include "hostagent/serving/guest_share.h"
#include "hostagent/serving/served_class.h"

namespace entropyd {

class Guests {
 public:
  // The bucket of a ceiling holds four grants, 256 bytes at least. After a minute it is full again
  // where the ceiling is 5 bytes/s or more, and nobody owes the others more than a grant.
  static constexpr int64_t kKeepNanos = 60 * kSecondNanos;
  // Beyond this many without a connection the agent forgets those that left first, at the next
  // Tick(). Guests with a name are counted separately: a user who starts many processes is many
  // guests, and must not make the agent forget guests with a name.
  static constexpr size_t kMaxKept = 10'000;

  // This many guests of either kind without a connection cross a handover, those that left last.
  static constexpr size_t kMaxCarried = 1'000;

  // `most`: connections of one guest. `most_of_group`: of a key that may stand for several guests.
  Guests(size_t most, size_t most_of_group) : most_(most), most_of_group_(most_of_group) {}
  Guests(const Guests&) = delete;
  Guests& operator=(const Guests&) = delete;

  // How many connections the guest may have.
  size_t Most(const GuestKey& key) const { return key.group() ? most_of_group_ : most_; }
  // It may have one more.
  bool HasRoom(const GuestKey& key) const { return connections(key) < Most(key); }
  size_t connections(const GuestKey& key) const;

  // One more connection of the guest is served in this class. `nano_tokens`: what the guest's
  // ceiling allowed at once in another process; it counts if the share is new here. The share lives
  // at least until the Tick() after the guest's last Leave().
  GuestShare* Join(const GuestKey& key, ServedClass* served_class,
                   absl::optional<int64_t> nano_tokens, int64_t now_nanos);
  // The connection has left its share. REQUIRES: it has joined.
  void Leave(const GuestKey& key, int64_t now_nanos);
  // Forgets guests. REQUIRES: no class is being served.
  void Tick(int64_t now_nanos);

  // For a handover: calls `each` for the shares without a connection. These are shares of guests
  // that have left, and of guests that are served in another class now.
  void ForEachRemembered(
      absl::FunctionRef<void(const GuestKey&, const ServedClass&, const GuestShare&)> each) const;
  // A share without a connection that another process remembered.
  void Remember(const GuestKey& key, ServedClass* served_class, int64_t nano_tokens,
                int64_t now_nanos);

  // Those with a connection, and those remembered.
  size_t size() const { return guests_.size(); }

 private:
  struct ByName {
    bool operator()(const ServedClass* a, const ServedClass* b) const {
      return a->name() < b->name();
    }
  };
  struct Guest {
    size_t connections = 0;
    int64_t left_at = 0;
    // By class.
    std::map<const ServedClass*, std::unique_ptr<GuestShare>, ByName> shares;
  };

  // When the last connection left, and whose it was. Those that left first come first.
  using Left = std::set<std::pair<int64_t, GuestKey>>;

  // Those like this one.
  Left& LeftLike(const GuestKey& key) { return key.known() ? left_known_ : left_unknown_; }
  void Forget(Left* left, int64_t now_nanos);

  const size_t most_;
  const size_t most_of_group_;
  std::map<GuestKey, Guest> guests_;
  // Those without a connection.
  Left left_known_;
  Left left_unknown_;
};

}  // namespace entropyd
