#include "base/crypto/tls.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/types/optional.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "openssl/err.h"
#include "openssl/pem.h"
#include "openssl/ssl.h"
#include "tests/base/crypto/test_certs.h"
#include "tests/temp_dir.h"

namespace entropyd::tls {
namespace {

using ::testing::HasSubstr;

// --- RequireTls13 -------------------------------------------------------------------------------

class Context {
 public:
  explicit Context(const SSL_METHOD* method) : ctx_(SSL_CTX_new(method)) {}
  ~Context() { SSL_CTX_free(ctx_); }
  SSL_CTX* get() { return ctx_; }

  void Use(const TestCa::Leaf& leaf) {
    BIO* cert = BIO_new_mem_buf(leaf.cert_pem.data(), static_cast<int>(leaf.cert_pem.size()));
    X509* x509 = PEM_read_bio_X509(cert, nullptr, nullptr, nullptr);
    BIO* key = BIO_new_mem_buf(leaf.key_pem.data(), static_cast<int>(leaf.key_pem.size()));
    EVP_PKEY* pkey = PEM_read_bio_PrivateKey(key, nullptr, nullptr, nullptr);
    ASSERT_EQ(SSL_CTX_use_certificate(ctx_, x509), 1);
    ASSERT_EQ(SSL_CTX_use_PrivateKey(ctx_, pkey), 1);
    X509_free(x509);
    EVP_PKEY_free(pkey);
    BIO_free(cert);
    BIO_free(key);
  }

  // A client from outside that knows only TLS 1.2, or 1.3, too.
  void AllowOnly(int version) {
    SSL_CTX_clear_options(ctx_, SSL_OP_NO_TLSv1_2);
    SSL_CTX_set_min_proto_version(ctx_, version);
    SSL_CTX_set_max_proto_version(ctx_, version);
  }

 private:
  SSL_CTX* ctx_;
};

struct Handshake {
  bool done = false;
  std::string version, cipher, group;
};

// Both ends are in this thread, over memory. Verifies no certificate: gRPC does that.
Handshake Shake(Context* server_context, Context* client_context) {
  SSL* server = SSL_new(server_context->get());
  SSL* client = SSL_new(client_context->get());
  BIO *server_end, *client_end;
  BIO_new_bio_pair(&server_end, 0, &client_end, 0);
  SSL_set_bio(server, server_end, server_end);
  SSL_set_bio(client, client_end, client_end);
  SSL_set_accept_state(server);
  SSL_set_connect_state(client);
  Handshake result;
  for (int round = 0; round < 10 && !result.done; ++round) {
    const int c = SSL_do_handshake(client);
    const int s = SSL_do_handshake(server);
    result.done = c == 1 && s == 1;
  }
  if (result.done) {
    result.version = SSL_get_version(client);
    result.cipher = SSL_get_cipher(client);
    result.group = OBJ_nid2sn(static_cast<int>(SSL_get_negotiated_group(client)));
  }
  SSL_free(server);
  SSL_free(client);
  ERR_clear_error();
  return result;
}

class RequireTls13Test : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(RequireTls13().ok());
    server_.emplace(TLS_server_method());
    client_.emplace(TLS_client_method());
    server_->Use(TestCa("DEV").Issue({.cns = {"server"}}));
  }
  absl::optional<Context> server_, client_;  // fresh: made after the configuration
};

TEST_F(RequireTls13Test, FreshContextsSpeakTls13WithTheOneCipher) {
  Handshake h = Shake(&*server_, &*client_);
  ASSERT_TRUE(h.done);
  EXPECT_EQ(h.version, "TLSv1.3");
  EXPECT_EQ(h.cipher, "TLS_AES_256_GCM_SHA384");
  EXPECT_EQ(h.group, "X25519");
  EXPECT_EQ(SSL_CTX_get_num_tickets(server_->get()), 0u);
}

