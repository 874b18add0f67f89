#include "base/crypto/handshake_watch.h"

#include <memory>
#include <utility>

#include "absl/base/call_once.h"
#include "absl/strings/str_cat.h"
#include "base/crypto/pem.h"
#include "openssl/ssl.h"

namespace entropyd::tls {
namespace {

// Each connection of OpenSSL's owns one; the thread that works on it holds it, too.
using Watched = std::shared_ptr<Handshake>;

int place = -1;  // of the watched handshake in OpenSSL's connection; since WatchHandshakes()
thread_local std::string next_peer;
thread_local Watched last;

Watched* Of(const SSL* ssl) { return static_cast<Watched*>(SSL_get_ex_data(ssl, place)); }

std::string Bounded(std::string text) {
  if (text.size() > kMaxShownName) text = absl::StrCat(text.substr(0, kMaxShownName - 3), "...");
  return text;
}

// The certificate that is at fault may be one of the CAs between.
void NoteProblem(X509_STORE_CTX* verification, Handshake* handshake) {
  X509* const leaf = X509_STORE_CTX_get0_cert(verification);
  X509* const at_fault = X509_STORE_CTX_get_current_cert(verification);
  handshake->problem = X509_verify_cert_error_string(X509_STORE_CTX_get_error(verification));
  if (leaf == nullptr) return;
  handshake->subject = Bounded(ShowName(X509_get_subject_name(leaf)));
  handshake->issuer = Bounded(ShowName(X509_get_issuer_name(leaf)));
  if (at_fault == nullptr || X509_STORE_CTX_get_error_depth(verification) == 0) return;
  handshake->at_fault = Bounded(ShowName(X509_get_subject_name(at_fault)));
}

// Asks whoever would have been asked without us, and only looks at the answer.
int OnVerify(int accepted, X509_STORE_CTX* verification) {
  const SSL* const ssl = static_cast<const SSL*>(
      X509_STORE_CTX_get_ex_data(verification, SSL_get_ex_data_X509_STORE_CTX_idx()));
  const SSL_verify_cb other = SSL_CTX_get_verify_callback(SSL_get_SSL_CTX(ssl));
  const int verdict = other == nullptr ? accepted : other(accepted, verification);
  Watched* const watched = Of(ssl);
  if (verdict != 1 && watched != nullptr) NoteProblem(verification, watched->get());
  return verdict;
}

// OpenSSL may tell of a record in two calls, and does not look between them whether anybody still
// wants the second one. So a callback must not take itself away.
void Ignore(int, int, int, const void*, size_t, SSL*, void*) {}

void OnRecord(int, int, int, const void*, size_t, SSL* ssl, void*) {
  if (SSL_is_init_finished(ssl)) {
    SSL_set_msg_callback(ssl, &Ignore);
    last.reset();
    return;
  }
  Watched* const watched = Of(ssl);
  if (watched == nullptr) return;
  (*watched)->server = SSL_is_server(ssl) == 1;
  last = *watched;
}

void OnNew(void* parent, void*, CRYPTO_EX_DATA* data, int index, long, void*) {
  SSL* const ssl = static_cast<SSL*>(parent);
  auto watched = std::make_unique<Watched>(std::make_shared<Handshake>());
  (*watched)->peer = next_peer;
  if (CRYPTO_set_ex_data(data, index, watched.get()) != 1) return;
  static_cast<void>(watched.release());
  SSL_set_msg_callback(ssl, &OnRecord);
  SSL_set_verify(ssl, SSL_get_verify_mode(ssl), &OnVerify);
}

int OnCopy(CRYPTO_EX_DATA*, const CRYPTO_EX_DATA*, void** data, int, long, void*) {
  Watched* const watched = static_cast<Watched*>(*data);
  if (watched != nullptr) *data = new Watched(*watched);
  return 1;
}

void OnFree(void*, void* watched, CRYPTO_EX_DATA*, int, long, void*) {
  delete static_cast<Watched*>(watched);
}

}  // namespace

void WatchHandshakes() {
  static absl::once_flag once;
  absl::call_once(once, [] { place = SSL_get_ex_new_index(0, nullptr, &OnNew, &OnCopy, &OnFree); });
}

NextPeer::NextPeer(std::string peer) { next_peer = std::move(peer); }
NextPeer::~NextPeer() { next_peer.clear(); }

Handshake TakeHandshake() {
  const Watched taken = std::exchange(last, nullptr);
  return taken == nullptr ? Handshake() : *taken;
}

}  // namespace entropyd::tls
