// What guests have had by name and class, while at least one of their connections is there: a guest
// with two devices, or one that has reconnected while the old connection lingers, is one guest.
//
// Each connection counts for itself; what it leaves behind is kept here for as long as the guest
// has another one, so that a guest's figures never go back while it is listed.
//
// Thread safety: none; belongs to the event loop's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "hostagent/guest/guest_key.h"
#include "hostagent/guest/guest_totals.h"

namespace entropyd {

class GuestAccounts {
 public:
  struct Key {
    GuestKey guest;  // GuestKey::account()
    size_t class_index = 0;

    friend auto operator<=>(const Key&, const Key&) = default;
  };
  struct Account {
    uint32_t connections = 0;
    GuestTotals departed;
  };

  void Join(const Key& key) { ++accounts_[key].connections; }
  // REQUIRES: it has joined. `had`: what the connection got under this key.
  void Leave(const Key& key, const GuestTotals& had);
  void Restore(const Key& key, const GuestTotals& departed) { restored_[key] = departed; }
  // The connections of a handover have joined.
  void EndRestore();

  const std::map<Key, Account>& all() const { return accounts_; }

 private:
  std::map<Key, Account> accounts_;
  std::map<Key, GuestTotals> restored_;
};

// One guest, for /metrics/guests.
struct GuestSeries {
  std::string name;
  std::string uuid;
  std::string class_name;  // POOL/CLASS
  uint32_t connections = 0;
  uint64_t owed = 0;  // bytes it waits for
  GuestTotals totals;
};

// Prometheus' text format 0.0.4: the `most` guests that have got most, each with labels guest, uuid
// and class. Guests that nobody knows are one series for each class, with guest="".
std::string GuestMetricsText(std::vector<GuestSeries> guests, size_t most);

}  // namespace entropyd
