#include "client/doctor/tls_probe.h"

#include <signal.h>
#include <sys/socket.h>

#include "absl/time/clock.h"
#include "base/process/fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace entropyd::doctor {
namespace {

using testing::Eq;

TEST(TlsProbeTest, AServerThatGoesInTheHandshakeEndsTheProbeAndNotTheProgram) {
  signal(SIGPIPE, SIG_DFL);
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
  const UniqueFd ours(ends[0]);
  UniqueFd(ends[1]).reset();
  const absl::Status status =
      ProbeTls(ours.get(), {}, "localhost", absl::Now() + absl::Minutes(1)).status();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_THAT(std::string(status.message()),
              Eq("the server ended the connection in the handshake"));
  sigset_t pending;
  ASSERT_EQ(sigpending(&pending), 0);
  EXPECT_EQ(sigismember(&pending, SIGPIPE), 0) << "it would come later";
}

}  // namespace
}  // namespace entropyd::doctor
