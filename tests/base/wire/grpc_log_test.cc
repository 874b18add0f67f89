#include "base/wire/grpc_log.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <string>

#include "base/process/fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;

struct Pipe {
  Pipe() {
    int ends[2];
    EXPECT_EQ(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    reading.reset(ends[0]);
    writing.reset(ends[1]);
  }
  UniqueFd reading;
  UniqueFd writing;
};

class GrpcLogTest : public ::testing::Test {
 protected:
  std::string Written() {
    log_.Flush();
    char text[4096];
    const ssize_t size = read(pipe_.reading.get(), text, sizeof text);
    return size <= 0 ? "" : std::string(text, static_cast<size_t>(size));
  }

  ManualClock clock_;
  Pipe pipe_;
  Log log_{&clock_, pipe_.writing.get()};
  GrpcLines lines_{&log_, &clock_};
};

constexpr char kNoCertificate[] =
    "Handshake failed with fatal error SSL_ERROR_SSL: error:0A0000C7:SSL routines::peer did not "
    "return a certificate.";

TEST_F(GrpcLogTest, AHandshakeThatFailsIsALineWithItsReason) {
  lines_.Line("ssl_transport_security.cc:1501", kNoCertificate);
  EXPECT_THAT(Written(), MatchesRegex(".*level=warning event=tls.refused reason=\"peer did not "
                                      "return a certificate\" peer=\"\" remedy=\"the peer has no "
                                      "certificate: .*\" count=1\n"));
}

TEST_F(GrpcLogTest, AFloodIsOneLineForEachReason) {
  for (int i = 0; i < 1'000; ++i) lines_.Line("x.cc:1", kNoCertificate);
  Written();
  lines_.Line("x.cc:1", "Handshake failed with fatal error SSL_ERROR_SSL: e:lib::http request.");
  EXPECT_THAT(Written(), MatchesRegex(".*reason=\"http request\" .* count=1\n"));
  clock_.Advance(absl::Seconds(10));
  lines_.Line("x.cc:1", kNoCertificate);
  EXPECT_THAT(Written(), HasSubstr("count=1000\n"));
}

TEST_F(GrpcLogTest, ACommonCauseHasARemedy) {
  lines_.Line("x.cc:1",
              "Handshake failed with fatal error SSL_ERROR_SSL: error:0A00010B:SSL "
              "routines::wrong version number.");
  EXPECT_THAT(Written(),
              HasSubstr("reason=\"wrong version number\" peer=\"\" remedy=\"the peer does not "
                        "speak TLS: correct host and port\" count=1\n"));
}

TEST_F(GrpcLogTest, AnythingElseTellsItsPlace) {
  lines_.Line("tcp_server_posix.cc:205", "Failed accept4: Too many open files");
  EXPECT_THAT(Written(), HasSubstr("event=grpc.error message=\"Failed accept4: Too many open "
                                   "files\" place=tcp_server_posix.cc:205 count=1\n"));
}

TEST_F(GrpcLogTest, TracesCannotBeAskedFor) {
  setenv("GRPC_TRACE", "all", 1);
  setenv("GRPC_VERBOSITY", "DEBUG", 1);
  setenv("SSLKEYLOGFILE", "/tmp/keys", 1);
  const std::vector<std::string> cleared = ClearGrpcVariables();
  EXPECT_EQ(getenv("GRPC_TRACE"), nullptr);
  EXPECT_EQ(getenv("GRPC_VERBOSITY"), nullptr);
  EXPECT_EQ(getenv("SSLKEYLOGFILE"), nullptr);
  TellCleared(cleared, &log_);
  EXPECT_THAT(Written(), HasSubstr("event=environment.cleared "
                                   "variables=GRPC_TRACE,GRPC_VERBOSITY,SSLKEYLOGFILE "));
}

TEST_F(GrpcLogTest, NothingIsToldWhenNobodyAskedForTraces) {
  TellCleared(ClearGrpcVariables(), &log_);
  EXPECT_EQ(Written(), "");
}

}  // namespace
}  // namespace entropyd
