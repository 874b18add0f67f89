// What commands end with, and what they advise, for each kind of error.
#include "client/ctl/command_status.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <fstream>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/process/fd.h"
#include "base/wire/answer_mark.h"
#include "client/call_error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/temp_dir.h"

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

// Whatever its words are: those of gRPC may be among them.
TEST(CommandStatusTest, WhatAServerMarksAsItsAnswerIsOne) {
  absl::Status status =
      absl::UnavailableError("reload of h:7743: source up: Broken pipe: Socket closed");
  EXPECT_EQ(EndOf(FailServer, status).exit, kExitUnreachable) << "of an old server";
  MarkAnswer(&status);
  const End end = EndOf(FailServer, status);
  EXPECT_EQ(end.exit, kExitRuntime);
  EXPECT_THAT(end.said, Not(HasSubstr("\n  ")));
}

TEST(CommandStatusTest, AClassThatThePolicyDoesNotAllowHasThePolicyAsItsRemedy) {
  const End end = EndOf(
      FailServer, absl::PermissionDeniedError("get from p/gold at h:7743: permission denied: no "
                                              "policy rule lets cn:a draw from p/gold as reader"));
  EXPECT_THAT(end.said, HasSubstr("add the class to `allow` of a rule"));
  EXPECT_THAT(end.said, HasSubstr("only leaf classes"));
  EXPECT_THAT(end.said, Not(HasSubstr("certificate")));
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

TEST(CommandStatusTest, AnAgentThatDoesNotAnswerIsUnreachableAndItsSocketTellsWhy) {
  const TempDir dir;
  const std::string control = dir / "agent.sock";
  const auto end = [&] {
    testing::internal::CaptureStderr();
    const int exit = FailAgent(absl::UnavailableError("the agent does not answer"), control);
    return End{exit, testing::internal::GetCapturedStderr()};
  };
  EXPECT_EQ(end().exit, kExitUnreachable);
  EXPECT_THAT(end().said, HasSubstr("start the agent (systemctl start entropyd-hostagent)"));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  ASSERT_LT(control.size(), sizeof address.sun_path);
  std::memcpy(address.sun_path, control.data(), control.size());
  {
    const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(listen(fd.get(), 8), 0);
    EXPECT_THAT(end().said, HasSubstr("says nothing: its process is stopped"));
    EXPECT_THAT(end().said, HasSubstr("Or this is not its control socket; give"));
  }
  EXPECT_THAT(end().said, HasSubstr("nobody listens on the socket"));
  testing::internal::CaptureStderr();
  EXPECT_EQ(FailAgent(absl::UnavailableError("x"), ""), kExitUnreachable);
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              HasSubstr("entropyd-hostagent runs on this host"));
}

TEST(CommandStatusTest, WhatIsNoSocketIsNoAgentsSocket) {
  const TempDir dir;
  std::ofstream(dir / "file") << "x";
  const auto said = [](const std::string& control) {
    testing::internal::CaptureStderr();
    EXPECT_EQ(FailAgent(absl::UnavailableError("x"), control), kExitUnreachable);
    return testing::internal::GetCapturedStderr();
  };
  EXPECT_THAT(said(dir / "file"), HasSubstr("/file is no socket; give the agent's control socket"));
  EXPECT_THAT(said(dir / ""), HasSubstr(" is a directory; give the agent's control socket"));
}

TEST(CommandStatusTest, WhatACertificateIsGoodForIsToldOfEachRole) {
  const End end = EndOf(FailServer, absl::PermissionDeniedError(
                                        "list pools of h:7743: permission denied: no policy rule "
                                        "gives cn:a the role operator"));
  EXPECT_THAT(end.said, HasSubstr("that of an agent feeds its host"));
  EXPECT_THAT(end.said, HasSubstr("or add a rule for this identity to `policy`"));
}

TEST(CommandStatusTest, WhoeverIsWaitedForIsNamedWithTheLimit) {
  testing::internal::CaptureStderr();
  TellSlow("h:7743", absl::Seconds(35));
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "entropyctl: h:7743 has not answered yet; this waits for 35s at most\n");
}

}  // namespace
}  // namespace entropyd
