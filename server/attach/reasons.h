// Why a peer gets nothing, or no more: values that code can tell apart. They become text and a
// status code where they leave the server, and only there.
//
//   session->End({.cause = SessionEnd::Cause::kSuperseded}, now);
//   transport->Finish(ToStatus(session->end()));
//
// A message that breaks the protocol is refused with an absl::Status of its own, which names the
// field and the figures: it goes to the wire as it is (SessionEnd::kViolation).
//
// Thread safety: values.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace entropyd {

// What a peer asks for bytes with.
enum class Call { kAttach, kGet };

// Why a class is not given to somebody.
struct ClassRefusal {
  enum class Cause {
    kForbidden,     // by policy; `policy` says which rule is missing
    kUnknown,       // there is no such class. Said only to who would be allowed to have it
    kLowerQuality,  // its pool gives less than was asked for
  };
  Cause cause = Cause::kUnknown;
  absl::Status policy = {};
};
absl::Status ToStatus(const ClassRefusal& refusal, Call call, absl::string_view pool_class);

// Why a stream is over.
struct SessionEnd {
  enum class Cause {
    kNone,           // it is not
    kPeerDone,       // half-closed: the peer wants no more
    kPeerGone,       // cancelled, or a write failed
    kViolation,      // `refused` says what the peer sent
    kServerDrains,   // came when the server had begun to drain
    kTooManyAgents,  // `limit` are attached
    kClonedHost,     // replaced too often: `refused` says so
    kSuperseded,     // the same host has attached again
    kNoHello,        // nothing was said in time
    kDrained,        // it was told to go (`drain_reason`), and time is up
    kStuckWrite,     // the peer does not read
  };
  Cause cause = Cause::kNone;
  absl::Status refused = {};
  uint32_t limit = 0;
  std::string drain_reason = {};
};
absl::Status ToStatus(const SessionEnd& end);

// Why a Get ends without its bytes.
struct GetEnd {
  enum class Cause {
    kServerDrains,
    kBadSize,       // of the request
    kTooMany,       // Gets wait, of this identity or at all
    kRefusedClass,  // `refusal`
    kSuspended,     // the pool gives nothing now; `detail` says why
    kLostSources,   // the pool has lost its sources while the Get waited; `detail` says how
    kPoolRefused,   // a read failed: `refused`
    kTimeUp,        // the class could not give the bytes in time
    kCallerGone,
  };
  Cause cause = Cause::kCallerGone;
  ClassRefusal refusal = {};
  absl::Status refused = {};
  std::string detail = {};
};
absl::Status ToStatus(const GetEnd& end, absl::string_view pool_class, uint32_t bytes);

}  // namespace entropyd
