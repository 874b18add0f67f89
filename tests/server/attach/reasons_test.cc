#include "server/attach/reasons.h"

#include <map>
#include <string>

#include "gtest/gtest.h"

namespace entropyd {
namespace {

TEST(ReasonsTest, EveryEndOfASessionHasTheCodeOfTheContract) {
  using Cause = SessionEnd::Cause;
  const std::map<Cause, absl::StatusCode> codes = {
      {Cause::kNone, absl::StatusCode::kOk},
      {Cause::kPeerDone, absl::StatusCode::kOk},
      {Cause::kPeerGone, absl::StatusCode::kCancelled},
      {Cause::kServerDrains, absl::StatusCode::kUnavailable},
      {Cause::kTooManyAgents, absl::StatusCode::kResourceExhausted},
      {Cause::kReplaced, absl::StatusCode::kAborted},
      {Cause::kNoHello, absl::StatusCode::kDeadlineExceeded},
      {Cause::kDrained, absl::StatusCode::kUnavailable},
      {Cause::kStuckWrite, absl::StatusCode::kDeadlineExceeded},
      {Cause::kSilent, absl::StatusCode::kUnavailable},
  };
  for (const auto& [cause, code] : codes) EXPECT_EQ(ToStatus({.cause = cause}, "a").code(), code);
  for (const Cause cause : {Cause::kViolation, Cause::kShutOut}) {
    EXPECT_EQ(ToStatus({.cause = cause, .refused = absl::OutOfRangeError("why")}, "a"),
              absl::OutOfRangeError("why"));
  }
  EXPECT_EQ(ToStatus({.cause = Cause::kDrained, .drain_reason = "upgrade"}, "a").message(),
            "drained: upgrade");
  EXPECT_EQ(ToStatus({.cause = Cause::kClonedHost, .limit = 3}, "a"),
            absl::AlreadyExistsError("attach a: its stream was replaced more than 3 times within a "
                                     "minute; is the host cloned? give each host a host_id of its "
                                     "own"));
  EXPECT_EQ(ToStatus({.cause = Cause::kTooManyAgents, .limit = 7}, "a").message(),
            "attach: 7 agents are attached (max_agents)");
}

TEST(ReasonsTest, AFullShareNamesWhatIsHeldAndTheKeyOfItsLimit) {
  using Cause = ShareRefusal::Cause;
  EXPECT_EQ(ToStatus({Cause::kStreams, 2}, Call::kAttach, "a"),
            absl::ResourceExhaustedError("attach: a has 2 streams (max_streams_per_identity)"));
  EXPECT_EQ(ToStatus({Cause::kGets, 1}, Call::kGet, "a"),
            absl::ResourceExhaustedError(
                "get: 1 calls of a wait (max_gets_per_identity); try again later"));
  EXPECT_EQ(ToStatus({Cause::kMessages, 10}, Call::kAttach, "a"),
            absl::ResourceExhaustedError("attach: a has sent 10 messages within a second "
                                         "(max_messages_per_identity_per_second)"));
  const GetEnd end = {.cause = GetEnd::Cause::kIdentityShare, .share = {Cause::kMessages, 10}};
  EXPECT_EQ(ToStatus(end, "a", "default/gold", 100),
            absl::ResourceExhaustedError("get: a has sent 10 messages within a second "
                                         "(max_messages_per_identity_per_second)"));
}

TEST(ReasonsTest, OnlyWhoIsNotLetInIsDenied) {
  using Cause = SessionEnd::Cause;
  EXPECT_EQ(DenialName(Cause::kTooManyAgents), "max_agents");
  EXPECT_EQ(DenialName(Cause::kIdentityShare), "identity_share");
  EXPECT_EQ(DenialName(Cause::kClonedHost), "cloned_host");
  for (const Cause cause : {Cause::kPeerGone, Cause::kServerDrains, Cause::kReplaced}) {
    EXPECT_EQ(DenialName(cause), "");
  }
}

TEST(ReasonsTest, EveryEndOfAGetHasTheCodeOfTheContract) {
  using Cause = GetEnd::Cause;
  const std::map<Cause, absl::StatusCode> codes = {
      {Cause::kServerDrains, absl::StatusCode::kUnavailable},
      {Cause::kBadSize, absl::StatusCode::kInvalidArgument},
      {Cause::kTooMany, absl::StatusCode::kResourceExhausted},
      {Cause::kRefusedClass, absl::StatusCode::kNotFound},
      {Cause::kSuspended, absl::StatusCode::kUnavailable},
      {Cause::kLostSources, absl::StatusCode::kUnavailable},
      {Cause::kTimeUp, absl::StatusCode::kDeadlineExceeded},
      {Cause::kCallerGone, absl::StatusCode::kCancelled},
  };
  for (const auto& [cause, code] : codes) {
    EXPECT_EQ(ToStatus(GetEnd{.cause = cause}, "a", "default/gold", 10).code(), code);
  }
  const GetEnd refused = {.cause = Cause::kPoolRefused, .refused = absl::InternalError("DRBG")};
  EXPECT_EQ(ToStatus(refused, "a", "default/gold", 10), absl::InternalError("DRBG"));
  const PoolState pool = {.phase = PoolState::Phase::kSuspended,
                          .reason = PoolState::Reason::kSeedWornOut,
                          .bytes_since_seed = 5};
  EXPECT_EQ(ToStatus({.cause = Cause::kSuspended, .pool = pool}, "a", "a/b", 10).message(),
            "get from a/b: the pool is suspended: no seed since 5 bytes");
  EXPECT_EQ(ToStatus({.cause = Cause::kLostSources, .pool = pool}, "a", "a/b", 10).message(),
            "get from a/b: the pool has lost its sources: no seed since 5 bytes");
  EXPECT_EQ(ToStatus(GetEnd{.cause = Cause::kTimeUp}, "a", "a/b", 10).message(),
            "get from a/b: the class could not give 10 bytes within 30 s");
}

TEST(ReasonsTest, ARefusedClassIsToldInTheWordsOfTheCall) {
  using Cause = ClassRefusal::Cause;
  EXPECT_EQ(ToStatus({Cause::kUnknown}, Call::kAttach, "a/b"),
            absl::NotFoundError("open a/b: the server has no such class"));
  EXPECT_EQ(ToStatus({.cause = Cause::kUnknown, .known = {"a/c", "a/d"}}, Call::kAttach, "a/b"),
            absl::NotFoundError("open a/b: the server has no such class; there are a/c, a/d"));
  EXPECT_EQ(ToStatus({.cause = Cause::kUnknown, .known = {"a/c"}, .more_known = true},
                     Call::kAttach, "a/b")
                .message(),
            "open a/b: the server has no such class; there are a/c and more");
  EXPECT_EQ(
      ToStatus({.cause = Cause::kInner, .known = {"a/c"}}, Call::kAttach, "a/b"),
      absl::NotFoundError("open a/b: it is an inner class, which has no members; name a class "
                          "without children; there are a/c"));
  EXPECT_EQ(ToStatus({Cause::kUnknown}, Call::kGet, "a/b"),
            absl::NotFoundError("get from a/b: the server has no such class"));
  EXPECT_EQ(
      ToStatus({Cause::kForbidden, absl::PermissionDeniedError("no rule")}, Call::kGet, "a/b"),
      absl::PermissionDeniedError("no rule"));
  EXPECT_EQ(ToStatus({.cause = Cause::kForbidden,
                      .policy = absl::PermissionDeniedError("no rule"),
                      .known = {"a/c"}},
                     Call::kAttach, "a/b"),
            absl::PermissionDeniedError("no rule; there are a/c"));
  EXPECT_EQ(ToStatus({Cause::kLowerQuality}, Call::kGet, "a/b").code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(
      ToStatus({.cause = Cause::kOpenAlready, .channel = 3}, Call::kAttach, "a/b"),
      absl::AlreadyExistsError("open a/b: channel 3 of this stream has it; close that one first"));
  EXPECT_EQ(ToStatus({Cause::kNoName}, Call::kAttach, "'a b'"),
            absl::InvalidArgumentError("open 'a b': no POOL/CLASS: each is 1 to 256 letters, "
                                       "digits, '-', '_' and '.'"));
}

}  // namespace
}  // namespace entropyd
