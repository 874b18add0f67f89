// The attached sessions, and the rule that a host has one stream: the newest wins, unless it keeps
// being replaced, which is what two hosts with one identity and one host_id look like.
//
// Thread safety: belongs to the dispatcher's owner.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "base/process/nanos.h"
#include "server/attach/session.h"

namespace entropyd {

class SessionRegistry {
 public:
  // A host that restarts its agent replaces its stream now and then; a cloned host does so in a
  // loop. More replacements than this within a minute are refused.
  static constexpr size_t kMaxSupersessions = 3;
  static constexpr int64_t kSupersessionWindowNanos = kMinuteNanos;

  Session* Add(std::unique_ptr<Session> session);
  // Forgets a session and deletes it, its transport with it.
  void Remove(Session* session);

  // Called after Hello. Returns the session that it replaces and that must be ended, or nullptr.
  // Errors: ALREADY_EXISTS (replaced too often: the older one stays).
  absl::StatusOr<Session*> Register(Session* session, int64_t now_nanos);
  // Called when a session has ended, before Remove().
  void Unregister(Session* session);

  const std::vector<std::unique_ptr<Session>>& sessions() const { return sessions_; }
  size_t registered() const { return by_host_.size(); }

 private:
  struct Host {
    Session* current = nullptr;
    std::vector<int64_t> supersessions;  // when its stream was replaced lately
  };
  static std::string Key(const Session& session);

  std::vector<std::unique_ptr<Session>> sessions_;
  absl::flat_hash_map<const Session*, size_t> places_;  // in sessions_
  absl::flat_hash_map<std::string, Host> by_host_;
};

}  // namespace entropyd
