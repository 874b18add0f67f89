// Who a guest is. Shares, ceiling, floor, vote and the number of connections belong to it, however
// many connections it opens and however often it connects.
//
//   GuestKey::Of(connection.who().identity(), connection.options().peer)
//
// An identified guest has a name, and a UUID if it is a domain of libvirt. A guest with a socket of
// its own has a name, too. A guest without a name is known by its process: the pid with the time
// when the process started, since pids are used again. In another pid namespace it is known by its
// user, over TCP by its address.
//
// Errors: none.
//
// Thread safety: a value.
#pragma once

#include <cstdint>
#include <string>
#include <tuple>

#include "hostagent/endpoint/peer.h"
#include "hostagent/identity/guest_identity.h"

namespace entropyd {

struct GuestKey {
  // Empty = a guest without a name.
  std::string name;
  // libvirt's domains only.
  std::string uuid;
  // Of guests without a name: one of these; else all are empty.
  int32_t pid = 0;
  uint64_t start_ticks = 0;
  uint32_t uid = 0;
  std::string address;

  static GuestKey Of(const GuestIdentity& identity, const Peer& peer);
  static GuestKey Named(std::string name, std::string uuid = "");

  bool known() const { return !name.empty(); }
  // Several guests may have this key: all of a user, or of an address.
  bool group() const { return !known() && pid == 0; }
  // The key of its figures. All guests without a name share one key, so that their counter never
  // goes back when one of them leaves.
  GuestKey account() const { return Named(name, uuid); }
  // For people: "web-1", "pid 4711", "user 107", "192.0.2.7".
  std::string text() const;

  friend bool operator==(const GuestKey&, const GuestKey&) = default;
  friend bool operator<(const GuestKey& a, const GuestKey& b) {
    return std::tie(a.name, a.uuid, a.pid, a.start_ticks, a.uid, a.address) <
           std::tie(b.name, b.uuid, b.pid, b.start_ticks, b.uid, b.address);
  }
};

}  // namespace entropyd
