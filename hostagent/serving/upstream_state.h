// The state of upstream, as one class sees it. Upstream reports each change; a class never asks.
//
//   served_class->OnUpstream({UpstreamState::Kind::kRefused, kNever, "not in the host's policy"});
//
// Errors: none.
//
// Thread safety: a value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/process/nanos.h"

namespace entropyd {

struct UpstreamState {
  enum class Kind {
    // No server is attached. The last server's words count until another one speaks.
    kGone,
    // Attached. The server has said nothing about the class yet.
    kAsked,
    // The server has nothing for the class now.
    kSuspended,
    // The server serves the class.
    kOpen,
    // A server that is there refuses the class. That is no loss.
    kRefused,
  };
  static constexpr size_t kKinds = 5;

  Kind kind = Kind::kGone;
  // From this time on its guests count as left alone, if nothing changes; kNever = they are served.
  // It may be set while the class is open, when the server is silent.
  int64_t lost_at = kNever;
  // Why it is kRefused.
  std::string reason = "";

  friend bool operator==(const UpstreamState&, const UpstreamState&) = default;
};

}  // namespace entropyd
