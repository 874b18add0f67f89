#include "server/attach/reasons.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/text/names.h"
#include "base/wire/attach_limits.h"

namespace entropyd {
namespace {

// What a refusal says of other classes.
std::string OtherClasses(const ClassRefusal& refusal) {
  if (refusal.known.empty()) return "";
  return absl::StrCat("; there are ", absl::StrJoin(refusal.known, ", "),
                      refusal.more_known ? " and more" : "");
}

}  // namespace

absl::Status ToStatus(const ClassRefusal& refusal, Call call, absl::string_view pool_class) {
  switch (refusal.cause) {
    case ClassRefusal::Cause::kForbidden:
      return absl::Status(refusal.policy.code(),
                          absl::StrCat(refusal.policy.message(), OtherClasses(refusal)));
    case ClassRefusal::Cause::kUnknown:
      return absl::NotFoundError(absl::StrCat(call == Call::kAttach ? "open " : "get from ",
                                              pool_class, ": the server has no such class",
                                              OtherClasses(refusal)));
    case ClassRefusal::Cause::kInner:
      return absl::NotFoundError(absl::StrCat(
          call == Call::kAttach ? "open " : "get from ", pool_class,
          ": it is an inner class, which has no members; name a class without children",
          OtherClasses(refusal)));
    case ClassRefusal::Cause::kRemoved:
      return absl::NotFoundError(absl::StrCat(call == Call::kAttach ? "open " : "get from ",
                                              pool_class,
                                              ": a new configuration has no such leaf class"));
    case ClassRefusal::Cause::kLowerQuality:
      return absl::FailedPreconditionError(
          absl::StrCat(call == Call::kAttach ? "open " : "get from ", pool_class,
                       ": its pool gives quality drbg, full was asked for"));
    case ClassRefusal::Cause::kOpenAlready:
      return absl::AlreadyExistsError(absl::StrCat("open ", pool_class, ": channel ",
                                                   refusal.channel,
                                                   " of this stream has it; close that one first"));
    case ClassRefusal::Cause::kNoName:
      return absl::InvalidArgumentError(absl::StrCat(call == Call::kAttach ? "open " : "get from ",
                                                     pool_class, ": no POOL/CLASS: each is 1 to ",
                                                     kMaxPoolNameBytes,
                                                     " letters, digits, '-', '_' and '.'"));
  }
  return absl::InternalError("unknown refusal of a class");
}

absl::Status ToStatus(const ShareRefusal& refusal, Call call, absl::string_view identity) {
  using Cause = ShareRefusal::Cause;
  switch (refusal.cause) {
    case Cause::kStreams:
      return absl::ResourceExhaustedError(absl::StrCat("attach: ", identity, " has ", refusal.count,
                                                       " streams (max_streams_per_identity)"));
    case Cause::kGets:
      return absl::ResourceExhaustedError(
          absl::StrCat("get: ", refusal.count, " calls of ", identity,
                       " wait (max_gets_per_identity); try again later"));
    case Cause::kAnswers:
      return absl::ResourceExhaustedError(
          absl::StrCat("get: ", refusal.count, " answers to ", identity,
                       " are not read yet (max_gets_per_identity); read them first"));
    case Cause::kMessages:
      return absl::ResourceExhaustedError(absl::StrCat(
          call == Call::kAttach ? "attach: " : "get: ", identity, " has sent ", refusal.count,
          " messages within a second (max_messages_per_identity_per_second)"));
  }
  return absl::InternalError("unknown refusal of a share");
}

absl::Status ToStatus(const SessionEnd& end, absl::string_view identity) {
  using Cause = SessionEnd::Cause;
  switch (end.cause) {
    case Cause::kNone:
    case Cause::kPeerDone:
      return absl::OkStatus();
    case Cause::kPeerGone:
      return absl::CancelledError("the peer is gone");
    case Cause::kViolation:
    case Cause::kShutOut:
      return end.refused;
    case Cause::kIdentityShare:
      return ToStatus(end.share, Call::kAttach, identity);
    case Cause::kClonedHost:
      return absl::AlreadyExistsError(absl::StrCat(
          "attach ", identity, ": its stream was replaced more than ", end.limit,
          " times within a minute; is the host cloned? give each host a host_id of its own"));
    case Cause::kServerDrains:
      return absl::UnavailableError("attach: the server drains; attach elsewhere");
    case Cause::kTooManyAgents:
      return absl::ResourceExhaustedError(
          absl::StrCat("attach: ", end.limit, " agents are attached (max_agents)"));
    case Cause::kReplaced:
      return absl::AbortedError("replaced: the host has attached again");
    case Cause::kNoHello:
      return absl::DeadlineExceededError(absl::StrCat(
          "no hello within ", kHelloTimeoutNanos / kSecondNanos, " s of the stream's start"));
    case Cause::kDrained:
      return absl::UnavailableError(absl::StrCat("drained: ", end.drain_reason));
    case Cause::kStuckWrite:
      return absl::DeadlineExceededError("the peer does not read: a write is outstanding");
    case Cause::kSilent:
      // An agent that was stopped for a while has nothing to mend, and may come back at once.
      return absl::UnavailableError("the peer is silent: it promised heartbeats and sent none");
  }
  return absl::InternalError("unknown end of a session");
}

absl::string_view DenialName(SessionEnd::Cause cause) {
  switch (cause) {
    case SessionEnd::Cause::kTooManyAgents:
      return "max_agents";
    case SessionEnd::Cause::kIdentityShare:
      return "identity_share";
    case SessionEnd::Cause::kClonedHost:
      return "cloned_host";
    default:
      return "";
  }
}

absl::Status ToStatus(const GetEnd& end, absl::string_view identity, absl::string_view pool_class,
                      uint32_t bytes) {
  using Cause = GetEnd::Cause;
  switch (end.cause) {
    case Cause::kServerDrains:
      return absl::UnavailableError("get: the server drains; ask another one");
    case Cause::kBadSize:
      return absl::InvalidArgumentError(
          absl::StrCat("get: bytes is ", bytes, ", must be 1..", kGetMaxBytes));
    case Cause::kTooMany:
      return absl::ResourceExhaustedError(
          absl::StrCat("get: ", end.limit, " calls wait (max_gets); try again later"));
    case Cause::kRefusedClass:
      return ToStatus(end.refusal, Call::kGet, pool_class);
    case Cause::kSuspended:
      return absl::UnavailableError(
          absl::StrCat("get from ", pool_class, ": the pool is suspended: ", end.pool.Text()));
    case Cause::kLostSources:
      return absl::UnavailableError(absl::StrCat(
          "get from ", pool_class, ": the pool has lost its sources: ", end.pool.Text()));
    case Cause::kIdentityShare:
      return ToStatus(end.share, Call::kGet, identity);
    case Cause::kPoolRefused:
    case Cause::kShutOut:
      return end.refused;
    case Cause::kTimeUp:
      return absl::DeadlineExceededError(absl::StrCat(
          "get from ", pool_class, ": the class could not give ", bytes, " bytes within 30 s"));
    case Cause::kCallerGone:
      return absl::CancelledError("the caller is gone");
  }
  return absl::InternalError("unknown end of a get");
}

}  // namespace entropyd
