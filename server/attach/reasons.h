// Why a peer gets nothing, or gets no more: values that code can tell apart. They become a text and
// a status code where they leave the server, and only there.
//
//   session->End({.cause = SessionEnd::Cause::kReplaced}, now);
//   transport->Finish(ToStatus(session->end(), session->peer().identity));
//
// Two kinds of reasons have an absl::Status of their own, which goes to the wire unchanged. One is
// a message that breaks the protocol (SessionEnd::kViolation): the status names the field and the
// figures. The other comes from a pool or from server/access/, which make their own text.
//
// Errors: none; ToStatus() makes those that peers get.
//
// Thread safety: values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/pool/pool_state.h"

namespace entropyd {

// The call by which a peer asks for bytes.
enum class Call { kAttach, kGet };

// Why a peer may not use a class.
struct ClassRefusal {
  enum class Cause {
    // The policy forbids it. `policy` says which rule is missing.
    kForbidden,
    // A new configuration has it no more, or has classes below it. Before, it was a leaf.
    kRemoved,
    // There is no such class. Only a peer whom the policy would allow the class learns this.
    kUnknown,
    // It has classes below it, and only these give bytes. Learnt as kUnknown is.
    kInner,
    // Its pool gives a lower quality than the peer asked for.
    kLowerQuality,
    // `channel` of the same stream has it.
    kOpenAlready,
    // What the peer named is no POOL/CLASS. Only an excerpt of it is known.
    kNoName,
  };
  Cause cause = Cause::kUnknown;
  absl::Status policy = {};
  uint32_t channel = 0;
  // With kForbidden, kUnknown and kInner: classes that the peer may have, and whether there are
  // more. Empty: there are none, or the peer is not told.
  std::vector<std::string> known = {};
  bool more_known = false;
};
absl::Status ToStatus(const ClassRefusal& refusal, Call call, absl::string_view pool_class);

// Why an identity may not begin another stream or Get.
struct ShareRefusal {
  enum class Cause {
    // It has `count` streams.
    kStreams,
    // `count` of its Gets wait.
    kGets,
    // `count` answers to its Gets are not read.
    kAnswers,
    // It has sent `count` messages within a second.
    kMessages,
  };
  Cause cause = Cause::kStreams;
  uint32_t count = 0;
};
// Names the key of server.yaml.
absl::Status ToStatus(const ShareRefusal& refusal, Call call, absl::string_view identity);

// Why a stream is over.
struct SessionEnd {
  enum class Cause {
    // It is not over.
    kNone,
    // Half-closed: the peer wants no more.
    kPeerDone,
    // Cancelled, or a write failed.
    kPeerGone,
    // `refused` says what the peer sent.
    kViolation,
    // The stream began after the server had begun to drain.
    kServerDrains,
    // `limit` agents are attached already.
    kTooManyAgents,
    // The identity has its share of streams or messages: see `share`.
    kIdentityShare,
    // The host's stream was replaced more than `limit` times within a minute.
    kClonedHost,
    // The same host has attached again, by a newer stream.
    kReplaced,
    // The peer sent no Hello in time.
    kNoHello,
    // The server told it to go (`drain_reason`), and its time is up.
    kDrained,
    // The peer has stopped reading.
    kStuckWrite,
    // The peer promised heartbeats, and nothing has come for too long.
    kSilent,
    // The rules have changed, and the peer may not come in any more: see `refused`.
    kShutOut,
  };
  Cause cause = Cause::kNone;
  absl::Status refused = {};
  ShareRefusal share = {};
  uint32_t limit = 0;
  std::string drain_reason = {};
};
absl::Status ToStatus(const SessionEnd& end, absl::string_view identity);
// What the log calls it when the server does not let a stream in; "" for all other ends.
absl::string_view DenialName(SessionEnd::Cause cause);

// Why a Get ends without its bytes.
struct GetEnd {
  enum class Cause {
    kServerDrains,
    // The request asks for a wrong number of bytes.
    kBadSize,
    // `limit` Gets wait already.
    kTooMany,
    // The identity has its share of Gets or messages: see `share`.
    kIdentityShare,
    // The peer may not use the class: see `refusal`.
    kRefusedClass,
    // The pool gives nothing now; `pool` says why.
    kSuspended,
    // The pool has lost its sources while the Get waited; `pool` says how.
    kLostSources,
    // A read from the pool failed: see `refused`.
    kPoolRefused,
    // The class could not give the bytes in time.
    kTimeUp,
    // As SessionEnd::Cause::kShutOut.
    kShutOut,
    kCallerGone,
  };
  Cause cause = Cause::kCallerGone;
  ClassRefusal refusal = {};
  absl::Status refused = {};
  ShareRefusal share = {};
  uint32_t limit = 0;
  PoolState pool = {};
};
// `bytes` of POOL/CLASS were asked for.
absl::Status ToStatus(const GetEnd& end, absl::string_view identity, absl::string_view pool_class,
                      uint32_t bytes);

}  // namespace entropyd
