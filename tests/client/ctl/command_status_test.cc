// What commands end with, and what they advise, for each kind of error.
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "client/call_error.h"
#include "client/ctl/commands.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

using testing::HasSubstr;
using testing::Not;

// The exit status, and what standard error has got.
struct End {
  int exit;
  std::string said;
};

End EndOf(int (*fail)(const absl::Status&), const absl::Status& status) {
  testing::internal::CaptureStderr();
  const int exit = fail(status);
  return {exit, testing::internal::GetCapturedStderr()};
}

TEST(CommandStatusTest, AServerThatDoesNotAnswerIsUnreachableAndTheAdviceSaysWhereToLook) {
  for (const char* said :
       {"list pools of h:7743: TCP: failed to connect to all addresses; last error: UNKNOWN: "
        "ipv4:127.0.0.1:1: Failed to connect to remote host: Connection refused",
        "get of h:7743: TLS: Socket closed",
        "get of h:7743: name: DNS resolution failed for h:7743: no address"}) {
    const End end = EndOf(FailServer, absl::UnavailableError(said));
    EXPECT_EQ(end.exit, kExitUnreachable) << said;
    EXPECT_THAT(end.said, HasSubstr("\n  ")) << said;
  }
  const End silent = EndOf(FailServer, absl::DeadlineExceededError(absl::StrCat(
                                           "get of h:7743: connected, but ", kNoAnswer, "10s")));
  EXPECT_EQ(silent.exit, kExitUnreachable);
  EXPECT_THAT(silent.said, HasSubstr("look at its log"));
}

// It may be asked again, or another server; its certificate and ours are as they should be.
TEST(CommandStatusTest, AServerThatSaysThatItCannotNowHasAnswered) {
  for (const char* said : {"get of h:7743: the server drains; ask another one",
                           "get of h:7743: pool default is suspended: no source is healthy",
                           "reload of h:7743: the server stops"}) {
    const End end = EndOf(FailServer, absl::UnavailableError(said));
    EXPECT_EQ(end.exit, kExitRuntime) << said;
    EXPECT_THAT(end.said, HasSubstr("UNAVAILABLE: ")) << said;
    EXPECT_THAT(end.said, Not(HasSubstr("certificate"))) << said;
  }
}

TEST(CommandStatusTest, WrongUsageAndFilesAreTwoAndTheRestIsOne) {
  EXPECT_EQ(EndOf(FailServer, absl::InvalidArgumentError("x")).exit, kExitUsage);
  EXPECT_EQ(EndOf(FailServer, absl::FailedPreconditionError("x")).exit, kExitUsage);
  EXPECT_EQ(EndOf(FailServer, absl::NotFoundError("x")).exit, kExitRuntime);
  EXPECT_EQ(EndOf(FailServer, absl::DataLossError("x")).exit, kExitRuntime);
  const End denied = EndOf(FailServer, absl::PermissionDeniedError("x"));
  EXPECT_EQ(denied.exit, kExitRuntime);
  EXPECT_THAT(denied.said, HasSubstr("certificate")) << "here it is about that";
}

TEST(CommandStatusTest, WhoseCertificateTheServerRefusesIsToldWhatToDo) {
  const End end = EndOf(FailServer, absl::UnauthenticatedError(
                                        "get of h:7743: the server refuses the certificate of x: "
                                        "it has expired (alert certificate expired)"));
  EXPECT_EQ(end.exit, kExitRuntime);
  EXPECT_THAT(end.said, HasSubstr("\n  our certificate has expired: renew it"));
}

TEST(CommandStatusTest, AnAgentThatDoesNotAnswerIsUnreachable) {
  const End end =
      EndOf(FailAgent, absl::UnavailableError("the agent's event loop does not answer"));
  EXPECT_EQ(end.exit, kExitUnreachable);
  EXPECT_THAT(end.said, HasSubstr("entropyd-hostagent runs on this host"));
}

}  // namespace
}  // namespace entropyd
