#include "client/pki/pki.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/crypto/tls.h"
#include "base/process/fd.h"
#include "client/pki/certificate.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "openssl/err.h"
#include "openssl/pem.h"
#include "openssl/ssl.h"
#include "openssl/x509_vfy.h"
#include "openssl/x509v3.h"
#include "tests/temp_dir.h"

namespace entropyd::pki {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
namespace fs = std::filesystem;

using StorePtr = std::unique_ptr<X509_STORE, OpenSslDeleter<X509_STORE_free>>;
using StoreContextPtr = std::unique_ptr<X509_STORE_CTX, OpenSslDeleter<X509_STORE_CTX_free>>;
using SslContextPtr = std::unique_ptr<SSL_CTX, OpenSslDeleter<SSL_CTX_free>>;
using SslPtr = std::unique_ptr<SSL, OpenSslDeleter<SSL_free>>;

constexpr absl::Duration kDay = absl::Hours(24);

std::string ReadText(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void WriteText(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

mode_t ModeOf(const std::string& path) {
  struct stat there = {};
  EXPECT_EQ(stat(path.c_str(), &there), 0) << path;
  return there.st_mode & 07777;
}

CertPtr ReadCert(const std::string& path) {
  const std::string pem = ReadText(path);
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return CertPtr(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
}

CrlPtr ReadCrl(const std::string& path) {
  const std::string pem = ReadText(path);
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return CrlPtr(PEM_read_bio_X509_CRL(bio.get(), nullptr, nullptr, nullptr));
}

// The certificate as `openssl x509 -text` shows its extensions.
std::string ShowExtension(const X509* cert, int nid) {
  const int at = X509_get_ext_by_NID(cert, nid, -1);
  if (at < 0) return "absent";
  X509_EXTENSION* extension = X509_get_ext(cert, at);
  const BioPtr bio(BIO_new(BIO_s_mem()));
  X509V3_EXT_print(bio.get(), extension, 0, 0);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return absl::StrCat(X509_EXTENSION_get_critical(extension) ? "critical " : "",
                      absl::string_view(data, static_cast<size_t>(size)));
}

class PkiTest : public ::testing::Test {
 protected:
  absl::Status InitCa() { return Init(ca_, {.common_name = "test authority"}, now_); }

  Issued MustIssue(const IssueRequest& request) {
    auto issued = Issue(ca_, request, now_);
    EXPECT_TRUE(issued.ok()) << issued.status();
    return issued.ok() ? *issued : Issued{};
  }

  // Verifies as a TLS peer does; X509_V_OK or the reason.
  std::string Verify(const std::string& cert_path, absl::Time at, int purpose,
                     bool check_crl = true) {
    const StorePtr store(X509_STORE_new());
    const CertPtr root = ReadCert(ca_ + "/ca.crt");
    X509_STORE_add_cert(store.get(), root.get());
    const CrlPtr crl = ReadCrl(ca_ + "/crl.pem");
    X509_STORE_add_crl(store.get(), crl.get());
    const CertPtr leaf = ReadCert(cert_path);
    const StoreContextPtr context(X509_STORE_CTX_new());
    X509_STORE_CTX_init(context.get(), store.get(), leaf.get(), nullptr);
    X509_VERIFY_PARAM* param = X509_STORE_CTX_get0_param(context.get());
    X509_VERIFY_PARAM_set_time(param, absl::ToTimeT(at));
    X509_VERIFY_PARAM_set_purpose(param, purpose);
    X509_VERIFY_PARAM_set_flags(param,
                                X509_V_FLAG_X509_STRICT | (check_crl ? X509_V_FLAG_CRL_CHECK : 0));
    X509_verify_cert(context.get());
    return X509_verify_cert_error_string(X509_STORE_CTX_get_error(context.get()));
  }

  const TempDir dir_;
  const std::string root_ = dir_.path();
  const std::string ca_ = dir_ / "ca";
  const absl::Time now_ = absl::FromUnixSeconds(1'800'000'000);  // 2027
};

TEST_F(PkiTest, AuthorityIsMadeWithItsKeyPrivate) {
  ASSERT_TRUE(InitCa().ok());
  EXPECT_EQ(ModeOf(ca_), 0700u);
  EXPECT_EQ(ModeOf(ca_ + "/ca.key"), 0600u);
  EXPECT_EQ(ModeOf(ca_ + "/ca.crt"), 0644u);
  EXPECT_EQ(ModeOf(ca_ + "/crl.pem"), 0644u);
  const CertPtr root = ReadCert(ca_ + "/ca.crt");
  ASSERT_NE(root, nullptr);
  EXPECT_EQ(ShowExtension(root.get(), NID_basic_constraints), "critical CA:TRUE, pathlen:0");
  EXPECT_EQ(ShowExtension(root.get(), NID_key_usage), "critical Certificate Sign, CRL Sign");
  EXPECT_EQ(NotAfter(root.get()), now_ + 3650 * kDay);
  EXPECT_EQ(X509_verify(root.get(), X509_get0_pubkey(root.get())), 1);
  const int files =
      static_cast<int>(std::distance(fs::directory_iterator(ca_), fs::directory_iterator()));
  EXPECT_EQ(files, 3) << "temporary files stayed behind";
}

TEST_F(PkiTest, AuthorityIsNeverOverwritten) {
  ASSERT_TRUE(InitCa().ok());
  const std::string key = ReadText(ca_ + "/ca.key");
  const std::string cert = ReadText(ca_ + "/ca.crt");
  const absl::Status again = InitCa();
  EXPECT_EQ(again.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(again.message(), AllOf(HasSubstr(ca_ + "/ca.key"), HasSubstr("never overwritten")));
  ASSERT_EQ(unlink((ca_ + "/ca.key").c_str()), 0);  // half an authority is one, too
  EXPECT_EQ(InitCa().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(ReadText(ca_ + "/ca.crt"), cert);
  EXPECT_FALSE(fs::exists(ca_ + "/ca.key"));
}

TEST_F(PkiTest, IssuedCertificateHasTheProfile) {
  ASSERT_TRUE(InitCa().ok());
  const Issued issued = MustIssue({.name = "server-0",
                                   .common_name = "entropyd 0",
                                   .spiffe_id = "spiffe://dc1/server/0",
                                   .dns_names = {"entropyd-0.entropyd", "*.example.org"},
                                   .ip_addresses = {"192.0.2.7", "2001:db8::7"},
                                   .validity = 30 * kDay});
  EXPECT_EQ(issued.cert_path, ca_ + "/server-0.crt");
  EXPECT_EQ(issued.key_path, ca_ + "/server-0.key");
  EXPECT_EQ(ModeOf(issued.key_path), 0600u);
  EXPECT_EQ(ModeOf(issued.cert_path), 0644u);
  EXPECT_EQ(issued.not_after, now_ + 30 * kDay);

  const CertPtr cert = ReadCert(issued.cert_path);
  ASSERT_NE(cert, nullptr);
  EXPECT_EQ(X509_get_version(cert.get()), X509_VERSION_3);
  EXPECT_EQ(NotAfter(cert.get()), issued.not_after);
  EXPECT_EQ(SerialHex(cert.get()), issued.serial_hex);
  EXPECT_EQ(ShowExtension(cert.get(), NID_basic_constraints), "critical CA:FALSE");
  EXPECT_EQ(ShowExtension(cert.get(), NID_key_usage), "critical Digital Signature");
  EXPECT_EQ(ShowExtension(cert.get(), NID_ext_key_usage),
            "TLS Web Server Authentication, TLS Web Client Authentication");
  EXPECT_EQ(ShowExtension(cert.get(), NID_subject_alt_name),
            "URI:spiffe://dc1/server/0, DNS:entropyd-0.entropyd, DNS:*.example.org, "
            "IP Address:192.0.2.7, IP Address:2001:DB8:0:0:0:0:0:7");
  const CertPtr root = ReadCert(ca_ + "/ca.crt");
  EXPECT_NE(X509_get0_subject_key_id(cert.get()), nullptr);
  EXPECT_EQ(ASN1_OCTET_STRING_cmp(X509_get0_authority_key_id(cert.get()),
                                  X509_get0_subject_key_id(root.get())),
            0);
  EXPECT_EQ(EVP_PKEY_get_bits(X509_get0_pubkey(cert.get())), 256);

  const auto identity = tls::IdentityOfPem(ReadText(issued.cert_path));
  ASSERT_TRUE(identity.ok()) << identity.status();
  EXPECT_EQ(identity->name, "spiffe://dc1/server/0");
  EXPECT_EQ(identity->serial_hex, issued.serial_hex);
}

TEST_F(PkiTest, WhoeverIssuesLearnsTheIdentityThatAPolicyWillSee) {
  ASSERT_TRUE(InitCa().ok());
  for (const IssueRequest& request :
       {IssueRequest{.name = "a", .spiffe_id = "spiffe://dc1/agent/a", .dns_names = {"a.example"}},
        IssueRequest{.name = "b", .dns_names = {"B.Example", "c.example"}},
        IssueRequest{.name = "c"}, IssueRequest{.name = "d", .common_name = "other"}}) {
    const Issued issued = MustIssue(request);
    const auto seen = tls::IdentityOfPem(ReadText(issued.cert_path));
    ASSERT_TRUE(seen.ok()) << seen.status();
    EXPECT_EQ(issued.identity, seen->name) << request.name;
  }
}

TEST_F(PkiTest, IssuedCertificateVerifiesForBothRolesWithinItsTime) {
  ASSERT_TRUE(InitCa().ok());
  const Issued issued = MustIssue({.name = "h7", .validity = kDay});
  for (const int purpose : {X509_PURPOSE_SSL_SERVER, X509_PURPOSE_SSL_CLIENT}) {
    EXPECT_EQ(Verify(issued.cert_path, now_, purpose), "ok");
    EXPECT_EQ(Verify(issued.cert_path, now_ + kDay - absl::Seconds(1), purpose), "ok");
    // A host whose clock is a little behind may use it at once.
    EXPECT_EQ(Verify(issued.cert_path, now_ - absl::Minutes(4), purpose), "ok");
    EXPECT_THAT(Verify(issued.cert_path, now_ - absl::Minutes(6), purpose, false),
                HasSubstr("not yet valid"));
    EXPECT_THAT(Verify(issued.cert_path, now_ + kDay + absl::Seconds(1), purpose),
                HasSubstr("expired"));
  }
  const CertPtr cert = ReadCert(issued.cert_path);
  EXPECT_EQ(ShowExtension(cert.get(), NID_subject_alt_name), "absent");
  EXPECT_EQ(tls::IdentityOfPem(ReadText(issued.cert_path))->name, "cn:h7");
}

TEST_F(PkiTest, WhatWasIssuedLoadsAsTheDaemonsLoadIt) {
  ASSERT_TRUE(InitCa().ok());
  const Issued issued = MustIssue({.name = "h7", .spiffe_id = "spiffe://dc1/agent/h7"});
  const auto material =
      tls::LoadMaterial(issued.cert_path, issued.key_path, ca_ + "/ca.crt", ca_ + "/crl.pem", now_);
  ASSERT_TRUE(material.ok()) << material.status();
  EXPECT_EQ(material->identity, "spiffe://dc1/agent/h7");
}

TEST_F(PkiTest, CertificateNeverOutlivesItsRoot) {
  ASSERT_TRUE(Init(ca_, {.common_name = "brief", .validity = absl::Hours(1)}, now_).ok());
  const Issued issued = MustIssue({.name = "h7", .validity = 100 * kDay});
  EXPECT_EQ(issued.not_after, now_ + absl::Hours(1));
  EXPECT_EQ(NotAfter(ReadCert(issued.cert_path).get()), now_ + absl::Hours(1));
  const auto late = Issue(ca_, {.name = "h8"}, now_ + absl::Hours(1));
  EXPECT_EQ(late.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(late.status().message(), HasSubstr("expired"));
}

// A server whose state_dir is the authority's directory holds its lock for as long as it runs.
TEST_F(PkiTest, ADirectoryThatAnotherProcessHoldsIsToldAndNotWaitedForForEver) {
  ASSERT_TRUE(InitCa().ok());
  UniqueFd held(open(ca_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  ASSERT_EQ(flock(held.get(), LOCK_EX), 0);
  const auto refused = Issue(ca_, {.name = "h7"}, now_);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("whose state_dir it is"));
  held.reset();
  EXPECT_TRUE(Issue(ca_, {.name = "h7"}, now_).ok());
}

TEST_F(PkiTest, IssuedFilesAreNeverOverwritten) {
  ASSERT_TRUE(InitCa().ok());
  const Issued issued = MustIssue({.name = "h7"});
  const std::string key = ReadText(issued.key_path);
  EXPECT_EQ(Issue(ca_, {.name = "h7"}, now_).status().code(), absl::StatusCode::kAlreadyExists);
  ASSERT_EQ(unlink(issued.cert_path.c_str()), 0);
  const auto again = Issue(ca_, {.name = "h7"}, now_);
  EXPECT_EQ(again.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(again.status().message(), HasSubstr("h7.key"));
  EXPECT_EQ(ReadText(issued.key_path), key);
  EXPECT_FALSE(fs::exists(issued.cert_path)) << "half a pair was left";
}

TEST_F(PkiTest, AnotherDirectoryIsMadeForTheOutput) {
  ASSERT_TRUE(InitCa().ok());
  const Issued issued = MustIssue({.name = "h7", .out_dir = root_ + "/a/b"});
  EXPECT_EQ(issued.key_path, root_ + "/a/b/h7.key");
  EXPECT_EQ(ModeOf(root_ + "/a/b"), 0700u);
  EXPECT_EQ(Verify(issued.cert_path, now_, X509_PURPOSE_SSL_CLIENT), "ok");
}

TEST_F(PkiTest, SerialsAreLongAndDiffer) {
  ASSERT_TRUE(InitCa().ok());
  std::set<std::string> serials;
  size_t longest = 0;
  for (int i = 0; i < 40; ++i) {
    const std::string serial = MustIssue({.name = absl::StrCat("h", i)}).serial_hex;
    longest = std::max(longest, serial.size());
    EXPECT_GT(serial.size(), 20u);  // 48 leading zero bits: once in 2^48
    serials.insert(serial);
  }
  EXPECT_EQ(serials.size(), 40u);
  EXPECT_EQ(longest, 32u);  // 128 bits; all 40 shorter than 125: never
}

TEST_F(PkiTest, BadRequestsAreRefusedByField) {
  ASSERT_TRUE(InitCa().ok());
  const struct {
    IssueRequest request;
    const char* says;
  } cases[] = {
      {{.name = ""}, "name ''"},
      {{.name = "../ca"}, "name '../ca'"},
      {{.name = ".hidden"}, "name '.hidden'"},
      {{.name = "-rf"}, "name '-rf'"},
      {{.name = "ca"}, "the authority's own"},
      {{.name = "a\nb"}, "name 'a\\nb'"},
      {{.name = std::string(201, 'a')}, "name 'aaa"},
      {{.name = "h7", .common_name = std::string(65, 'x')}, "common name"},
      {{.name = "h7", .common_name = "a\tb"}, "common name 'a\\tb'"},
      {{.name = "h7", .spiffe_id = "http://dc1/agent"}, "SPIFFE ID 'http://dc1/agent'"},
      {{.name = "h7", .spiffe_id = "spiffe://dc1"}, "the path needs segments"},
      {{.name = "h7", .spiffe_id = "spiffe://dc1/"}, "the path needs segments"},
      {{.name = "h7", .spiffe_id = "spiffe://dc1/a/../b"}, "the path needs segments"},
      {{.name = "h7", .spiffe_id = "spiffe://dc1/a*"}, "the path needs segments"},
      {{.name = "h7", .spiffe_id = "spiffe://DC1/a"}, "trust domain"},
      {{.name = "h7", .spiffe_id = "spiffe:///a"}, "trust domain"},
      {{.name = "h7", .spiffe_id = "spiffe://d/" + std::string(256, 'a')}, "at most 256"},
      {{.name = "h7", .dns_names = {""}}, "DNS name ''"},
      {{.name = "h7", .dns_names = {"a..b"}}, "DNS name 'a..b'"},
      {{.name = "h7", .dns_names = {"good", "-a.b"}}, "DNS name '-a.b'"},
      {{.name = "h7", .dns_names = {"a,DNS:evil"}}, "DNS name 'a,DNS:evil'"},
      {{.name = "h7", .dns_names = {"a.*.b"}}, "DNS name 'a.*.b'"},
      {{.name = "h7", .dns_names = {std::string(64, 'a')}}, "DNS name"},
      {{.name = "h7", .ip_addresses = {"300.1.1.1"}}, "IP address '300.1.1.1'"},
      {{.name = "h7", .ip_addresses = {"[::1]"}}, "IP address '[::1]'"},
      {{.name = "h7", .validity = absl::ZeroDuration()}, "validity 0"},
      {{.name = "h7", .validity = absl::InfiniteDuration()}, "validity inf"},
  };
  for (const auto& c : cases) {
    const auto issued = Issue(ca_, c.request, now_);
    EXPECT_EQ(issued.status().code(), absl::StatusCode::kInvalidArgument) << c.says;
    EXPECT_THAT(issued.status().message(), HasSubstr(c.says));
  }
  EXPECT_EQ(Init(root_ + "/x", {.common_name = ""}, now_).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Init(root_ + "/x", {.common_name = "x", .validity = -kDay}, now_).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(fs::exists(root_ + "/x"));
}

TEST_F(PkiTest, MissingOrMixedUpAuthorityIsNamed) {
  const auto none = Issue(ca_, {.name = "h7"}, now_);
  EXPECT_EQ(none.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(none.status().message(), HasSubstr("entropyctl pki init --dir " + ca_));
  ASSERT_TRUE(InitCa().ok());
  ASSERT_TRUE(Init(root_ + "/other", {.common_name = "other"}, now_).ok());
  WriteText(ca_ + "/ca.key", ReadText(root_ + "/other/ca.key"));
  const auto mixed = Issue(ca_, {.name = "h7"}, now_);
  EXPECT_EQ(mixed.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(mixed.status().message(), HasSubstr("ca.crt and ca.key"));
}

TEST_F(PkiTest, RevokedCertificateIsOnTheListAndOthersAreNot) {
  ASSERT_TRUE(InitCa().ok());
  const Issued good = MustIssue({.name = "good"});
  const Issued bad = MustIssue({.name = "bad"});
  const Issued worse = MustIssue({.name = "worse"});
  EXPECT_THAT(*tls::RevokedSerials(ReadText(ca_ + "/crl.pem")), IsEmpty());

  const auto serial = Revoke(ca_, ReadText(bad.cert_path), now_);
  ASSERT_TRUE(serial.ok()) << serial.status();
  EXPECT_EQ(*serial, bad.serial_hex);
  ASSERT_TRUE(Revoke(ca_, ReadText(worse.cert_path), now_ + kDay).ok());

  EXPECT_THAT(*tls::RevokedSerials(ReadText(ca_ + "/crl.pem")),
              UnorderedElementsAre(bad.serial_hex, worse.serial_hex));
  EXPECT_EQ(Verify(good.cert_path, now_ + 2 * kDay, X509_PURPOSE_SSL_CLIENT), "ok");
  for (const Issued& revoked : {bad, worse}) {
    EXPECT_THAT(Verify(revoked.cert_path, now_ + 2 * kDay, X509_PURPOSE_SSL_CLIENT),
                HasSubstr("revoked"));
  }
  EXPECT_EQ(ReadText(ca_ + "/revoked.txt"),
            absl::StrCat(bad.serial_hex, " 2027-01-15T08:00:00Z\n", worse.serial_hex,
                         " 2027-01-16T08:00:00Z\n"));
  EXPECT_EQ(ModeOf(ca_ + "/crl.pem"), 0644u);
}

TEST_F(PkiTest, RevokingAgainOnlyWritesTheListAnew) {
  ASSERT_TRUE(InitCa().ok());
  const Issued bad = MustIssue({.name = "bad"});
  ASSERT_TRUE(Revoke(ca_, ReadText(bad.cert_path), now_).ok());
  const std::string index = ReadText(ca_ + "/revoked.txt");
  ASSERT_EQ(unlink((ca_ + "/crl.pem").c_str()), 0);  // as if the first try had died half-way
  ASSERT_TRUE(Revoke(ca_, ReadText(bad.cert_path), now_ + kDay).ok());
  EXPECT_EQ(ReadText(ca_ + "/revoked.txt"), index);
  EXPECT_THAT(*tls::RevokedSerials(ReadText(ca_ + "/crl.pem")), ElementsAre(bad.serial_hex));
}

TEST_F(PkiTest, CrlNumberGrows) {
  ASSERT_TRUE(InitCa().ok());
  std::vector<int64_t> numbers;
  for (int i = 0; i < 3; ++i) {
    const CrlPtr crl = ReadCrl(ca_ + "/crl.pem");
    auto* number = static_cast<ASN1_INTEGER*>(
        X509_CRL_get_ext_d2i(crl.get(), NID_crl_number, nullptr, nullptr));
    numbers.push_back(ASN1_INTEGER_get(number));
    ASN1_INTEGER_free(number);
    const Issued issued = MustIssue({.name = absl::StrCat("h", i)});
    ASSERT_TRUE(Revoke(ca_, ReadText(issued.cert_path), now_).ok());
  }
  EXPECT_THAT(numbers, ElementsAre(0, 1, 2));
}

TEST_F(PkiTest, OnlyOwnLeavesCanBeRevoked) {
  ASSERT_TRUE(InitCa().ok());
  ASSERT_TRUE(Init(root_ + "/other", {.common_name = "test authority"}, now_).ok());
  const auto foreign = Issue(root_ + "/other", {.name = "h7"}, now_);
  ASSERT_TRUE(foreign.ok());
  const struct {
    std::string pem;
    const char* says;
  } cases[] = {{ReadText(foreign->cert_path), "another authority"},
               {ReadText(ca_ + "/ca.crt"), "the root itself"},
               {"hello", "not a certificate in PEM"},
               {"", "not a certificate in PEM"}};
  for (const auto& c : cases) {
    const auto revoked = Revoke(ca_, c.pem, now_);
    EXPECT_EQ(revoked.status().code(), absl::StatusCode::kInvalidArgument) << c.says;
    EXPECT_THAT(revoked.status().message(), HasSubstr(c.says));
  }
  EXPECT_FALSE(fs::exists(ca_ + "/revoked.txt"));
}

TEST_F(PkiTest, DamagedIndexIsNotOverwritten) {
  ASSERT_TRUE(InitCa().ok());
  const Issued issued = MustIssue({.name = "h7"});
  for (const std::string damaged : {"nonsense\n", "XYZ 2027-01-15T08:00:00Z\n", "AB yesterday\n"}) {
    WriteText(ca_ + "/revoked.txt", damaged);
    const auto revoked = Revoke(ca_, ReadText(issued.cert_path), now_);
    EXPECT_EQ(revoked.status().code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(revoked.status().message(), HasSubstr("revoked.txt:1:"));
    EXPECT_EQ(ReadText(ca_ + "/revoked.txt"), damaged);
  }
}

TEST_F(PkiTest, ConcurrentRevocationsLoseNothing) {
  ASSERT_TRUE(InitCa().ok());
  std::vector<Issued> issued;
  for (int i = 0; i < 8; ++i) issued.push_back(MustIssue({.name = absl::StrCat("h", i)}));
  std::vector<std::thread> threads;
  for (const Issued& one : issued) {
    threads.emplace_back(
        [this, &one] { EXPECT_TRUE(Revoke(ca_, ReadText(one.cert_path), now_).ok()); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(tls::RevokedSerials(ReadText(ca_ + "/crl.pem"))->size(), issued.size());
}

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
