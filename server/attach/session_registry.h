// The session registry: the attached sessions, and the rule that a host has one stream. The newest
// stream wins. A host whose stream is replaced again and again looks like two hosts with one
// identity and one host_id: then the older stream stays.
//
//   Session* session = registry.Add(std::move(owned));
//   const SessionRegistry::Answer answer = registry.Register(session, now);   // after Hello
//   if (answer.replaced != nullptr) End(answer.replaced);
//
// Errors: none. A host that was replaced too often is reported as cloned.
//
// Thread safety: belongs to the dispatcher's owner.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "base/process/nanos.h"
#include "server/attach/session.h"

namespace entropyd {

class SessionRegistry {
 public:
  // A host that restarts its agent replaces its stream now and then. A cloned host does so in a
  // loop. The registry refuses more replacements than this within a minute.
  static constexpr size_t kMaxReplacements = 3;
  static constexpr int64_t kReplacementWindowNanos = kMinuteNanos;

  Session* Add(std::unique_ptr<Session> session);
  // Forgets a session and deletes it together with its transport.
  void Remove(Session* session);

  struct Answer {
    // Replaced too often: the older stream stays, and this one is not registered.
    bool cloned = false;
    // The session that this one replaces, which the caller must end. nullptr = none.
    Session* replaced = nullptr;
  };
  // Call it after Hello.
  Answer Register(Session* session, int64_t now_nanos);
  // Call it when a session has ended, before Remove().
  void Unregister(Session* session);

  const std::vector<std::unique_ptr<Session>>& sessions() const { return sessions_; }
  size_t registered() const { return by_host_.size(); }

 private:
  struct Host {
    Session* current = nullptr;
    // The times of the latest replacements of its stream.
    std::vector<int64_t> replacements;
  };
  static std::string Key(const Session& session);

  std::vector<std::unique_ptr<Session>> sessions_;
  // The place of each session in sessions_.
  absl::flat_hash_map<const Session*, size_t> places_;
  absl::flat_hash_map<std::string, Host> by_host_;
};

}  // namespace entropyd
