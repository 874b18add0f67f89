#include "hostagent/guest/identification.h"

#include <utility>

namespace entropyd {

bool Identification::Release() { return std::exchange(held_, false); }

void Identification::Know(GuestIdentity identity, uint64_t start_ticks) {
  identity_ = std::move(identity);
  if (start_ticks != 0) start_ticks_ = start_ticks;
}

void Identification::Save(handover::v1::Connection* saved) const {
  saved->set_held(held_);
  saved->set_start_ticks(start_ticks_);
  if (identity_.source == IdentitySource::kNone) return;
  handover::v1::Identity* identity = saved->mutable_identity();
  identity->set_source(static_cast<uint32_t>(identity_.source));
  identity->set_name(identity_.name);
  identity->set_uuid(identity_.uuid);
  identity->set_class_(identity_.class_name);
}

void Identification::Restore(const handover::v1::Connection& saved) {
  held_ = saved.held();
  if (!saved.has_identity()) return;
  const uint32_t source = saved.identity().source();
  identity_.source = source <= static_cast<uint32_t>(IdentitySource::kSocket)
                         ? static_cast<IdentitySource>(source)
                         : IdentitySource::kNone;
  identity_.name = saved.identity().name();
  identity_.uuid = saved.identity().uuid();
  identity_.class_name = saved.identity().class_();
}

}  // namespace entropyd
