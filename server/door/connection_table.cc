#include "server/door/connection_table.h"

namespace entropyd {

size_t ConnectionTable::StrangersOf(absl::string_view address) const {
  const auto it = by_address_.find(address);
  return it == by_address_.end() ? 0 : it->second.size();
}

ConnectionTable::Id ConnectionTable::Tired(absl::string_view address, int64_t now_nanos) const {
  const Id oldest = Oldest(address);
  const int64_t age = now_nanos - connections_.find(oldest)->second.since_nanos;
  return age >= kPatienceNanos ? oldest : 0;
}

bool ConnectionTable::MustWait(int64_t now_nanos) const {
  if (strangers_ == 0) return false;
  if (strangers_ < limits_.strangers && connections_.size() < limits_.connections) return false;
  const auto& [most, oldest, address] = *ranks_.rbegin();
  return most == 1 && Tired(address, now_nanos) == 0;
}

ConnectionTable::Answer ConnectionTable::Ask(absl::string_view address, int64_t now_nanos) const {
  const size_t own = StrangersOf(address);
  if (own >= limits_.per_address) {
    const Id tired = Tired(address, now_nanos);
    return {tired != 0, tired, Full::kAddress};
  }
  Full full = Full::kNothing;
  if (strangers_ >= limits_.strangers) full = Full::kStrangers;
  if (connections_.size() >= limits_.connections) full = Full::kConnections;
  if (full == Full::kNothing) return {true, 0, full};
  if (strangers_ == 0) return {false, 0, full};
  const auto& [most, oldest, biggest] = *ranks_.rbegin();
  const Id give_way = most > own + 1 ? Oldest(biggest) : Tired(biggest, now_nanos);
  return {give_way != 0, give_way, full};
}

ConnectionTable::Id ConnectionTable::Greediest() const {
  return ranks_.empty() ? 0 : Oldest(std::get<2>(*ranks_.rbegin()));
}

void ConnectionTable::Add(Id id, absl::string_view address, int64_t now_nanos) {
  connections_.emplace(id, Connection{std::string(address), now_nanos, true});
  ++strangers_;
  const std::string name(address);
  std::set<Id>& strangers = by_address_[name];
  if (!strangers.empty()) ranks_.erase(RankOf(name, strangers));
  strangers.insert(id);
  ranks_.insert(RankOf(name, strangers));
}

bool ConnectionTable::Introduce(Id id, absl::string_view identity) {
  const auto it = connections_.find(id);
  if (it == connections_.end() || !it->second.stranger) return true;
  const auto known = by_identity_.find(identity);
  if (known != by_identity_.end() && known->second >= limits_.per_identity) return false;
  Dismiss(id);
  it->second.identity = std::string(identity);
  ++by_identity_[it->second.identity];
  return true;
}

void ConnectionTable::Dismiss(Id id) {
  const auto it = connections_.find(id);
  if (it == connections_.end() || !it->second.stranger) return;
  it->second.stranger = false;
  --strangers_;
  const std::string& address = it->second.address;
  std::set<Id>& strangers = by_address_[address];
  ranks_.erase(RankOf(address, strangers));
  strangers.erase(id);
  if (strangers.empty()) {
    by_address_.erase(address);
  } else {
    ranks_.insert(RankOf(address, strangers));
  }
}

bool ConnectionTable::Exceed(Id id, int64_t now_nanos) {
  const auto it = connections_.find(id);
  if (it == connections_.end()) return false;
  Connection& connection = it->second;
  if (now_nanos - connection.excesses_since_nanos >= kExcessWindowNanos) {
    connection.excesses_since_nanos = now_nanos;
    connection.excesses = 0;
  }
  return ++connection.excesses >= kMaxExcesses;
}

std::vector<ConnectionTable::Id> ConnectionTable::Strangers() const {
  std::vector<Id> all;
  for (const auto& [address, strangers] : by_address_) {
    all.insert(all.end(), strangers.begin(), strangers.end());
  }
  return all;
}

std::vector<ConnectionTable::Id> ConnectionTable::Silent(int64_t now_nanos) const {
  std::vector<Id> silent;
  for (const auto& [address, strangers] : by_address_) {
    for (const Id id : strangers) {  // the oldest first
      if (now_nanos - connections_.find(id)->second.since_nanos < kMaxSilentNanos) break;
      silent.push_back(id);
    }
  }
  return silent;
}

bool ConnectionTable::Deny(Id id) {
  const auto it = connections_.find(id);
  if (it == connections_.end() || !it->second.stranger) return false;
  return ++it->second.denials >= kMaxDenials;
}

void ConnectionTable::Remove(Id id) {
  Dismiss(id);
  const auto it = connections_.find(id);
  if (it == connections_.end()) return;
  const auto known = by_identity_.find(it->second.identity);
  if (known != by_identity_.end() && --known->second == 0) by_identity_.erase(known);
  connections_.erase(it);
}

}  // namespace entropyd
