#include "base/crypto/handshake_watch.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/crypto/pem.h"
#include "base/process/clock.h"
#include "base/process/fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "openssl/pem.h"
#include "openssl/ssl.h"
#include "tests/base/crypto/test_certs.h"

namespace entropyd::tls {
namespace {

using ::testing::HasSubstr;

using ContextPtr = std::unique_ptr<SSL_CTX, Deleter<SSL_CTX_free>>;
using SslPtr = std::unique_ptr<SSL, Deleter<SSL_free>>;

// A server that wants certificates of `ca`, and a client, both in this thread.
class HandshakeWatchTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { WatchHandshakes(); }

  ContextPtr Context(const TestCa::Leaf* own, const TestCa* trusted) {
    ContextPtr context(SSL_CTX_new(TLS_method()));
    SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION);
    if (own != nullptr) {
      SSL_CTX_use_certificate(context.get(), ReadCerts(own->cert_pem).front().get());
      const BioPtr key_pem = MemoryBio(own->key_pem);
      EVP_PKEY* const key = PEM_read_bio_PrivateKey(key_pem.get(), nullptr, &NoPassword, nullptr);
      SSL_CTX_use_PrivateKey(context.get(), key);
      EVP_PKEY_free(key);
    }
    if (trusted != nullptr) {
      X509_STORE_add_cert(SSL_CTX_get_cert_store(context.get()),
                          ReadCerts(trusted->cert_pem()).front().get());
      SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    }
    return context;
  }
  // The server's end of a connection from that peer.
  void Accept(SSL_CTX* context, const std::string& peer) {
    const NextPeer next(peer, direct_ ? direct_.get() : -1, examiner_);
    server_.reset(SSL_new(context));
    SSL_set_accept_state(server_.get());
    SSL_set_bio(server_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  }
  void Connect(SSL_CTX* context) {
    client_.reset(SSL_new(context));
    SSL_set_connect_state(client_.get());
    BIO* const to_server = SSL_get_rbio(server_.get());
    BIO* const to_client = SSL_get_wbio(server_.get());
    BIO_up_ref(to_server);
    BIO_up_ref(to_client);
    SSL_set_bio(client_.get(), to_client, to_server);
  }
  // Each end does what it can, a few times. The answer of the server's last turn.
  int Shake() {
    int accepted = -1;
    for (int i = 0; i < 4 && accepted != 1; ++i) {
      SSL_do_handshake(client_.get());
      accepted = SSL_do_handshake(server_.get());
      if (accepted != 1 && SSL_get_error(server_.get(), accepted) == SSL_ERROR_SSL) break;
    }
    return accepted;
  }
  // A client with this certificate comes; nullptr = with none.
  int Come(const TestCa::Leaf* certificate, const std::string& peer = "192.0.2.7:4711") {
    const ContextPtr serving = Context(&own_, &ca_);
    Accept(serving.get(), peer);
    const ContextPtr dialling = Context(certificate, nullptr);
    Connect(dialling.get());
    return Shake();
  }

  std::shared_ptr<Examiner> examiner_;
  // Where alerts of the server go directly.
  UniqueFd direct_;
  TestCa ca_{"DEV"};
  TestCa::Leaf own_ = ca_.Issue({.cns = {"server"}});
  SslPtr server_;
  SslPtr client_;
};

TEST_F(HandshakeWatchTest, ACertificateOfAnotherCaIsToldWithItsNamesAndThePeer) {
  const TestCa other("ELSEWHERE");
  const TestCa::Leaf leaf = other.Issue({.cns = {"h7"}});
  ASSERT_NE(Come(&leaf), 1);
  const Handshake failed = TakeHandshake();
  EXPECT_TRUE(failed.server);
  EXPECT_EQ(failed.peer, "192.0.2.7:4711");
  EXPECT_EQ(failed.problem, "unable to get local issuer certificate");
  EXPECT_THAT(failed.subject, HasSubstr("CN=h7"));
  EXPECT_THAT(failed.issuer, HasSubstr("CN=ELSEWHERE"));
  EXPECT_EQ(failed.at_fault, "");
  EXPECT_EQ(TakeHandshake().peer, "") << "it is told once";
}

TEST_F(HandshakeWatchTest, AnExpiredCertificateIsToldAsSuch) {
  const TestCa::Leaf leaf = ca_.Issue({.cns = {"h7"}, .not_after = absl::Now() - absl::Minutes(1)});
  ASSERT_NE(Come(&leaf), 1);
  const Handshake failed = TakeHandshake();
  EXPECT_EQ(failed.problem, "certificate has expired");
  EXPECT_THAT(failed.subject, HasSubstr("CN=h7"));
  EXPECT_THAT(failed.issuer, HasSubstr("CN=DEV"));
}

TEST_F(HandshakeWatchTest, ACaThatIsAtFaultIsToldApartFromTheProblem) {
  const TestCa other("ELSEWHERE");
  const TestCa::Leaf leaf = other.Issue({.cns = {"h7"}});
  const ContextPtr serving = Context(&own_, &ca_);
  Accept(serving.get(), "192.0.2.7:4711");
  const ContextPtr dialling = Context(&leaf, nullptr);
  SSL_CTX_add1_chain_cert(dialling.get(), ReadCerts(other.cert_pem()).front().get());
  Connect(dialling.get());
  ASSERT_NE(Shake(), 1);
  const Handshake failed = TakeHandshake();
  EXPECT_EQ(failed.problem, "self-signed certificate in certificate chain");
  EXPECT_THAT(failed.subject, HasSubstr("CN=h7"));
  EXPECT_THAT(failed.at_fault, HasSubstr("CN=ELSEWHERE"));
}

TEST_F(HandshakeWatchTest, WhoShowsNoCertificateIsKnownByItsAddress) {
  ASSERT_NE(Come(nullptr), 1);
  const Handshake failed = TakeHandshake();
  EXPECT_EQ(failed.peer, "192.0.2.7:4711");
  EXPECT_EQ(failed.problem, "");
  EXPECT_EQ(failed.subject, "");
}

TEST_F(HandshakeWatchTest, WhoSpeaksNoTlsIsKnownByItsAddress) {
  const ContextPtr serving = Context(&own_, &ca_);
  for (const std::string words : {"GET / HTTP/1.0\r\n\r\n", "\x80\x01\x01garbage", "garbage!!!"}) {
    Accept(serving.get(), "192.0.2.8:1");
    BIO_write(SSL_get_rbio(server_.get()), words.data(), static_cast<int>(words.size()));
    ASSERT_NE(SSL_do_handshake(server_.get()), 1);
    EXPECT_EQ(TakeHandshake().peer, "192.0.2.8:1") << words;
  }
}

TEST_F(HandshakeWatchTest, WhatTheNamesSayIsBoundedAndPrintable) {
  const TestCa other("ELSEWHERE");
  const std::vector<std::string> names(4, absl::StrCat("h\n\xc3\xa4", std::string(50, 'x')));
  const TestCa::Leaf leaf = other.Issue({.cns = names});
  ASSERT_NE(Come(&leaf), 1);
  const std::string subject = TakeHandshake().subject;
  EXPECT_EQ(subject.size(), kMaxShownName);
  for (const char c : subject) EXPECT_TRUE(c >= ' ' && c <= '~') << static_cast<int>(c);
}

TEST_F(HandshakeWatchTest, AHandshakeThatEndsWellIsForgotten) {
  const TestCa::Leaf leaf = ca_.Issue({.cns = {"h7"}});
  ASSERT_EQ(Come(&leaf), 1);
  char byte = 'x';
  ASSERT_EQ(SSL_write(client_.get(), &byte, 1), 1);
  ASSERT_EQ(SSL_read(server_.get(), &byte, 1), 1);
  EXPECT_EQ(TakeHandshake().peer, "");
}

TEST_F(HandshakeWatchTest, TheVerdictStaysThatOfWhoeverWouldHaveBeenAsked) {
  const TestCa other("ELSEWHERE");
  const TestCa::Leaf leaf = other.Issue({.cns = {"h7"}});
  const ContextPtr serving = Context(&own_, &ca_);
  SSL_CTX_set_verify(serving.get(), SSL_VERIFY_PEER, [](int, X509_STORE_CTX*) { return 1; });
  Accept(serving.get(), "");
  const ContextPtr dialling = Context(&leaf, nullptr);
  Connect(dialling.get());
  EXPECT_EQ(Shake(), 1);
}

TEST_F(HandshakeWatchTest, ThePeerIsThatOfTheThreadThatBeganAndNotOfTheNextOne) {
  const ContextPtr serving = Context(&own_, &ca_);
  Accept(serving.get(), "192.0.2.7:4711");
  const SslPtr first = std::move(server_);
  Accept(serving.get(), "192.0.2.8:1");
  std::thread([&first] {
    BIO_write(SSL_get_rbio(first.get()), "GET / HTTP/1.0\r\n\r\n", 18);
    SSL_do_handshake(first.get());
    EXPECT_EQ(TakeHandshake().peer, "192.0.2.7:4711");
  }).join();
  EXPECT_EQ(TakeHandshake().peer, "") << "this thread has worked on none";
}

// Says what it is told to, and keeps what it heard.
class TellingExaminer final : public Examiner {
 public:
  Verdict Examine(const Papers& papers) override {
    ++asked;
    peer = papers.peer;
    leaf_pem = papers.leaf_pem;
    chain_pem = papers.chain_pem;
    return verdict;
  }
  void Refused(bool expired) override { ++(expired ? expired_ones : others); }

