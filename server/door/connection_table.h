// Who may connect when there are more connections than places. It holds no socket.
//
//   ConnectionTable table({.connections = 11'000, .strangers = 1'024, .per_address = 256});
//   if (table.MustWait(now)) return;                     // leave it in the kernel's queue
//   const auto answer = table.Ask("192.0.2.7", now);
//   if (answer.give_way != 0) ...                        // end that connection first
//   if (answer.come) table.Add(id, "192.0.2.7", now);
//   if (!table.Introduce(id, identity)) ...              // its first call was admitted
//   table.Remove(id);                                    // its socket is closed
//
// A stranger is a connection on which no call has been admitted yet. To make a call, a peer needs a
// certificate: strangers are all that somebody without one can be. So strangers have fewer places
// than connections have, and share them fairly by address (max-min): when no place is left, the
// address that holds the most of them gives one up, its oldest. An honest peer comes from an
// address with few strangers, and loses its place to nobody. Those who are known share the places
// by identity: one more than an identity may have stays a stranger.
//
// Errors: none.
//
// Thread safety: none; one owner.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "base/process/nanos.h"

namespace entropyd {

// Why a connection is refused, or has to end.
enum class Full {
  kNothing,
  // These have no place left.
  kAddress,
  kStrangers,
  kConnections,
  kDescriptors,
  // A stranger's calls were denied again and again.
  kDenials,
  // A stranger has made no call for too long.
  kSilence,
  // The identity goes on making more calls than it may.
  kCalls,
  // The certificate was revoked or has expired, or has no role any more.
  kCertificate,
};

class ConnectionTable {
 public:
  // Rising with each connection. 0 = none.
  using Id = uint64_t;

  struct Limits {
    // All of them, strangers too.
    size_t connections;
    size_t strangers;
    // Strangers of one address.
    size_t per_address;
    // Connections of one identity that are no strangers.
    size_t per_identity;
  };

  // A handshake takes milliseconds, and when a thousand come at once, a second or two of a small
  // machine. A stranger that has been at it for this long gives way to a new connection, even to
  // one of the same address.
  static constexpr int64_t kPatienceNanos = 3 * kSecondNanos;
  // More than a client sends that waits for each answer.
  static constexpr int kMaxDenials = 32;
  // The window in which excess calls are counted. An honest peer that is asked to try again later
  // does so, and has a bound on calls that wait.
  static constexpr int kMaxExcesses = 1024;
  static constexpr int64_t kExcessWindowNanos = 10 * kSecondNanos;
  // Agents, entropyctl and every client that connects because it has something to ask make their
  // first call within a second of the handshake.
  static constexpr int64_t kMaxSilentNanos = kMinuteNanos;

  struct Answer {
    bool come;
    // This stranger has to end first, or 0.
    Id give_way;
    // Why a new connection may not come, or why a stranger has to end.
    Full full;
  };

  explicit ConnectionTable(const Limits& limits) : limits_(limits) {}
  // Those that are here stay, also when they are more now than may come.
  void SetLimits(const Limits& limits) { limits_ = limits; }

  // Nobody can be asked to give way before some time passes: every address has one stranger, and
  // none has been here for long. Nothing is wrong with a new connection then.
  bool MustWait(int64_t now_nanos) const;
  // What to do with a new connection from `address`. Changes nothing.
  Answer Ask(absl::string_view address, int64_t now_nanos) const;

  // The oldest stranger of the address that has the most, and of several such addresses the oldest
  // of all; 0 when there is none.
  Id Greediest() const;

  // A new connection. REQUIRES: `id` is above all before.
  void Add(Id id, absl::string_view address, int64_t now_nanos);
  // A call of `identity` has come on it. False when it stays a stranger, because the identity has
  // all connections that it may have. Has no effect on one that is no stranger.
  bool Introduce(Id id, absl::string_view identity);
  // It was asked to leave: it takes no stranger's place any more.
  void Dismiss(Id id);
  // A call on it was denied. True when it has to leave for that: a stranger, at its kMaxDenials-th
  // and later ones. A known peer may be denied as often as it likes.
  bool Deny(Id id);
  // A call on it was one too many. True when it has to leave for that, at its kMaxExcesses-th and
  // later ones of kExcessWindowNanos. Such a window begins with the first one after the last.
  bool Exceed(Id id, int64_t now_nanos);
  // It is gone. Has no effect on one that is not here.
  void Remove(Id id);

  std::vector<Id> Strangers() const;
  // Strangers that have had kMaxSilentNanos.
  std::vector<Id> Silent(int64_t now_nanos) const;

  size_t connections() const { return connections_.size(); }
  size_t strangers() const { return strangers_; }

 private:
  struct Connection {
    std::string address;
    int64_t since_nanos;
    bool stranger;
    // Whose place it takes; "" for strangers and those who leave.
    std::string identity = {};
    int denials = 0;
    int excesses = 0;
    int64_t excesses_since_nanos = 0;
  };
  // Strangers of an address, the negative id of the oldest, the address.
  using Rank = std::tuple<size_t, int64_t, std::string>;
  static Rank RankOf(const std::string& address, const std::set<Id>& strangers) {
    return {strangers.size(), -static_cast<int64_t>(*strangers.begin()), address};
  }
  // The oldest stranger of an address that has one.
  Id Oldest(absl::string_view address) const { return *by_address_.find(address)->second.begin(); }
  // The oldest stranger of `address`, when it has been here for long; else 0.
  Id Tired(absl::string_view address, int64_t now_nanos) const;
  size_t StrangersOf(absl::string_view address) const;

  Limits limits_;
  size_t strangers_ = 0;
  absl::flat_hash_map<Id, Connection> connections_;
  // The strangers of each address, the oldest first. No set is empty.
  absl::flat_hash_map<std::string, std::set<Id>> by_address_;
  // The same addresses. The last is the one that gives way: it has the most strangers, and of those
  // with as many its oldest stranger is the oldest.
  std::set<Rank> ranks_;
  // Connections of each identity. None is 0.
  absl::flat_hash_map<std::string, size_t> by_identity_;
};

}  // namespace entropyd
