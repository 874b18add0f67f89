// Who a guest is: what accounts belong to, however many connections it has.
//
//   GuestKey::Of(connection.identity(), connection.id())
//
// A guest that somebody knows has a name, and a UUID where libvirt told it. A connection whose
// guest nobody knows is its own guest.
//
// Thread safety: a value.
#pragma once

#include <cstdint>
#include <string>
#include <tuple>

#include "hostagent/identity/guest_identity.h"

namespace entropyd {

struct GuestKey {
  // Empty = nobody knows it.
  std::string name;
  // libvirt's domains only.
  std::string uuid;
  // The connection of a guest that nobody knows; else 0.
  uint64_t connection = 0;

  static GuestKey Of(const GuestIdentity& identity, uint64_t connection);

  bool known() const { return !name.empty(); }
  // The key of its figures. All guests that nobody knows share one key, so that their counter never
  // goes back when one of them leaves.
  GuestKey account() const { return {name, uuid, 0}; }

  friend bool operator==(const GuestKey&, const GuestKey&) = default;
  friend bool operator<(const GuestKey& a, const GuestKey& b) {
    return std::tie(a.name, a.uuid, a.connection) < std::tie(b.name, b.uuid, b.connection);
  }
};

}  // namespace entropyd
