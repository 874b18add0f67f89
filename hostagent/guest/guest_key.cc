#include "hostagent/guest/guest_key.h"

namespace entropyd {

GuestKey GuestKey::Of(const GuestIdentity& identity, uint64_t connection) {
  return {identity.name, identity.uuid, identity.name.empty() ? connection : 0};
}

}  // namespace entropyd