TEST_F(RequireTls13Test, Tls12IsRefused) {
  client_->AllowOnly(TLS1_2_VERSION);
  EXPECT_FALSE(Shake(&*server_, &*client_).done);
  // The refusal is the configuration's: a server that undoes it does speak 1.2.
  server_->AllowOnly(TLS1_2_VERSION);
  EXPECT_EQ(Shake(&*server_, &*client_).version, "TLSv1.2");
}

TEST_F(RequireTls13Test, Tls12StaysRefusedWhenTheMinimumVersionIsLowered) {
  SSL_CTX_set_min_proto_version(server_->get(), TLS1_2_VERSION);  // as gRPC does
  SSL_CTX_set_max_proto_version(server_->get(), TLS1_3_VERSION);
  client_->AllowOnly(TLS1_2_VERSION);
  EXPECT_FALSE(Shake(&*server_, &*client_).done);
}

TEST_F(RequireTls13Test, OtherCiphersAreRefused) {
  SSL_CTX_set_ciphersuites(client_->get(), "TLS_CHACHA20_POLY1305_SHA256");
  EXPECT_FALSE(Shake(&*server_, &*client_).done);
}

// --- LoadMaterial -------------------------------------------------------------------------------

class MaterialTest : public ::testing::Test {
 protected:
  void SetUp() override {
    leaf_ = ca_.Issue({.uris = {"spiffe://dc1/server"}, .cns = {"s"}});
    Write("cert", leaf_.cert_pem);
    Write("key", leaf_.key_pem);
    Write("ca", ca_.cert_pem());
    Write("crl", ca_.Crl({7}));
  }

  std::string Path(const std::string& name) { return dir_ / name; }
  void Write(const std::string& name, const std::string& text) {
    std::ofstream(Path(name), std::ios::binary) << text;
  }
  absl::StatusOr<Material> Load(bool with_crl = true) {
    return LoadMaterial(Path("cert"), Path("key"), Path("ca"), with_crl ? Path("crl") : "",
                        absl::Now());
  }
  // "CODE: message" with the directory's name left out.
  std::string Complaint() {
    std::string text = Load().status().ToString();
    for (size_t at; (at = text.find(dir_ / "")) != std::string::npos;) {
      text.erase(at, dir_.path().size() + 1);
    }
    return text;
  }

  const TempDir dir_;
  TestCa ca_{"DEV"};
  TestCa::Leaf leaf_;
};

TEST_F(MaterialTest, GoodFilesLoad) {
  absl::StatusOr<Material> m = Load();
  ASSERT_TRUE(m.ok()) << m.status();
  EXPECT_EQ(m->identity, "spiffe://dc1/server");
  EXPECT_EQ(m->cert_pem, leaf_.cert_pem);
  EXPECT_EQ(m->key_pem, leaf_.key_pem);
  EXPECT_EQ(m->ca_pem, ca_.cert_pem());
  EXPECT_FALSE(m->crl_pem.empty());
  EXPECT_LT(absl::AbsDuration(m->not_after - absl::Now() - absl::Hours(1)), absl::Minutes(1));
}

TEST_F(MaterialTest, TheRevocationListIsOptional) {
  std::filesystem::remove(Path("crl"));
  absl::StatusOr<Material> m = Load(/*with_crl=*/false);
  ASSERT_TRUE(m.ok()) << m.status();
  EXPECT_EQ(m->crl_pem, "");
  EXPECT_EQ(Complaint(), "NOT_FOUND: read CRL crl: No such file or directory; correct the path");
}

TEST(MaterialKeyTest, AnErrorTellsTheKeyWhoseFileItIsAbout) {
  EXPECT_EQ(MaterialKey(absl::NotFoundError("read certificate /a b: gone")), "cert");
  EXPECT_EQ(MaterialKey(absl::NotFoundError("check key /CA: gone")), "key");
  EXPECT_EQ(MaterialKey(absl::NotFoundError("parse CA /a: gone")), "ca");
  EXPECT_EQ(MaterialKey(absl::NotFoundError("read CRL /a: gone")), "crl");
  EXPECT_EQ(MaterialKey(absl::InternalError("configure OpenSSL: no")), "");
  EXPECT_EQ(MaterialKey(absl::InternalError("no")), "");
}

