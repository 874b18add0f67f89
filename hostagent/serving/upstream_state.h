// What upstream is to one class. Whoever fills the class's buffer pushes it whenever it changes; a
// class asks nobody.
//
//   served_class->OnUpstream({UpstreamState::Kind::kRefused, kNever, "not in the host's policy"});
//
// Thread safety: a value.
#pragma once

#include <cstdint>
#include <string>

#include "base/process/nanos.h"

namespace entropyd {

struct UpstreamState {
  enum class Kind {
    kGone,       // no server is attached. What one has said before stands until another speaks.
    kAsked,      // attached; the server has said nothing about the class yet
    kSuspended,  // the server has nothing for the class now
    kOpen,
    kRefused,  // a server that is there refuses the class: no loss
  };

  Kind kind = Kind::kGone;
  // From when on its guests count as left alone, if nothing changes; kNever = they are served. Also
  // while the class is open: a server may be silent.
  int64_t lost_at = kNever;
  std::string reason = "";  // of kRefused

  friend bool operator==(const UpstreamState&, const UpstreamState&) = default;
};

}  // namespace entropyd
