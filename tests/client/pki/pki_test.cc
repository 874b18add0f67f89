#include "client/pki/pki.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/crypto/peer_identity.h"
#include "base/crypto/tls.h"
#include "base/process/fd.h"
#include "client/pki/certificate.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "openssl/ssl.h"
#include "openssl/x509v3.h"
#include "tests/client/pki/pki_rig.h"

namespace entropyd::pki {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

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

TEST_F(PkiTest, AFileIsNoDirectoryOfAnAuthority) {
  ASSERT_TRUE(InitCa().ok());
  const std::string file = ca_ + "/ca.crt";
  const absl::Status wrong =
      absl::InvalidArgumentError("open directory " + file + ": it is a file; give a directory");
  EXPECT_EQ(Init(file, {.common_name = "x"}, now_), wrong);
  EXPECT_EQ(Issue(file, {.name = "a"}, now_).status(), wrong);
  EXPECT_EQ(Issue(ca_, {.name = "a", .out_dir = file}, now_).status(), wrong);
  EXPECT_EQ(Revoke(file, "", now_).status(), wrong);
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

}  // namespace
}  // namespace entropyd::pki
