// What an authority issues is what TLS asks for, in both directions.

#include <filesystem>
#include <memory>
#include <string>

#include "absl/time/clock.h"
#include "client/pki/certificate.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "openssl/err.h"
#include "openssl/ssl.h"
#include "tests/client/pki/pki_rig.h"

namespace entropyd::pki {
namespace {

namespace fs = std::filesystem;

using SslContextPtr = std::unique_ptr<SSL_CTX, OpenSslDeleter<SSL_CTX_free>>;
using SslPtr = std::unique_ptr<SSL, OpenSslDeleter<SSL_free>>;

// One end of a TLS 1.3 connection that demands a certificate of the same authority from the other.
struct Peer {
  SslContextPtr context;
  SslPtr ssl;
};

Peer MakePeer(const Issued& own, const std::string& ca_path, bool server) {
  Peer peer;
  peer.context.reset(SSL_CTX_new(TLS_method()));
  SSL_CTX* context = peer.context.get();
  SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  EXPECT_EQ(SSL_CTX_use_certificate_chain_file(context, own.cert_path.c_str()), 1);
  EXPECT_EQ(SSL_CTX_use_PrivateKey_file(context, own.key_path.c_str(), SSL_FILETYPE_PEM), 1);
  EXPECT_EQ(SSL_CTX_load_verify_locations(context, ca_path.c_str(), nullptr), 1);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  peer.ssl.reset(SSL_new(context));
  server ? SSL_set_accept_state(peer.ssl.get()) : SSL_set_connect_state(peer.ssl.get());
  return peer;
}

// Moves the bytes between both ends until they agree or one gives up.
bool Handshake(Peer* a, Peer* b) {
  BIO* a_end = nullptr;
  BIO* b_end = nullptr;
  BIO_new_bio_pair(&a_end, 0, &b_end, 0);
  SSL_set_bio(a->ssl.get(), a_end, a_end);
  SSL_set_bio(b->ssl.get(), b_end, b_end);
  for (int i = 0; i < 20; ++i) {
    const int a_done = SSL_do_handshake(a->ssl.get());
    const int b_done = SSL_do_handshake(b->ssl.get());
    if (a_done == 1 && b_done == 1) return true;
    ERR_clear_error();
  }
  return false;
}

class PkiHandshakeTest : public PkiTest {
 protected:
  // Certificates of now, because the handshake looks at the real clock.
  PkiHandshakeTest() {
    EXPECT_TRUE(Init(ca_, {.common_name = "test"}, absl::Now()).ok());
    server_ = *Issue(ca_, {.name = "server", .dns_names = {"entropyd"}}, absl::Now());
    agent_ = *Issue(ca_, {.name = "h7", .spiffe_id = "spiffe://dc1/agent/h7"}, absl::Now());
  }
  Issued server_;
  Issued agent_;
};

TEST_F(PkiHandshakeTest, MutualTls13Works) {
  Peer server = MakePeer(server_, ca_ + "/ca.crt", true);
  Peer agent = MakePeer(agent_, ca_ + "/ca.crt", false);
  SSL_set1_host(agent.ssl.get(), "entropyd");
  ASSERT_TRUE(Handshake(&agent, &server));
  EXPECT_STREQ(SSL_get_version(agent.ssl.get()), "TLSv1.3");
  const CertPtr seen(SSL_get1_peer_certificate(server.ssl.get()));
  EXPECT_EQ(SerialHex(seen.get()), agent_.serial_hex);
}

TEST_F(PkiHandshakeTest, WrongNameAndForeignAuthorityAreRefused) {
  Peer server = MakePeer(server_, ca_ + "/ca.crt", true);
  Peer agent = MakePeer(agent_, ca_ + "/ca.crt", false);
  SSL_set1_host(agent.ssl.get(), "somebody-else");
  EXPECT_FALSE(Handshake(&agent, &server));

  ASSERT_TRUE(Init(root_ + "/other", {.common_name = "test"}, absl::Now()).ok());
  const auto stranger = Issue(root_ + "/other", {.name = "h7"}, absl::Now());
  ASSERT_TRUE(stranger.ok());
  Peer server2 = MakePeer(server_, ca_ + "/ca.crt", true);
  Peer agent2 = MakePeer(*stranger, ca_ + "/ca.crt", false);
  EXPECT_FALSE(Handshake(&agent2, &server2));
}

}  // namespace
}  // namespace entropyd::pki
