#include "hostagent/guest/guest_key.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace entropyd {

GuestKey GuestKey::Named(std::string name, std::string uuid) {
  GuestKey key;
  key.name = std::move(name);
  key.uuid = std::move(uuid);
  return key;
}

GuestKey GuestKey::Of(const GuestIdentity& identity, const Peer& peer) {
  if (!identity.name.empty()) return Named(identity.name, identity.uuid);
  GuestKey key;
  if (!peer.address.empty()) {
    key.address = peer.address;
  } else if (peer.pid > 0) {
    key.pid = peer.pid;
    key.start_ticks = peer.start_ticks;
  } else {
    key.uid = peer.uid;
  }
  return key;
}

std::string GuestKey::text() const {
  if (known()) return name;
  if (!address.empty()) return address;
  return pid > 0 ? absl::StrCat("pid ", pid) : absl::StrCat("user ", uid);
}

}  // namespace entropyd
