// One input = revocation lists, each its issuer, when it is due, and the serials that it names;
// behind a first byte of 255, the text of a file of lists. See README.md.
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/crypto/pem.h"
#include "base/crypto/trust.h"
#include "openssl/err.h"
#include "openssl/pem.h"
#include "openssl/x509v3.h"
#include "tests/fuzz/check.h"
#include "tests/fuzz/input.h"

namespace entropyd {
namespace {

using KeyPtr = std::unique_ptr<EVP_PKEY, tls::Deleter<EVP_PKEY_free>>;

constexpr long kDay = 86'400;

struct Party {
  KeyPtr key{EVP_EC_gen("P-256")};
  tls::CertPtr cert{X509_new()};
};

void Name(X509_NAME* name, const char* text) {
  X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(text), -1, -1, 0);
}

// `issuer` may be the party itself.
void Issue(Party* party, const char* name, long serial, bool authority, const Party& issuer) {
  X509* const cert = party->cert.get();
  X509_set_version(cert, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(cert), serial);
  X509_gmtime_adj(X509_getm_notBefore(cert), -kDay);
  X509_gmtime_adj(X509_getm_notAfter(cert), kDay);
  Name(X509_get_subject_name(cert), name);
  X509_set_issuer_name(cert, X509_get_subject_name(issuer.cert.get()));
  X509_set_pubkey(cert, party->key.get());
  if (authority) {
    X509_EXTENSION* const ca =
        X509V3_EXT_conf_nid(nullptr, nullptr, NID_basic_constraints, "critical,CA:TRUE");
    X509_add_ext(cert, ca, -1);
    X509_EXTENSION_free(ca);
  }
  FUZZ_CHECK(X509_sign(cert, issuer.key.get(), EVP_sha256()) > 0);
}

std::string Pem(X509* cert) {
  tls::BioPtr bio(BIO_new(BIO_s_mem()));
  FUZZ_CHECK(PEM_write_bio_X509(bio.get(), cert) == 1);
  char* text = nullptr;
  const long bytes = BIO_get_mem_data(bio.get(), &text);
  return std::string(text, static_cast<size_t>(bytes));
}

// Two leaves with one serial: one of the root, one of the CA below it. A stranger is no authority
// here.
struct World {
  World() {
    Issue(&root, "root", 1, true, root);
    Issue(&below, "below", 3, true, root);
    Issue(&stranger, "stranger", 1, true, stranger);
    Issue(&of_root, "leaf", 7, false, root);
    Issue(&of_below, "leaf", 7, false, below);
    bundle = Pem(root.cert.get());
    below_pem = Pem(below.cert.get());
    of_root_pem = Pem(of_root.cert.get());
    of_below_pem = Pem(of_below.cert.get());
  }
  Party root, below, stranger, of_root, of_below;
  std::string bundle, below_pem, of_root_pem, of_below_pem;
};

const World& TheWorld() {
  static const World* const world = new World;
  return *world;
}

struct List {
  int issuer;  // 0 root, 1 below, 2 stranger
  long due_days;
  std::set<uint8_t> serials;
};

std::string Pem(const List& list) {
  const World& world = TheWorld();
  const Party* const issuers[] = {&world.root, &world.below, &world.stranger};
  const Party& issuer = *issuers[list.issuer];
  tls::CrlPtr crl(X509_CRL_new());
  X509_CRL_set_version(crl.get(), 1);
  X509_CRL_set_issuer_name(crl.get(), X509_get_subject_name(issuer.cert.get()));
  ASN1_TIME* const time = ASN1_TIME_new();
  X509_gmtime_adj(time, -10 * kDay);
  X509_CRL_set1_lastUpdate(crl.get(), time);
  X509_gmtime_adj(time, list.due_days * kDay);
  X509_CRL_set1_nextUpdate(crl.get(), time);
  for (const uint8_t serial : list.serials) {
    X509_REVOKED* const revoked = X509_REVOKED_new();
    ASN1_INTEGER* const number = ASN1_INTEGER_new();
    ASN1_INTEGER_set(number, serial);
    X509_REVOKED_set_serialNumber(revoked, number);
    X509_gmtime_adj(time, -kDay);
    X509_REVOKED_set_revocationDate(revoked, time);
    X509_CRL_add0_revoked(crl.get(), revoked);
    ASN1_INTEGER_free(number);
  }
  ASN1_TIME_free(time);
  X509_CRL_sort(crl.get());
  FUZZ_CHECK(X509_CRL_sign(crl.get(), issuer.key.get(), EVP_sha256()) > 0);
  tls::BioPtr bio(BIO_new(BIO_s_mem()));
  FUZZ_CHECK(PEM_write_bio_X509_CRL(bio.get(), crl.get()) == 1);
  char* text = nullptr;
  const long bytes = BIO_get_mem_data(bio.get(), &text);
  return std::string(text, static_cast<size_t>(bytes));
}

void CheckMessage(absl::string_view message) {
  for (const char c : message) FUZZ_CHECK(!absl::ascii_iscntrl(static_cast<unsigned char>(c)));
}

// A file as an administrator may leave it: it is refused with a reason, or it revokes nothing that
// its issuer has not signed off.
void Text(const std::string& text) {
  const World& world = TheWorld();
  const auto trust = tls::Trust::Create({"/ca.pem", world.bundle}, {"/crl.pem", text});
  if (!trust.ok()) {
    FUZZ_CHECK(absl::StrContains(trust.status().message(), "/crl.pem"));
    return CheckMessage(trust.status().message());
  }
  for (const std::string& line : (*trust)->StaleLists(absl::Now())) CheckMessage(line);
  const absl::Status verdict = (*trust)->Check(world.of_root_pem, "");
  FUZZ_CHECK(verdict.ok() || absl::IsUnauthenticated(verdict));
}

void Lists(fuzz::Input input) {
  const World& world = TheWorld();
  std::string text;
  // By issuer: the serials that some list names.
  std::set<uint8_t> revoked[3];
  bool refused = true;  // a file without a list is none
  bool strange = false;
  size_t stale = 0;
  // The bundle names the CA below the root only sometimes.
  const bool knows_below = input.Byte() % 2 == 1;
  for (int n = 0; !input.done() && n < 4; ++n) {
    List list{input.Byte() % 3, input.Byte() % 2 == 0 ? 1 : -1, {}};
    for (const char serial : input.Text().substr(0, 16)) {
      list.serials.insert(static_cast<uint8_t>(serial) % 16);
    }
    refused = false;
    strange |= list.issuer == 2 || (list.issuer == 1 && !knows_below);
    stale += list.due_days < 0;
    revoked[list.issuer].insert(list.serials.begin(), list.serials.end());
    text += Pem(list);
  }
  const std::string bundle = world.bundle + (knows_below ? world.below_pem : "");
  const auto trust = tls::Trust::Create({"/ca.pem", bundle}, {"/crl.pem", text});
  FUZZ_CHECK(trust.ok() == !(refused || strange));
  if (!trust.ok()) return CheckMessage(trust.status().message());
  FUZZ_CHECK((*trust)->StaleLists(absl::Now()).size() == stale);
  // The root is number 1 of its own.
  const bool root = revoked[0].count(1) == 0;
  FUZZ_CHECK((*trust)->Check(world.of_root_pem, "").ok() == (root && revoked[0].count(7) == 0));
  // The certificate of the CA below is number 3 of the root. A chain ends where the bundle has it.
  const bool anchored = knows_below || root;
  const absl::Status below = (*trust)->Check(world.of_below_pem, world.below_pem);
  FUZZ_CHECK(below.ok() == (anchored && revoked[1].count(7) == 0 && revoked[0].count(3) == 0));
}

}  // namespace
}  // namespace entropyd

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 0 && data[0] == 0xff) {
    entropyd::Text(std::string(reinterpret_cast<const char*>(data) + 1, size - 1));
  } else {
    entropyd::Lists({data, size});
  }
  // Or libFuzzer takes what OpenSSL keeps for a leak, and looks for it.
  ERR_clear_error();
  return 0;
}
