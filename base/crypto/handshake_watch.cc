#include "base/crypto/handshake_watch.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <atomic>
#include <memory>
#include <utility>

#include "absl/base/call_once.h"
#include "absl/base/const_init.h"
#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "base/crypto/peer_identity.h"
#include "base/crypto/pem.h"
#include "base/process/clock.h"
#include "base/process/fd.h"
#include "openssl/pem.h"
#include "openssl/ssl.h"

namespace entropyd::tls {
namespace {

// Who the next connection is with.
struct Next {
  std::string peer;
  int socket = -1;
  ino_t inode = 0;
  std::shared_ptr<Examiner> examiner;
};

struct Watch {
  Handshake handshake;
  Next with;
};

// Each connection of OpenSSL's owns one; the thread that works on it holds it, too.
using Watched = std::shared_ptr<Watch>;

int place = -1;  // of the watched handshake in OpenSSL's connection; since WatchHandshakes()
thread_local Next next;
thread_local Watched last;

ABSL_CONST_INIT absl::Mutex alert_mutex(absl::kConstInit);
Alert* last_alert ABSL_GUARDED_BY(alert_mutex) = nullptr;
int64_t last_alert_nanos ABSL_GUARDED_BY(alert_mutex) = 0;

std::atomic<bool> examiner_required{false};

void NoteAlert(Alert alert) {
  absl::MutexLock lock(&alert_mutex);
  if (last_alert == nullptr) last_alert = new Alert;
  *last_alert = std::move(alert);
  last_alert_nanos = SystemClock().NowNanos();
}

Watched* Of(const SSL* ssl) { return static_cast<Watched*>(SSL_get_ex_data(ssl, place)); }

std::string Bounded(std::string text) {
  if (text.size() > kMaxShownName) text = absl::StrCat(text.substr(0, kMaxShownName - 3), "...");
  return text;
}

std::string ToPem(X509* cert) {
  const BioPtr out(BIO_new(BIO_s_mem()));
  if (out == nullptr || PEM_write_bio_X509(out.get(), cert) != 1) return "";
  char* data = nullptr;
  const long size = BIO_get_mem_data(out.get(), &data);
  return std::string(data, static_cast<size_t>(size));
}

// Of the peer's own certificate.
void NoteNames(X509_STORE_CTX* verification, Handshake* handshake) {
  X509* const leaf = X509_STORE_CTX_get0_cert(verification);
  if (leaf == nullptr) return;
  handshake->subject = Bounded(ShowName(X509_get_subject_name(leaf)));
  handshake->issuer = Bounded(ShowName(X509_get_issuer_name(leaf)));
}

// The certificate that is at fault may be one of the CAs between.
void NoteProblem(X509_STORE_CTX* verification, Handshake* handshake) {
  X509* const at_fault = X509_STORE_CTX_get_current_cert(verification);
  handshake->problem = X509_verify_cert_error_string(X509_STORE_CTX_get_error(verification));
  NoteNames(verification, handshake);
  if (at_fault == nullptr || X509_STORE_CTX_get_error_depth(verification) == 0) return;
  handshake->at_fault = Bounded(ShowName(X509_get_subject_name(at_fault)));
}

// What makes OpenSSL send the alert of this refusal.
int ErrorOf(Refusal refusal) {
  switch (refusal) {
    case Refusal::kRevoked:
      return X509_V_ERR_CERT_REVOKED;
    case Refusal::kExpired:
      return X509_V_ERR_CERT_HAS_EXPIRED;
    case Refusal::kUntrusted:
      return X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY;
    case Refusal::kName:
      return X509_V_ERR_CERT_REJECTED;
    case Refusal::kRole:
    case Refusal::kNone:
      break;
  }
  return X509_V_ERR_APPLICATION_VERIFICATION;
}

// False when the peer has sent more than it may. `chain` is what it has sent besides its leaf.
bool TakeChain(X509_STORE_CTX* verification, std::string* chain) {
  const STACK_OF(X509)* const sent = X509_STORE_CTX_get0_untrusted(verification);
  if (sk_X509_num(sent) > 1 + kMaxSentCertificates) return false;
  for (int i = 1; i < sk_X509_num(sent); ++i) {
    absl::StrAppend(chain, ToPem(sk_X509_value(sent, i)));
    if (chain->size() > kMaxSentBytes) return false;
  }
  return true;
}

// True when the examiner lets the peer in.
bool Examined(X509_STORE_CTX* verification, Watch* watch) {
  const std::string leaf = ToPem(X509_STORE_CTX_get0_cert(verification));
  std::string chain;
  if (!TakeChain(verification, &chain)) {
    X509_STORE_CTX_set_error(verification, ErrorOf(Refusal::kName));
    NoteNames(verification, &watch->handshake);
    watch->handshake.problem = absl::StrCat("more than ", kMaxSentCertificates, " certificates, ",
                                            "or ", kMaxSentBytes, " bytes, besides its own");
    watch->with.examiner->Refused(/*expired=*/false);
    return false;
  }
  Examiner::Verdict verdict = watch->with.examiner->Examine(
      {.peer = watch->handshake.peer, .leaf_pem = leaf, .chain_pem = chain});
  if (verdict.refusal == Refusal::kNone) return true;
  X509_STORE_CTX_set_error(verification, ErrorOf(verdict.refusal));
  NoteNames(verification, &watch->handshake);
  watch->handshake.problem = std::move(verdict.problem);
  watch->handshake.identity = std::move(verdict.identity);
  return false;
}

// True when the peer may come in without an examiner.
bool Unexamined(X509_STORE_CTX* verification, const SSL* ssl, Watch* watch) {
  if (!examiner_required || SSL_is_server(ssl) == 0) return true;
  X509_STORE_CTX_set_error(verification, X509_V_ERR_UNSPECIFIED);  // alert internal_error
  NoteNames(verification, &watch->handshake);
  watch->handshake.problem = "nobody is here to examine its certificate";
  return false;
}

// Asks the callback that would have been asked without us, and then the examiner. OpenSSL asks of
// the leaf last, when it has verified all signatures.
int OnVerify(int accepted, X509_STORE_CTX* verification) {
  const SSL* const ssl = static_cast<const SSL*>(
      X509_STORE_CTX_get_ex_data(verification, SSL_get_ex_data_X509_STORE_CTX_idx()));
  const SSL_verify_cb other = SSL_CTX_get_verify_callback(SSL_get_SSL_CTX(ssl));
  const int verdict = other == nullptr ? accepted : other(accepted, verification);
  Watched* const watched = Of(ssl);
  if (watched == nullptr) {
    X509_STORE_CTX_set_error(verification, X509_V_ERR_OUT_OF_MEM);
    return 0;
  }
  Examiner* const examiner = (*watched)->with.examiner.get();
  if (verdict != 1) {
    NoteProblem(verification, &(*watched)->handshake);
    if (examiner != nullptr) {
      examiner->Refused(X509_STORE_CTX_get_error(verification) == X509_V_ERR_CERT_HAS_EXPIRED);
    }
    return verdict;
  }
  if (X509_STORE_CTX_get_error_depth(verification) != 0) return verdict;
  if (examiner == nullptr) return Unexamined(verification, ssl, watched->get()) ? verdict : 0;
  return Examined(verification, watched->get()) ? verdict : 0;
}

// A copy of the descriptor is looked at, because its owner may close the original at any time.
void SendDirectly(const Next& with, const char* bytes, size_t size) {
  const UniqueFd copy(fcntl(with.socket, F_DUPFD_CLOEXEC, 0));
  struct stat status = {};
  if (!copy || fstat(copy.get(), &status) != 0 || status.st_ino != with.inode) return;
  [[maybe_unused]] const ssize_t sent = send(copy.get(), bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
}

// Of TLS 1.3: 5 bytes of header, 2 of alert, one of type, a tag of 16 (RFC 8446, 5.2 and 6).
constexpr size_t kAlertRecordBytes = 24;

// Once the client's certificate has come, a server whose handshake is not over yet writes alerts,
// and session tickets, which are longer.
long OnWrite(BIO* bio, int operation, const char* bytes, size_t size, int, long, int result,
             size_t*) {
  if (operation != BIO_CB_WRITE || size > kAlertRecordBytes) return result;
  const SSL* const ssl = reinterpret_cast<const SSL*>(BIO_get_callback_arg(bio));
  if (SSL_is_init_finished(ssl)) return result;
  const Watched* const watched = Of(ssl);
  if (watched != nullptr) SendDirectly((*watched)->with, bytes, size);
  return result;
}

// OpenSSL may tell of a record in two calls, and does not look between them whether anybody still
// wants the second one. So a callback must not take itself away.
void Ignore(int, int, int, const void*, size_t, SSL*, void*) {}

// Our handshake is over. True when the server has answered: by an alert, or by letting us in.
bool Answered(bool written, int type, const uint8_t* data, size_t size, SSL* ssl) {
  if (written || size == 0) return false;
  if (type == SSL3_RT_INNER_CONTENT_TYPE && data[0] == SSL3_RT_APPLICATION_DATA) {
    NoteAlert({});
    return true;
  }
  if (type != SSL3_RT_ALERT || size != 2) return false;
  X509* const own = SSL_get_certificate(ssl);
  const absl::StatusOr<PeerIdentity> identity = IdentityOfPem(own == nullptr ? "" : ToPem(own));
  NoteAlert({.description = data[1], .identity = identity.ok() ? identity->name : ""});
  return true;
}

void OnRecord(int written, int, int type, const void* bytes, size_t size, SSL* ssl, void*) {
  const auto* const data = static_cast<const uint8_t*>(bytes);
  const bool server = SSL_is_server(ssl) == 1;
  if (SSL_is_init_finished(ssl)) {
    last.reset();
    if (server || Answered(written != 0, type, data, size, ssl)) SSL_set_msg_callback(ssl, &Ignore);
    return;
  }
  Watched* const watched = Of(ssl);
  if (watched == nullptr) return;
  (*watched)->handshake.server = server;
  last = *watched;
  const bool certificate =
      written == 0 && type == SSL3_RT_HANDSHAKE && size > 0 && data[0] == SSL3_MT_CERTIFICATE;
  if (!server || !certificate || (*watched)->with.socket < 0) return;
  BIO_set_callback_ex(SSL_get_wbio(ssl), &OnWrite);
  BIO_set_callback_arg(SSL_get_wbio(ssl), reinterpret_cast<char*>(ssl));
}

// Without memory for a watch, OnVerify finds none, and lets nobody in.
void OnNew(void* parent, void*, CRYPTO_EX_DATA* data, int index, long, void*) {
  SSL* const ssl = static_cast<SSL*>(parent);
  SSL_set_verify(ssl, SSL_get_verify_mode(ssl), &OnVerify);
  auto watched = std::make_unique<Watched>(std::make_shared<Watch>());
  (*watched)->handshake.peer = next.peer;
  (*watched)->with = next;
  if (CRYPTO_set_ex_data(data, index, watched.get()) != 1) return;
  static_cast<void>(watched.release());
  SSL_set_msg_callback(ssl, &OnRecord);
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

void RequireExaminer(bool required) { examiner_required = required; }

NextPeer::NextPeer(std::string peer, int socket, std::shared_ptr<Examiner> examiner) {
  struct stat status = {};
  if (socket >= 0) fstat(socket, &status);
  next = {std::move(peer), socket, status.st_ino, std::move(examiner)};
}
NextPeer::~NextPeer() { next = {}; }

Handshake TakeHandshake() {
  const Watched taken = std::exchange(last, nullptr);
  return taken == nullptr ? Handshake() : taken->handshake;
}

Alert LastAlert() { return LastAlert(SystemClock().NowNanos()); }

Alert LastAlert(int64_t now_nanos) {
  absl::MutexLock lock(&alert_mutex);
  if (last_alert == nullptr || now_nanos - last_alert_nanos >= kAlertLastsNanos) return {};
  return *last_alert;
}

}  // namespace entropyd::tls
