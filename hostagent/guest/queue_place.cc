#include "hostagent/guest/queue_place.h"

namespace entropyd {

void QueuePlace::Join(FairQueue::Member* connection, const GuestKey& guest,
                      absl::optional<int64_t> nano_tokens, int64_t now_nanos) {
  joined_as_ = guest;
  share_ = guests_->Join(guest, class_, nano_tokens, now_nanos);
  id_ = share_->Add(connection);
  Touch();
}

void QueuePlace::Leave(int64_t now_nanos) {
  throttled_before_ = throttled_nanos(now_nanos);
  share_->Remove(id_, now_nanos);
  share_ = nullptr;
  guests_->Leave(joined_as_, now_nanos);
}

}  // namespace entropyd
