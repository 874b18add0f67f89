#include "client/doctor/tls_probe.h"

#include <poll.h>
#include <signal.h>
#include <time.h>

#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/crypto/pem.h"
#include "base/process/await_ready.h"
#include "openssl/err.h"
#include "openssl/pem.h"
#include "openssl/ssl.h"
#include "openssl/x509v3.h"

namespace entropyd::doctor {
namespace {

using ContextPtr = std::unique_ptr<SSL_CTX, tls::Deleter<SSL_CTX_free>>;
using SslPtr = std::unique_ptr<SSL, tls::Deleter<SSL_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, tls::Deleter<EVP_PKEY_free>>;

constexpr unsigned char kHttp2[] = {2, 'h', '2'};

absl::Status Refused(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(what, ": ", tls::OpenSslReason()));
}

absl::StatusOr<ContextPtr> MakeContext(const OwnTls& own) {
  ContextPtr context(SSL_CTX_new(TLS_client_method()));
  if (context == nullptr) return Refused("make a TLS context");
  SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION);
  SSL_CTX_set_alpn_protos(context.get(), kHttp2, sizeof kHttp2);
  for (const tls::CertPtr& ca : tls::ReadCerts(own.ca)) {
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context.get()), ca.get());
  }
  // The handshake goes on: SSL_get_verify_result() tells.
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, [](int, X509_STORE_CTX*) { return 1; });
  const std::vector<tls::CertPtr> chain = tls::ReadCerts(own.cert);
  if (chain.empty()) return context;
  const tls::BioPtr bio = tls::MemoryBio(own.key);
  const KeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, tls::NoPassword, nullptr));
  if (key == nullptr || SSL_CTX_use_certificate(context.get(), chain.front().get()) != 1 ||
      SSL_CTX_use_PrivateKey(context.get(), key.get()) != 1) {
    return Refused("use our certificate");
  }
  for (size_t i = 1; i < chain.size(); ++i) SSL_CTX_add1_chain_cert(context.get(), chain[i].get());
  return context;
}

// OpenSSL writes with write(2). A peer that has gone would end this program by SIGPIPE.
class WithoutSigpipe {
 public:
  WithoutSigpipe() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~WithoutSigpipe() {
    const timespec at_once = {};
    // One that came meanwhile is of this thread's own writes.
    if (sigismember(&before_, SIGPIPE) == 0) sigtimedwait(&pipe_, nullptr, &at_once);
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

 private:
  sigset_t pipe_;
  sigset_t before_;
};

// Why a handshake has failed; what OpenSSL has no words for is the end of the connection.
std::string Failure() {
  if (ERR_peek_error() == 0) return "the server ended the connection in the handshake";
  return tls::OpenSslReason();
}

// Repeats `step` until it is done or fails. 1 = done, 0 = failed, -1 = the time is over.
template <typename Step>
int Drive(SSL* ssl, int fd, absl::Time deadline, Step step) {
  while (true) {
    ERR_clear_error();
    const int result = step();
    if (result > 0) return 1;
    const int error = SSL_get_error(ssl, result);
    if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) return 0;
    if (!AwaitReady(fd, error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, deadline)) return -1;
  }
}

TlsProbe::Trust TrustOf(long error) {
  switch (error) {
    case X509_V_OK:
      return TlsProbe::Trust::kGood;
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return TlsProbe::Trust::kExpired;
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return TlsProbe::Trust::kNotYetValid;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
      return TlsProbe::Trust::kOtherCa;
    default:
      return TlsProbe::Trust::kOther;
  }
}

bool NameFits(X509* cert, const std::string& host) {
  return X509_check_host(cert, host.data(), host.size(), 0, nullptr) == 1 ||
         X509_check_ip_asc(cert, host.c_str(), 0) == 1;
}

}  // namespace

absl::StatusOr<TlsProbe> ProbeTls(int fd, const OwnTls& own, const std::string& host,
                                  absl::Time deadline) {
  const absl::StatusOr<ContextPtr> context = MakeContext(own);
  if (!context.ok()) return context.status();
  const WithoutSigpipe without_sigpipe;
  const SslPtr ssl(SSL_new(context->get()));
  if (ssl == nullptr || SSL_set_fd(ssl.get(), fd) != 1) return Refused("begin TLS");
  SSL_set_tlsext_host_name(ssl.get(), host.c_str());
  const int shaken = Drive(ssl.get(), fd, deadline, [&] { return SSL_connect(ssl.get()); });
  if (shaken < 0)
    return absl::DeadlineExceededError("it takes the connection and does not speak TLS");
  if (shaken == 0) return absl::UnavailableError(Failure());
  const tls::CertPtr peer(SSL_get1_peer_certificate(ssl.get()));
  if (peer == nullptr) return absl::UnavailableError("it shows no certificate");
  TlsProbe probe;
  probe.subject = tls::ShowName(X509_get_subject_name(peer.get()));
  probe.issuer = tls::ShowName(X509_get_issuer_name(peer.get()));
  probe.not_before = tls::ToTime(X509_get0_notBefore(peer.get()));
  probe.not_after = tls::ToTime(X509_get0_notAfter(peer.get()));
  const long verified = SSL_get_verify_result(ssl.get());
  probe.trust = TrustOf(verified);
  if (verified != X509_V_OK) probe.trust_problem = X509_verify_cert_error_string(verified);
  probe.name_fits = NameFits(peer.get(), host);
  // Only now the server looks at ours. It begins HTTP/2, or says what is wrong.
  char byte = 0;
  const int heard = Drive(ssl.get(), fd, deadline, [&] { return SSL_read(ssl.get(), &byte, 1); });
  probe.answered = heard > 0;
  if (heard == 0) probe.alert = tls::OpenSslReason();
  return probe;
}

}  // namespace entropyd::doctor
