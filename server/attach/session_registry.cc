#include "server/attach/session_registry.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace entropyd {

std::string SessionRegistry::Key(const Session& session) {
  return absl::StrCat(session.host_id(), session.peer().identity);  // host_id has a fixed length
}

Session* SessionRegistry::Add(std::unique_ptr<Session> session) {
  places_.emplace(session.get(), sessions_.size());
  sessions_.push_back(std::move(session));
  return sessions_.back().get();
}

void SessionRegistry::Remove(Session* session) {
  Unregister(session);
  const auto it = places_.find(session);
  const size_t place = it->second;
  places_.erase(it);
  if (place + 1 != sessions_.size()) {
    places_[sessions_.back().get()] = place;
    std::swap(sessions_[place], sessions_.back());
  }
  sessions_.pop_back();
}

SessionRegistry::Answer SessionRegistry::Register(Session* session, int64_t now_nanos) {
  Host& host = by_host_[Key(*session)];
  if (host.current == nullptr) {
    host.current = session;
    return {};
  }
  std::vector<int64_t>& times = host.replacements;
  times.erase(
      std::remove_if(times.begin(), times.end(),
                     [now_nanos](int64_t t) { return now_nanos - t >= kReplacementWindowNanos; }),
      times.end());
  if (times.size() >= kMaxReplacements) return {.cloned = true};
  times.push_back(now_nanos);
  return {.replaced = std::exchange(host.current, session)};
}

void SessionRegistry::Unregister(Session* session) {
  if (session->host_id().empty()) return;
  const auto it = by_host_.find(Key(*session));
  if (it != by_host_.end() && it->second.current == session) by_host_.erase(it);
}

}  // namespace entropyd