  Verdict verdict;
  int asked = 0, expired_ones = 0, others = 0;
  std::string peer, leaf_pem, chain_pem;
};

class ExaminerTest : public HandshakeWatchTest {
 protected:
  ExaminerTest() {
    examiner_ = telling_;
    int ends[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    direct_.reset(ends[0]);
    arriving_.reset(ends[1]);
  }
  std::string Arrived() const {
    char bytes[4096];
    const ssize_t got = recv(arriving_.get(), bytes, sizeof bytes, 0);
    return std::string(bytes, static_cast<size_t>(std::max<ssize_t>(got, 0)));
  }

  const std::shared_ptr<TellingExaminer> telling_ = std::make_shared<TellingExaminer>();
  UniqueFd arriving_;
  const TestCa::Leaf leaf_ = ca_.Issue({.uris = {"spiffe://t/agent/h7"}, .cns = {"h7"}});
};

TEST_F(ExaminerTest, IsAskedOnceOfWhomOpenSslAccepts) {
  ASSERT_EQ(Come(&leaf_), 1);
  EXPECT_EQ(telling_->asked, 1);
  EXPECT_EQ(telling_->peer, "192.0.2.7:4711");
  EXPECT_EQ(telling_->leaf_pem, leaf_.cert_pem);
  EXPECT_EQ(telling_->chain_pem, "");
}

TEST_F(ExaminerTest, SeesWhatThePeerSentBesidesItsLeaf) {
  const TestCa middle("MIDDLE", &ca_);
  const TestCa::Leaf leaf = middle.Issue({.cns = {"h7"}});
  const ContextPtr serving = Context(&own_, &ca_);
  Accept(serving.get(), "192.0.2.7:4711");
  const ContextPtr dialling = Context(&leaf, nullptr);
  SSL_CTX_add1_chain_cert(dialling.get(), ReadCerts(middle.cert_pem()).front().get());
  Connect(dialling.get());
  ASSERT_EQ(Shake(), 1);
  EXPECT_EQ(telling_->asked, 1);
  EXPECT_EQ(telling_->leaf_pem, leaf.cert_pem);
  EXPECT_EQ(telling_->chain_pem, middle.cert_pem());
}

TEST_F(ExaminerTest, NobodyMaySendManyCertificatesBesidesItsOwn) {
  for (const int sent : {kMaxSentCertificates, kMaxSentCertificates + 1}) {
    const ContextPtr serving = Context(&own_, &ca_);
    Accept(serving.get(), "192.0.2.7:4711");
    const ContextPtr dialling = Context(&leaf_, nullptr);
    for (int i = 0; i < sent; ++i) {
      const TestCa junk(absl::StrCat("JUNK", i));
      SSL_CTX_add1_chain_cert(dialling.get(), ReadCerts(junk.cert_pem()).front().get());
    }
    Connect(dialling.get());
    EXPECT_EQ(Shake() == 1, sent == kMaxSentCertificates) << sent;
  }
  EXPECT_EQ(telling_->asked, 1);
  EXPECT_EQ(telling_->others, 1);
  EXPECT_THAT(TakeHandshake().problem, HasSubstr("more than 8 certificates"));
}

TEST_F(ExaminerTest, NobodyMaySendLongCertificatesBesidesItsOwn) {
  const TestCa middle("MIDDLE", &ca_);
  const TestCa::Leaf wordy = middle.Issue({.cns = std::vector<std::string>(200, "a name")});
  ASSERT_LT(wordy.cert_pem.size(), kMaxSentBytes);
  const ContextPtr serving = Context(&own_, &ca_);
  Accept(serving.get(), "192.0.2.7:4711");
  const ContextPtr dialling = Context(&leaf_, nullptr);
  for (size_t bytes = 0; bytes <= kMaxSentBytes; bytes += wordy.cert_pem.size()) {
    SSL_CTX_add1_chain_cert(dialling.get(), ReadCerts(wordy.cert_pem).front().get());
  }
  Connect(dialling.get());
  EXPECT_NE(Shake(), 1);
  EXPECT_EQ(telling_->asked, 0);
  EXPECT_THAT(TakeHandshake().problem, HasSubstr("16384 bytes"));
}

TEST_F(HandshakeWatchTest, WhereAnExaminerIsRequiredNobodyComesInWithoutOne) {
  const TestCa::Leaf leaf = ca_.Issue({.cns = {"h7"}});
  RequireExaminer(true);
  EXPECT_NE(Come(&leaf), 1);
  EXPECT_EQ(TakeHandshake().problem, "nobody is here to examine its certificate");
  examiner_ = std::make_shared<TellingExaminer>();
  EXPECT_EQ(Come(&leaf), 1);
  RequireExaminer(false);
}

TEST_F(HandshakeWatchTest, WhoseHandshakeIsNotWatchedStaysOut) {
  const TestCa::Leaf leaf = ca_.Issue({.cns = {"h7"}});
  const ContextPtr serving = Context(&own_, &ca_);
  Accept(serving.get(), "192.0.2.7:4711");
  int place = 0;
  while (place < 100 && SSL_get_ex_data(server_.get(), place) == nullptr) ++place;
  void* const watch = SSL_get_ex_data(server_.get(), place);
  ASSERT_NE(watch, nullptr);
  ASSERT_EQ(SSL_set_ex_data(server_.get(), place, nullptr), 1);
  const ContextPtr dialling = Context(&leaf, nullptr);
  Connect(dialling.get());
  EXPECT_NE(Shake(), 1);
  SSL_set_ex_data(server_.get(), place, watch);  // it is freed with the connection
}

TEST_F(ExaminerTest, EachRefusalIsAnAlertOfItsOwnThatTheClientHears) {
  const std::pair<Refusal, int> cases[] = {{Refusal::kRole, SSL_AD_HANDSHAKE_FAILURE},
                                           {Refusal::kRevoked, SSL_AD_CERTIFICATE_REVOKED},
                                           {Refusal::kExpired, SSL_AD_CERTIFICATE_EXPIRED},
                                           {Refusal::kUntrusted, SSL_AD_UNKNOWN_CA},
                                           {Refusal::kName, SSL_AD_BAD_CERTIFICATE}};
  for (const auto& [refusal, alert] : cases) {
    telling_->verdict = {refusal, "spiffe://t/agent/h7", "what is wrong"};
    ASSERT_NE(Come(&leaf_), 1);
    const Handshake failed = TakeHandshake();
    EXPECT_EQ(failed.problem, "what is wrong");
    EXPECT_EQ(failed.identity, "spiffe://t/agent/h7");
    EXPECT_THAT(failed.subject, HasSubstr("CN=h7"));
    EXPECT_FALSE(Arrived().empty());
    ASSERT_EQ(SSL_do_handshake(client_.get()), 1) << "its side of the handshake is over";
    char byte = 0;
    EXPECT_LE(SSL_read(client_.get(), &byte, 1), 0);
    EXPECT_EQ(LastAlert().description, alert);
    EXPECT_EQ(LastAlert().identity, "spiffe://t/agent/h7");
    const int64_t later = SystemClock().NowNanos() + kAlertLastsNanos;
    EXPECT_EQ(LastAlert(later).description, 0) << "an error that comes then has another cause";
    EXPECT_EQ(LastAlert(later - kAlertLastsNanos / 2).description, alert);
  }
}

// gRPC drops what is in the connection's buffer when a handshake has failed.
TEST_F(ExaminerTest, TheAlertGoesToTheSocketDirectlyAndIsWhatTheBufferHolds) {
  telling_->verdict = {Refusal::kRole, "", ""};
  const ContextPtr serving = Context(&own_, &ca_);
  Accept(serving.get(), "");
  const ContextPtr dialling = Context(&leaf_, nullptr);
  Connect(dialling.get());
  SSL_do_handshake(client_.get());
  SSL_do_handshake(server_.get());
  EXPECT_EQ(Arrived(), "") << "the server's part of the handshake is not the alert";
  SSL_do_handshake(client_.get());
  SSL_do_handshake(server_.get());
  char* buffered = nullptr;
  const long size = BIO_get_mem_data(SSL_get_wbio(server_.get()), &buffered);
  EXPECT_EQ(Arrived(), std::string(buffered, static_cast<size_t>(size)));
}

TEST_F(ExaminerTest, NothingGoesToASocketThatHasAnothersNumberByNow) {
  telling_->verdict = {Refusal::kRole, "", ""};
  const ContextPtr serving = Context(&own_, &ca_);
  Accept(serving.get(), "");
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
  const UniqueFd other(ends[0]);
  arriving_.reset(ends[1]);
  ASSERT_EQ(dup3(other.get(), direct_.get(), O_CLOEXEC), direct_.get());
  const ContextPtr dialling = Context(&leaf_, nullptr);
  Connect(dialling.get());
  ASSERT_NE(Shake(), 1);
  EXPECT_EQ(Arrived(), "");
}

TEST_F(ExaminerTest, NothingOfAConnectionThatStandsGoesToTheSocketDirectly) {
  ASSERT_EQ(Come(&leaf_), 1);
  ASSERT_EQ(SSL_write(server_.get(), "s", 1), 1);
  EXPECT_EQ(Arrived(), "");
}

TEST_F(ExaminerTest, WhatOpenSslRefusesItOnlyHears) {
  const TestCa other("ELSEWHERE");
  const TestCa::Leaf foreign = other.Issue({.cns = {"h7"}});
  EXPECT_NE(Come(&foreign), 1);
  const TestCa::Leaf old = ca_.Issue({.cns = {"h7"}, .not_after = absl::Now() - absl::Minutes(1)});
  EXPECT_NE(Come(&old), 1);
  EXPECT_EQ(telling_->asked, 0);
  EXPECT_EQ(telling_->others, 1);
  EXPECT_EQ(telling_->expired_ones, 1);
  EXPECT_FALSE(Arrived().empty()) << "these are told by an alert, too";
}

TEST_F(ExaminerTest, AServerThatLetsUsInMakesTheAlertForgotten) {
  telling_->verdict = {Refusal::kRole, "", ""};
  ASSERT_NE(Come(&leaf_), 1);
  SSL_do_handshake(client_.get());
  char byte = 0;
  SSL_read(client_.get(), &byte, 1);
  ASSERT_NE(LastAlert().description, 0);
  telling_->verdict = {};
  ASSERT_EQ(Come(&leaf_), 1);
  EXPECT_NE(LastAlert().description, 0) << "it has said nothing yet";
  ASSERT_EQ(SSL_write(server_.get(), "x", 1), 1);
  ASSERT_EQ(SSL_read(client_.get(), &byte, 1), 1);
  EXPECT_EQ(LastAlert().description, 0);
}

}  // namespace
}  // namespace entropyd::tls