TEST_F(MaterialTest, WhoIsTrustedIsKnownWithoutACertificateOfOnesOwn) {
  std::filesystem::remove(Path("cert"));
  Write("key", "broken");
  const absl::StatusOr<Authorities> authorities = LoadAuthorities(Path("ca"), Path("crl"));
  ASSERT_TRUE(authorities.ok()) << authorities.status();
  EXPECT_EQ(authorities->ca_pem, ca_.cert_pem());
  EXPECT_FALSE(authorities->crl_pem.empty());
  EXPECT_FALSE(authorities->trust->Check(ca_.Issue({.cns = {"s"}, .serial = 7}).cert_pem, "").ok());
  EXPECT_TRUE(authorities->trust->Check(leaf_.cert_pem, "").ok());
  Write("crl", "broken");
  EXPECT_EQ(LoadAuthorities(Path("ca"), Path("crl")).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(LoadAuthorities(Path("ca"), "").ok());
}

TEST_F(MaterialTest, MissingFilesAreNamed) {
  std::filesystem::remove(Path("key"));
  EXPECT_EQ(Complaint(), "NOT_FOUND: read key key: No such file or directory; correct the path");
}

TEST_F(MaterialTest, NeverWaitsForAFifo) {
  std::filesystem::remove(Path("key"));
  ASSERT_EQ(mkfifo(Path("key").c_str(), 0600), 0);
  EXPECT_EQ(Complaint(), "INVALID_ARGUMENT: read key key: it is a FIFO; give a regular file");
}

TEST_F(MaterialTest, AKeyOfAnotherCertificateIsRefused) {
  Write("key", ca_.Issue({.cns = {"other"}}).key_pem);
  EXPECT_EQ(Complaint(),
            "INVALID_ARGUMENT: check key key: it does not belong to the certificate cert; install "
            "the two that were issued together");
}

// As fips = yes in openssl.cnf without a provider for it.
TEST_F(MaterialTest, AnOpenSslThatIsConfiguredWithoutItsAlgorithmsIsBlamedItself) {
  ASSERT_EQ(EVP_set_default_properties(nullptr, "fips=yes"), 1);
  const absl::Status status = Load().status();
  ASSERT_EQ(EVP_set_default_properties(nullptr, ""), 1);
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  const std::string message(status.message());
  EXPECT_THAT(message, HasSubstr("configure OpenSSL: it gives no SHA256: unsupported (Global "
                                 "default library context, Algorithm (SHA256 : "));
  EXPECT_THAT(message, HasSubstr("fips = yes needs a FIPS provider"));
  EXPECT_EQ(message.find("does not belong"), std::string::npos) << "nobody has compared anything";
  EXPECT_TRUE(Load().ok()) << Load().status();
}

TEST_F(MaterialTest, BrokenFilesAreNamed) {
  Write("cert", "hello");
  EXPECT_EQ(Complaint(),
            "INVALID_ARGUMENT: parse certificate cert: no certificate in PEM, or a broken one");
  Write("cert", leaf_.cert_pem);
  Write("key", leaf_.cert_pem);
  EXPECT_THAT(Complaint(), HasSubstr("INVALID_ARGUMENT: parse key key: "));
  EXPECT_THAT(Complaint(), HasSubstr("; expected an unencrypted private key in PEM"));
  Write("key", leaf_.key_pem);
  Write("ca", "");
  EXPECT_EQ(Complaint(), "INVALID_ARGUMENT: parse CA ca: no certificate in PEM, or a broken one");
}

TEST_F(MaterialTest, AnEncryptedKeyIsRefusedWithoutAsking) {
  BIO* in = BIO_new_mem_buf(leaf_.key_pem.data(), static_cast<int>(leaf_.key_pem.size()));
  EVP_PKEY* key = PEM_read_bio_PrivateKey(in, nullptr, nullptr, nullptr);
  BIO* out = BIO_new_file(Path("key").c_str(), "w");
  char password[] = "secret";
  PEM_write_bio_PKCS8PrivateKey(out, key, EVP_aes_256_cbc(), password, 6, nullptr, nullptr);
  BIO_free(in);
  BIO_free(out);
  EVP_PKEY_free(key);
  EXPECT_THAT(Complaint(), HasSubstr("expected an unencrypted private key in PEM"));
}

TEST_F(MaterialTest, ValidityIsThatOfTheLeaf) {
  const absl::Time now = absl::Now();
  TestCa::Leaf old = ca_.Issue(
      {.cns = {"s"}, .not_before = now - absl::Hours(3), .not_after = now - absl::Hours(2)});
  Write("cert", old.cert_pem);
  Write("key", old.key_pem);
  EXPECT_THAT(Complaint(), HasSubstr("FAILED_PRECONDITION: check certificate cert: expired at 20"));
  EXPECT_THAT(Complaint(), HasSubstr(" UTC; issue a new one"));
  TestCa::Leaf future = ca_.Issue(
      {.cns = {"s"}, .not_before = now + absl::Hours(2), .not_after = now + absl::Hours(3)});
  Write("cert", future.cert_pem);
  Write("key", future.key_pem);
  EXPECT_THAT(Complaint(),
              HasSubstr("FAILED_PRECONDITION: check certificate cert: not valid before 20"));
  EXPECT_THAT(Complaint(), HasSubstr("; is this machine's clock right?"));
}

TEST_F(MaterialTest, TheCertificateOfAPeerIsNoAuthority) {
  Write("ca", ca_.Issue({.cns = {"h7"}}).cert_pem);
  EXPECT_EQ(
      Complaint(),
      "INVALID_ARGUMENT: check CA ca: no certificate in it may sign others (CA:TRUE); install "
      "that of the authority");
  Write("ca", leaf_.cert_pem + ca_.cert_pem());
  EXPECT_TRUE(Load().ok()) << "one of a bundle is enough: " << Load().status();
}

TEST_F(MaterialTest, AListOfAnotherCaIsRefused) {
  TestCa other("OTHER");
  const auto complaint = [](const std::string& issuer) {
    return absl::StrCat("INVALID_ARGUMENT: check CRL crl: the list of CN=", issuer,
                        " is not signed by a certificate of ca; install the list that this CA "
                        "issued");
  };
  Write("crl", other.Crl({7}));
  EXPECT_EQ(Complaint(), complaint("OTHER"));
  Write("crl", TestCa("DEV").Crl({7}));  // the same name, another key
  EXPECT_EQ(Complaint(), complaint("DEV"));
  Write("crl", ca_.Crl({7}) + other.Crl({8}));  // one of them
  EXPECT_EQ(Complaint(), complaint("OTHER"));
  Write("crl", other.Crl({7}) + ca_.Crl({8}));
  Write("ca", ca_.cert_pem() + other.cert_pem());
  EXPECT_TRUE(Load().ok()) << Load().status();
}

TEST_F(MaterialTest, AnEmptyListFileIsRefused) {
  Write("crl", "");
  EXPECT_EQ(Complaint(),
            "INVALID_ARGUMENT: parse CRL crl: no revocation list in PEM; leave `crl` out for none");
}

TEST_F(MaterialTest, ACertificateWithoutANameIsRefused) {
  TestCa::Leaf nobody = ca_.Issue({});
  Write("cert", nobody.cert_pem);
  Write("key", nobody.key_pem);
  EXPECT_EQ(
      Complaint(),
      "INVALID_ARGUMENT: check certificate cert: the certificate names nobody; issue one with "
      "a SPIFFE URI, a DNS name or a CN");
}

}  // namespace
}  // namespace entropyd::tls
