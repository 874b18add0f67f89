#include "base/wire/connection_remedy.h"

#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

using ::testing::HasSubstr;

TEST(ConnectionRemedyTest, CommonCausesHaveASentence) {
  EXPECT_THAT(ConnectionRemedy("UNKNOWN: Peer name a.example is not in peer certificate"),
              HasSubstr("tls.server_name"));
  EXPECT_THAT(ConnectionRemedy("certificate verify failed"), HasSubstr("another CA than tls.ca"));
  EXPECT_THAT(ConnectionRemedy("wrong version number"), HasSubstr("does not speak TLS"));
  EXPECT_THAT(ConnectionRemedy("tlsv1 alert unknown ca"), HasSubstr("issue one by the CA"));
  EXPECT_THAT(ConnectionRemedy("sslv3 alert certificate expired"), HasSubstr("renew it"));
  EXPECT_THAT(ConnectionRemedy("ipv4:127.0.0.1:1: Failed to connect to remote host: Connection "
                               "refused"),
              HasSubstr("nothing listens there"));
  EXPECT_THAT(ConnectionRemedy("last error: UNAVAILABLE: ipv4:127.0.0.1:1: Socket closed"),
              HasSubstr("does not accept our certificate"));
  EXPECT_THAT(ConnectionRemedy("DNS resolution failed for a:1"), HasSubstr("the name"));
  EXPECT_THAT(ConnectionRemedy("ipv4:192.0.2.1:7743: Network is unreachable"),
              HasSubstr("no route there"));
  EXPECT_THAT(ConnectionRemedy("ipv4:192.0.2.1:7743: No route to host"),
              HasSubstr("no machine answers"));
  EXPECT_THAT(ConnectionRemedy("ipv4:192.0.2.1:7743: Permission denied"),
              HasSubstr("firewall of this machine"));
  EXPECT_THAT(ConnectionRemedy("ipv4:192.0.2.1:7743: Connection timed out"),
              HasSubstr("a firewall drops it"));
  EXPECT_THAT(ConnectionRemedy("recvmsg: Connection reset by peer"), HasSubstr("too many"));
  EXPECT_THAT(ConnectionRemedy("attach to a:1: connected, but no Welcome within 22 s"),
              HasSubstr("says nothing"));
  EXPECT_THAT(ConnectionRemedy("attach to a:1: no connection within 22 s"),
              HasSubstr("nothing comes back"));
  EXPECT_THAT(ConnectionRemedy("look up the name a: Name or service not known"),
              HasSubstr("getent ahosts"));
  EXPECT_THAT(ConnectionRemedy("list pools of a:1: no answer within 10s"), HasSubstr("hangs"));
}

// The texts are those of gRPC 1.51, as it says them of such a peer.
TEST(ConnectionStepTest, EachFailureTellsItsStep) {
  const std::string all = "failed to connect to all addresses; last error: ";
  const std::pair<std::string, const char*> failures[] = {
      {"DNS resolution failed for a:1: UNKNOWN: Name or service not known", "name"},
      {"look up the name a: the resolver has not answered within 8s", "name"},
      {all + "UNKNOWN: ipv4:127.0.0.1:1: Failed to connect to remote host: Connection refused",
       "TCP"},
      {all + "UNKNOWN: ipv4:127.0.0.1:1: Failed to connect to remote host: Connection timed out",
       "TCP"},
      {"attach to a:1: no connection within 22 s", "TCP"},
      {all + "UNKNOWN: ipv4:127.0.0.1:1: Handshake read failed", "TLS"},
      {all + "UNAVAILABLE: ipv4:127.0.0.1:1: Socket closed", "TLS"},
      {all + "UNAVAILABLE: ipv4:127.0.0.1:1: recvmsg:Connection reset by peer", "TLS"},
      {all + "UNKNOWN: ipv4:127.0.0.1:1: Ssl handshake failed: SSL_ERROR_SSL: "
             "error:0A000086:SSL routines::certificate verify failed",
       "TLS"},
      {all + "UNKNOWN: ipv4:127.0.0.1:1: Peer name a is not in peer certificate", "TLS"},
      {all + "UNKNOWN: ipv4:127.0.0.1:1: Cannot check peer: missing selected ALPN property.",
       "TLS"},
      {all + "UNAVAILABLE: ipv4:127.0.0.1:1: keepalive watchdog timeout", "Hello"},
      {"keepalive watchdog timeout", "Hello"},
      {"Socket closed", "Hello"},
      {"attach to a:1: connected, but no Welcome within 22 s", "Hello"},
      {"no policy rule gives 'x' the role agent", "Hello"}};
  for (const auto& [text, step] : failures) EXPECT_EQ(StepWord(StepOf(text)), step) << text;
}

TEST(ConnectionRemedyTest, AServerHasKeysAndPeersOfItsOwn) {
  for (const char* text : {"certificate verify failed: unable to get local issuer certificate",
                           "certificate verify failed: self-signed certificate"}) {
    EXPECT_THAT(ServerRemedy(text), HasSubstr("not in tls.client_ca")) << text;
    EXPECT_THAT(ConnectionRemedy(text), HasSubstr("as tls.ca")) << text;
  }
  EXPECT_THAT(ServerRemedy("certificate verify failed: certificate has expired"),
              HasSubstr("renew it there"));
  EXPECT_THAT(ServerRemedy("certificate verify failed: certificate is not yet valid"),
              HasSubstr("clocks"));
  EXPECT_THAT(ServerRemedy("certificate verify failed"), HasSubstr("tells why"));
  EXPECT_THAT(ServerRemedy("peer did not return a certificate"), HasSubstr("has no certificate"));
  EXPECT_THAT(ServerRemedy("http request"), HasSubstr("HTTP without TLS"));
  EXPECT_THAT(ServerRemedy("wrong version number"), HasSubstr("does not speak TLS"));
  EXPECT_THAT(ServerRemedy("tlsv1 alert unknown ca"), HasSubstr("as tls.ca, or issue our"));
  EXPECT_THAT(ServerRemedy("sslv3 alert certificate revoked"), HasSubstr("issue a new one"));
  EXPECT_THAT(ServerRemedy("certificate verify failed: more than 8 certificates, or 16384 bytes, "
                           "besides its own"),
              HasSubstr("only its own certificate"));
  EXPECT_THAT(ServerRemedy("certificate verify failed: nobody is here to examine its certificate"),
              HasSubstr("restart it"));
}

TEST(ConnectionRemedyTest, TheMoreExactCauseWins) {
  EXPECT_THAT(ConnectionRemedy("certificate verify failed: certificate has expired"),
              HasSubstr("renew it there"));
}

TEST(ConnectionRemedyTest, OtherTextsHaveNone) {
  EXPECT_EQ(ConnectionRemedy(""), "");
  EXPECT_EQ(ConnectionRemedy("unexpected message"), "");
  EXPECT_EQ(ConnectionRemedy("the server ended the stream"), "");
}

}  // namespace
}  // namespace entropyd
