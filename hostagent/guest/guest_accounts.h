// What guests have had by name and class. A guest with two devices is one guest. So is one that
// connects again.
//
//   accounts.Join(connection.account());
//   accounts.Leave(connection.account(), connection.totals_here(), now);
//   accounts.Forget(now);    // about once a second
//
// Each connection counts for itself. Its figures are kept here after its end, until the guest has
// had no connection for kKeepNanos. So a guest's figures never go back while it is listed.
//
// Errors: none.
//
// Thread safety: none; belongs to the event loop's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/process/nanos.h"
#include "hostagent/guest/guest_key.h"
#include "hostagent/guest/guest_totals.h"

namespace entropyd {

class GuestAccounts {
 public:
  struct Key {
    // GuestKey::account().
    GuestKey guest;
    // POOL/CLASS.
    std::string class_name;

    friend bool operator==(const Key&, const Key&) = default;
    friend bool operator<(const Key& a, const Key& b) {
      return std::tie(a.guest, a.class_name) < std::tie(b.guest, b.class_name);
    }
  };
  struct Account {
    uint32_t connections = 0;
    GuestTotals departed;
    // When the last connection left.
    int64_t left_at = 0;
  };
  // Prometheus looks back so long: a guest that restarts goes on in the same series.
  static constexpr int64_t kKeepNanos = 300 * kSecondNanos;
  // Beyond this many guests without a connection, the agent forgets those that left first.
  static constexpr size_t kMaxKept = 10'000;

  // A connection or a feed begins to count under this key.
  void Join(const Key& key);
  // `had`: what the connection got under this key. REQUIRES: it has joined.
  void Leave(const Key& key, const GuestTotals& had, int64_t now_nanos);
  void Forget(int64_t now_nanos);
  // Another process counts from now on. What joins and leaves later is counted as before.
  void Clear();
  // What an earlier process kept of connections that had left.
  void Restore(const Key& key, const GuestTotals& departed) { restored_[key] = departed; }
  // The connections of a handover have joined.
  void EndRestore(int64_t now_nanos);

  const std::map<Key, Account>& all() const { return accounts_; }

 private:
  void Keep(const Key& key, Account* account, int64_t now_nanos);

  std::map<Key, Account> accounts_;
  // Those without a connection. Those that left first come first.
  std::set<std::pair<int64_t, Key>> left_;
  std::map<Key, GuestTotals> restored_;
};

// One guest, for /metrics/guests.
struct GuestSeries {
  std::string name;
  std::string uuid;
  // POOL/CLASS.
  std::string class_name;
  uint32_t connections = 0;
  // Bytes that it waits for.
  uint64_t owed = 0;
  GuestTotals totals;
};

// Prometheus' text format 0.0.4: the `most` guests that have got most, each with labels guest, uuid
// and class. Guests without a name are one series for each class, with guest="".
std::string GuestMetricsText(std::vector<GuestSeries> guests, size_t most);

}  // namespace entropyd
