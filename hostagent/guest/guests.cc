#include "hostagent/guest/guests.h"

namespace entropyd {

size_t Guests::connections(const GuestKey& key) const {
  const auto found = guests_.find(key);
  return found == guests_.end() ? 0 : found->second.connections;
}

GuestShare* Guests::Join(const GuestKey& key, ServedClass* served_class,
                         absl::optional<int64_t> nano_tokens, int64_t now_nanos) {
  Guest& guest = guests_[key];
  if (guest.connections++ == 0) LeftLike(key).erase({guest.left_at, key});
  std::unique_ptr<GuestShare>& share = guest.shares[served_class];
  if (share == nullptr) {
    share = std::make_unique<GuestShare>(served_class->queue(), nano_tokens, now_nanos);
  }
  return share.get();
}

void Guests::Leave(const GuestKey& key, int64_t now_nanos) {
  Guest& guest = guests_.find(key)->second;
  if (--guest.connections > 0) return;
  guest.left_at = now_nanos;
  LeftLike(key).emplace(now_nanos, key);
}

void Guests::ForEachRemembered(
    absl::FunctionRef<void(const GuestKey&, const ServedClass&, const GuestShare&)> each) const {
  for (const auto& [key, guest] : guests_) {
    for (const auto& [served, share] : guest.shares) {
      if (guest.connections > 0 && share->connections() == 0) each(key, *served, *share);
    }
  }
  for (const Left* left : {&left_known_, &left_unknown_}) {
    size_t more = kMaxCarried;
    for (auto it = left->rbegin(); it != left->rend() && more > 0; ++it, --more) {
      for (const auto& [served, share] : guests_.at(it->second).shares) {
        each(it->second, *served, *share);
      }
    }
  }
}

void Guests::Remember(const GuestKey& key, ServedClass* served_class, int64_t nano_tokens,
                      int64_t now_nanos) {
  Join(key, served_class, nano_tokens, now_nanos);
  Leave(key, now_nanos);
}

void Guests::Tick(int64_t now_nanos) {
  Forget(&left_known_, now_nanos);
  Forget(&left_unknown_, now_nanos);
}

void Guests::Forget(Left* left, int64_t now_nanos) {
  while (!left->empty()) {
    const auto first = left->begin();
    if (now_nanos - first->first < kKeepNanos && left->size() <= kMaxKept) return;
    const auto found = guests_.find(first->second);
    for (const auto& [served, share] : found->second.shares) share->LeaveQueue(now_nanos);
    guests_.erase(found);
    left->erase(first);
  }
}

}  // namespace entropyd
