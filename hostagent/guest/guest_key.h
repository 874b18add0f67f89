// Who a guest is: what accounts belong to, however many connections it has.
//
//   GuestKey::Of(connection.identity(), connection.id())
//
// A guest that somebody knows has a name, and a UUID where libvirt told it. A connection whose
// guest nobody knows stands for itself.
//
// Thread safety: a value.
#pragma once

#include <cstdint>
#include <string>

#include "hostagent/identity/guest_identity.h"

namespace entropyd {

struct GuestKey {
  std::string name;         // empty = nobody knows it
  std::string uuid;         // libvirt's domains only
  uint64_t connection = 0;  // of a guest that nobody knows; else 0

  static GuestKey Of(const GuestIdentity& identity, uint64_t connection);

  bool known() const { return !name.empty(); }
  // What its figures are kept under: all that nobody knows are one, so that a counter of theirs
  // never goes back when one of them leaves.
  GuestKey account() const { return {name, uuid, 0}; }

  friend auto operator<=>(const GuestKey&, const GuestKey&) = default;
};

}  // namespace entropyd
