#include "server/attach/session_registry.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace entropyd {

std::string SessionRegistry::Key(const Session& session) {
  return absl::StrCat(session.host_id(), session.peer().identity);  // host_id has a fixed length
}

Session* SessionRegistry::Add(std::unique_ptr<Session> session) {
  session->index = sessions_.size();
  sessions_.push_back(std::move(session));
  return sessions_.back().get();
}

void SessionRegistry::Remove(Session* session) {
  Unregister(session);
  const size_t index = session->index;
  sessions_.back()->index = index;
  std::swap(sessions_[index], sessions_.back());
  sessions_.pop_back();
}

absl::StatusOr<Session*> SessionRegistry::Register(Session* session, int64_t now_nanos) {
  Session*& current = by_host_[Key(*session)];
  Session* const older = current;
  if (older != nullptr) {
    std::vector<int64_t> times = older->supersessions;
    times.erase(std::remove_if(
                    times.begin(), times.end(),
                    [now_nanos](int64_t t) { return now_nanos - t >= kSupersessionWindowNanos; }),
                times.end());
    if (times.size() >= kMaxSupersessions) {
      return absl::AlreadyExistsError(
          absl::StrCat("attach ", session->peer().identity, ": its stream was replaced more than ",
                       kMaxSupersessions,
                       " times within a minute; is the host cloned? give each host a host_id "
                       "of its own"));
    }
    times.push_back(now_nanos);
    session->supersessions = std::move(times);
  }
  current = session;
  return older;
}

void SessionRegistry::Unregister(Session* session) {
  if (session->host_id().empty()) return;
  const auto it = by_host_.find(Key(*session));
  if (it != by_host_.end() && it->second == session) by_host_.erase(it);
}

}  // namespace entropyd
