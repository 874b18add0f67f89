// The attached agents, as operators see them. A server may have thousands, so the list is made in
// several turns of the dispatcher; between them claimants get bytes.
//
//   auto list = std::make_shared<AgentList>(registry);
//   ... in a turn, and in the next one for as long as it returns true ...
//   bool more = list->AddSome(registry, now, &response);
//
// Errors: none. Agents that come after it was begun are not in it, nor those that leave before
// their turn.
//
// Thread safety: the dispatcher's owner.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/container/flat_hash_set.h"
#include "proto/admin.pb.h"
#include "server/attach/session_registry.h"

namespace entropyd {

class AgentList {
 public:
  // A millisecond, with ten channels each.
  static constexpr size_t kAgentsPerTurn = 200;

  explicit AgentList(const SessionRegistry& registry) : left_(registry.sessions().size()) {}

  // True when others are left.
  bool AddSome(const SessionRegistry& registry, int64_t now_nanos,
               v1::ListAgentsResponse* response);

 private:
  // Sessions before this place in the registry are not in it yet.
  size_t left_;
  // When a session leaves, the last of the registry takes its place, which may be in it.
  absl::flat_hash_set<uint64_t> listed_;
};

}  // namespace entropyd
