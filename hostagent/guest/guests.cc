#include "hostagent/guest/guests.h"

namespace entropyd {

size_t Guests::connections(const GuestKey& key) const {
  const auto found = guests_.find(key);
  return found == guests_.end() ? 0 : found->second.connections;
}

GuestShare* Guests::Join(const GuestKey& key, ServedClass* served_class,
                         absl::optional<int64_t> nano_tokens, int64_t now_nanos) {
  Guest& guest = guests_[key];
  ++guest.connections;
  std::unique_ptr<GuestShare>& share = guest.shares[served_class->index()];
  if (share == nullptr) {
    share = std::make_unique<GuestShare>(served_class->queue(), nano_tokens, now_nanos);
  }
  return share.get();
}

void Guests::Leave(const GuestKey& key, int64_t now_nanos) {
  Guest& guest = guests_.find(key)->second;
  if (--guest.connections > 0) return;
  guest.left_at = now_nanos;
  left_.emplace_back(now_nanos, key);
}

void Guests::ForEachRemembered(
    absl::FunctionRef<void(const GuestKey&, size_t, const GuestShare&)> each) const {
  size_t left = kMostCarried;
  for (auto it = left_.rbegin(); it != left_.rend() && left > 0; ++it) {
    const auto found = guests_.find(it->second);
    if (found == guests_.end() || found->second.connections > 0 ||
        found->second.left_at != it->first) {
      continue;
    }
    --left;
    for (const auto& [index, share] : found->second.shares) each(found->first, index, *share);
  }
}

void Guests::Remember(const GuestKey& key, ServedClass* served_class, int64_t nano_tokens,
                      int64_t now_nanos) {
  Join(key, served_class, nano_tokens, now_nanos);
  Leave(key, now_nanos);
}

void Guests::Tick(int64_t now_nanos) {
  while (!left_.empty()) {
    const auto& [left_at, key] = left_.front();
    if (now_nanos - left_at < kKeepNanos && left_.size() <= kMostKept) return;
    const auto found = guests_.find(key);
    // It may have come and left again since.
    if (found != guests_.end() && found->second.connections == 0 &&
        found->second.left_at == left_at) {
      for (const auto& [index, share] : found->second.shares) share->LeaveQueue(now_nanos);
      guests_.erase(found);
    }
    left_.pop_front();
  }
}

}  // namespace entropyd
