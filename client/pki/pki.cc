#include "client/pki/pki.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/types/span.h"
#include "base/process/fd.h"
#include "client/pki/certificate.h"
#include "openssl/err.h"
#include "openssl/pem.h"

namespace entropyd::pki {
namespace {

// The clock of a host that has just booted is often minutes behind, and a certificate must work at
// once.
constexpr absl::Duration kClockSkew = absl::Minutes(5);
// Catches a wrong unit, and is far from the end of ASN.1 times (the year 9999).
constexpr absl::Duration kMaxValidity = absl::Hours(24 * 36500);
constexpr size_t kMaxFileName = 200;  // NAME_MAX is 255; ".crt" and a temporary's ending follow
constexpr char kTemporary[] = ".XXXXXX";

std::string Join(absl::string_view dir, absl::string_view file) {
  return absl::StrCat(dir, "/", file);
}

// PEM in memory. The destructor wipes it, because it may be a key. (A memory BIO wipes its own
// memory when it grows and when it is freed.)
class Pem {
 public:
  Pem() : bio_(BIO_new(BIO_s_mem())) {}
  BIO* bio() { return bio_.get(); }
  absl::string_view text() const {
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio_.get(), &data);
    return {data, static_cast<size_t>(size)};
  }

 private:
  BioPtr bio_;
};

enum class IfThere { kReplace, kRefuse };

absl::Status WriteAll(int fd, absl::string_view text, const std::string& action) {
  while (!text.empty()) {
    const ssize_t n = write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(errno, action);
    text.remove_prefix(static_cast<size_t>(n));
  }
  if (fsync(fd) != 0) return ErrnoStatus(errno, action);
  return absl::OkStatus();
}

// Replaces a file. Readers see the whole old file or the whole new one.
absl::Status WriteWhole(const std::string& path, absl::string_view text, mode_t mode,
                        IfThere if_there) {
  const std::string action = absl::StrCat("write ", path);
  std::string temporary = path + kTemporary;
  const UniqueFd fd(mkostemp(temporary.data(), O_CLOEXEC));  // made with mode 0600
  if (!fd) return ErrnoStatus(errno, action);
  absl::Status status;
  if (fchmod(fd.get(), mode) != 0) status = ErrnoStatus(errno, action);
  if (status.ok()) status = WriteAll(fd.get(), text, action);
  if (status.ok() && if_there == IfThere::kReplace) {
    if (rename(temporary.c_str(), path.c_str()) == 0) return absl::OkStatus();
    status = ErrnoStatus(errno, action);
  } else if (status.ok() && link(temporary.c_str(), path.c_str()) != 0) {
    status = ErrnoStatus(errno, action);
  }
  unlink(temporary.c_str());
  return status;
}

absl::Status RefuseIfThere(const std::string& path, absl::string_view mend) {
  struct stat there;
  if (lstat(path.c_str(), &there) != 0) return absl::OkStatus();
  return absl::AlreadyExistsError(absl::StrCat("write ", path, ": there is one already; ", mend));
}

// Where a directory is meant.
absl::Status RefuseFile(const std::string& dir) {
  std::error_code error;
  if (!std::filesystem::exists(dir, error) || std::filesystem::is_directory(dir, error)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("open directory ", dir, ": it is a file; give a directory"));
}

absl::Status MakeDirectory(const std::string& dir) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (fs::is_directory(dir, error)) return absl::OkStatus();
  if (absl::Status s = RefuseFile(dir); !s.ok()) return s;
  const fs::path parent = fs::path(dir).parent_path();
  if (!parent.empty()) fs::create_directories(parent, error);
  if (mkdir(dir.c_str(), 0700) != 0 && errno != EEXIST) {
    return ErrnoStatus(errno, absl::StrCat("make directory ", dir));
  }
  return absl::OkStatus();
}

// Another command holds the lock for some milliseconds.
constexpr absl::Duration kLockPatience = absl::Seconds(5);

// Locks the directory of an authority; the caller holds the lock while it changes the directory.
absl::StatusOr<UniqueFd> LockDirectory(const std::string& dir) {
  UniqueFd fd(open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return ErrnoStatus(errno, absl::StrCat("open directory ", dir));
  const absl::Time deadline = absl::Now() + kLockPatience;
  while (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EINTR && errno != EWOULDBLOCK) {
      return ErrnoStatus(errno, absl::StrCat("lock directory ", dir));
    }
    if (absl::Now() > deadline) {
      return absl::UnavailableError(
          absl::StrCat("lock directory ", dir,
                       ": another process has it: another `entropyctl pki`, or a server or an "
                       "agent whose state_dir it is; give the authority a directory of its own"));
    }
    absl::SleepFor(absl::Milliseconds(10));
  }
  return fd;
}

absl::StatusOr<BioPtr> OpenToRead(const std::string& path) {
  errno = 0;
  BioPtr bio(BIO_new_file(path.c_str(), "r"));
  if (bio == nullptr) {
    ERR_clear_error();
    return ErrnoStatus(errno, absl::StrCat("read ", path));
  }
  return bio;
}

// An encrypted key must fail, not ask for a password.
int NoPassword(char*, int, int, void*) { return 0; }

absl::StatusOr<Authority> LoadAuthority(const std::string& dir) {
  if (absl::Status s = RefuseFile(dir); !s.ok()) return s;
  const std::string cert_path = Join(dir, "ca.crt");
  const std::string key_path = Join(dir, "ca.key");
  absl::StatusOr<BioPtr> cert_file = OpenToRead(cert_path);
  if (absl::IsNotFound(cert_file.status())) {
    return absl::NotFoundError(
        absl::StrCat("read ", cert_path,
                     ": there is no authority; make one with `entropyctl pki init "
                     "--dir ",
                     dir, "`"));
  }
  if (!cert_file.ok()) return cert_file.status();
  absl::StatusOr<BioPtr> key_file = OpenToRead(key_path);
  if (!key_file.ok()) return key_file.status();

  Authority authority;
  authority.cert.reset(PEM_read_bio_X509(cert_file->get(), nullptr, NoPassword, nullptr));
  authority.key.reset(PEM_read_bio_PrivateKey(key_file->get(), nullptr, NoPassword, nullptr));
  const bool fits = authority.cert != nullptr && authority.key != nullptr &&
                    X509_check_private_key(authority.cert.get(), authority.key.get()) == 1;
  ERR_clear_error();
  if (!fits) {
    return absl::FailedPreconditionError(
        absl::StrCat("read authority ", dir,
                     ": ca.crt and ca.key are not a certificate and its "
                     "unencrypted key in PEM; put back the two that were made together"));
  }
  return authority;
}

absl::Status CheckFileName(absl::string_view name) {
  const bool ok = !name.empty() && name.size() <= kMaxFileName && name.front() != '.' &&
                  name.front() != '-' && std::all_of(name.begin(), name.end(), [](char c) {
                    return absl::ascii_isalnum(c) || c == '.' || c == '_' || c == '-';
                  });
  if (!ok) {
    return absl::InvalidArgumentError(
        absl::StrCat("name '", absl::CHexEscape(name),
                     "': it names files, so it may have letters, digits, '.', "
                     "'_' and '-' only and must not begin with '.' or '-'"));
  }
  if (name == "ca") {
    return absl::InvalidArgumentError("name 'ca': that is the authority's own; choose another");
  }
  return absl::OkStatus();
}

absl::Status CheckValidity(absl::Duration validity) {
  if (validity >= absl::Minutes(1) && validity <= kMaxValidity) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("validity ", absl::FormatDuration(validity),
                                                 ": must be between a minute and 36500 days"));
}

// Writes both files or neither. The certificate comes last, because others look for it.
absl::Status WriteCertAndKey(const std::string& cert_path, const X509* cert,
                             const std::string& key_path, EVP_PKEY* key) {
  Pem cert_pem;
  Pem key_pem;
  if (PEM_write_bio_X509(cert_pem.bio(), cert) != 1 ||
      PEM_write_bio_PKCS8PrivateKey(key_pem.bio(), key, nullptr, nullptr, 0, nullptr, nullptr) !=
          1) {
    return OpenSslError(absl::StrCat("encode ", cert_path, " and its key"));
  }
  absl::Status status = WriteWhole(key_path, key_pem.text(), 0600, IfThere::kRefuse);
  if (!status.ok()) return status;
  status = WriteWhole(cert_path, cert_pem.text(), 0644, IfThere::kRefuse);
  if (!status.ok()) unlink(key_path.c_str());
  return status;
}

// The list only grows, so its length can be the number of the CRL.
absl::Status WriteCrl(const std::string& dir, const Authority& authority,
                      const std::vector<Revoked>& revoked, absl::Time now) {
  const absl::StatusOr<CrlPtr> crl =
      MakeCrl(authority, revoked, revoked.size(),
              {.from = now - kClockSkew, .until = NotAfter(authority.cert.get())});
  if (!crl.ok()) return crl.status();
  Pem pem;
  if (PEM_write_bio_X509_CRL(pem.bio(), crl->get()) != 1) return OpenSslError("encode CRL");
  return WriteWhole(Join(dir, "crl.pem"), pem.text(), 0644, IfThere::kReplace);
}

absl::StatusOr<std::vector<Revoked>> ReadRevoked(const std::string& dir) {
  const std::string path = Join(dir, "revoked.txt");
  std::vector<Revoked> revoked;
  absl::StatusOr<BioPtr> file = OpenToRead(path);
  if (absl::IsNotFound(file.status())) return revoked;
  if (!file.ok()) return file.status();
  char line[256];
  for (int number = 1; BIO_gets(file->get(), line, sizeof line) > 0; ++number) {
    const std::vector<std::string> words = absl::StrSplit(absl::StripAsciiWhitespace(line), ' ');
    Revoked entry;
    if (words.size() != 2 || words[0].empty() ||
        !std::all_of(words[0].begin(), words[0].end(), absl::ascii_isxdigit) ||
        !absl::ParseTime(absl::RFC3339_full, words[1], &entry.time, nullptr)) {
      return absl::DataLossError(
          absl::StrCat("parse ", path, ":", number,
                       ": expected 'SERIAL_HEX TIME'; mend the line, "
                       "what it revoked is in crl.pem (openssl crl -text -in crl.pem)"));
    }
    entry.serial_hex = words[0];
    revoked.push_back(std::move(entry));
  }
  return revoked;
}

absl::Status WriteRevoked(const std::string& dir, const std::vector<Revoked>& revoked) {
  std::string text;
  for (const Revoked& entry : revoked) {
    absl::StrAppend(&text, entry.serial_hex, " ",
                    absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", entry.time, absl::UTCTimeZone()), "\n");
  }
  return WriteWhole(Join(dir, "revoked.txt"), text, 0644, IfThere::kReplace);
}

// As tls::IdentityOfPem() will name the certificate.
std::string IdentityOf(const Names& names) {
  if (!names.spiffe_id.empty()) return names.spiffe_id;
  if (!names.dns_names.empty()) {
    return absl::StrCat("dns:", absl::AsciiStrToLower(names.dns_names[0]));
  }
  return absl::StrCat("cn:", names.common_name);
}

// Returns the serial of the certificate if this authority signed it.
absl::StatusOr<std::string> SerialToRevoke(const Authority& authority, absl::string_view cert_pem) {
  const BioPtr bio(BIO_new_mem_buf(cert_pem.data(), static_cast<int>(cert_pem.size())));
  const CertPtr cert(PEM_read_bio_X509(bio.get(), nullptr, NoPassword, nullptr));
  const bool ours =
      cert != nullptr && X509_verify(cert.get(), X509_get0_pubkey(authority.cert.get())) == 1;
  ERR_clear_error();
  if (cert == nullptr) {
    return absl::InvalidArgumentError("revoke certificate: not a certificate in PEM");
  }
  if (!ours) {
    return absl::InvalidArgumentError(
        "revoke certificate: another authority signed it; revoke it there");
  }
  std::string serial = SerialHex(cert.get());
  if (serial == SerialHex(authority.cert.get())) {
    return absl::InvalidArgumentError(
        "revoke certificate: it is the root itself; take ca.crt out of every `client_ca` and `ca`");
  }
  return serial;
}

}  // namespace

absl::Status Init(const std::string& dir, const InitRequest& request, absl::Time now) {
  if (absl::Status s = CheckCommonName(request.common_name); !s.ok()) return s;
  if (absl::Status s = CheckValidity(request.validity); !s.ok()) return s;
  if (absl::Status s = MakeDirectory(dir); !s.ok()) return s;
  const absl::StatusOr<UniqueFd> lock = LockDirectory(dir);
  if (!lock.ok()) return lock.status();
  for (const char* file : {"ca.key", "ca.crt", "revoked.txt"}) {
    absl::Status s =
        RefuseIfThere(Join(dir, file),
                      "an authority is never overwritten: choose another directory, or remove "
                      "this authority when nothing trusts it any more");
    if (!s.ok()) return s;
  }

  absl::StatusOr<KeyPtr> key = NewKey();
  if (!key.ok()) return key.status();
  absl::StatusOr<CertPtr> cert = MakeRoot(
      key->get(), request.common_name, {.from = now - kClockSkew, .until = now + request.validity});
  if (!cert.ok()) return cert.status();
  const Authority authority{.cert = *std::move(cert), .key = *std::move(key)};
  if (absl::Status s = WriteCrl(dir, authority, {}, now); !s.ok()) return s;
  return WriteCertAndKey(Join(dir, "ca.crt"), authority.cert.get(), Join(dir, "ca.key"),
                         authority.key.get());
}

absl::StatusOr<Issued> Issue(const std::string& dir, const IssueRequest& request, absl::Time now) {
  if (absl::Status s = CheckFileName(request.name); !s.ok()) return s;
  if (absl::Status s = CheckValidity(request.validity); !s.ok()) return s;
  const Names names{.common_name = request.common_name.empty() ? request.name : request.common_name,
                    .spiffe_id = request.spiffe_id,
                    .dns_names = request.dns_names,
                    .ip_addresses = request.ip_addresses};
  if (absl::Status s = CheckNames(names); !s.ok()) return s;
  const absl::StatusOr<Authority> authority = LoadAuthority(dir);
  if (!authority.ok()) return authority.status();
  const absl::Time root_ends = NotAfter(authority->cert.get());
  if (now >= root_ends) {
    return absl::FailedPreconditionError(absl::StrCat(
        "issue certificate: the authority in ", dir, " expired at ", absl::FormatTime(root_ends),
        "; make a new one and give its ca.crt to everybody beside the old one"));
  }

  const std::string& out = request.out_dir.empty() ? dir : request.out_dir;
  if (absl::Status s = MakeDirectory(out); !s.ok()) return s;
  const absl::StatusOr<UniqueFd> lock = LockDirectory(out);
  if (!lock.ok()) return lock.status();
  Issued issued{.cert_path = Join(out, request.name + ".crt"),
                .key_path = Join(out, request.name + ".key"),
                .serial_hex = {},
                .identity = IdentityOf(names),
                .not_after = std::min(now + request.validity, root_ends)};
  for (const std::string& path : {issued.cert_path, issued.key_path}) {
    absl::Status s = RefuseIfThere(
        path, "to renew it, issue into another directory, then move both files here together");
    if (!s.ok()) return s;
  }

  const absl::StatusOr<KeyPtr> key = NewKey();
  if (!key.ok()) return key.status();
  const absl::StatusOr<CertPtr> cert = MakeLeaf(
      *authority, key->get(), names, {.from = now - kClockSkew, .until = issued.not_after});
  if (!cert.ok()) return cert.status();
  issued.serial_hex = SerialHex(cert->get());
  absl::Status written =
      WriteCertAndKey(issued.cert_path, cert->get(), issued.key_path, key->get());
  if (!written.ok()) return written;
  return issued;
}

absl::StatusOr<std::string> Revoke(const std::string& dir, absl::string_view cert_pem,
                                   absl::Time now) {
  const absl::StatusOr<Authority> authority = LoadAuthority(dir);
  if (!authority.ok()) return authority.status();
  absl::StatusOr<std::string> serial = SerialToRevoke(*authority, cert_pem);
  if (!serial.ok()) return serial.status();
  const absl::StatusOr<UniqueFd> lock = LockDirectory(dir);
  if (!lock.ok()) return lock.status();
  absl::StatusOr<std::vector<Revoked>> revoked = ReadRevoked(dir);
  if (!revoked.ok()) return revoked.status();

  const bool known = std::any_of(revoked->begin(), revoked->end(),
                                 [&](const Revoked& entry) { return entry.serial_hex == *serial; });
  if (!known) {
    revoked->push_back({*serial, now});
    if (absl::Status s = WriteRevoked(dir, *revoked); !s.ok()) return s;
  }
  if (absl::Status s = WriteCrl(dir, *authority, *revoked, now); !s.ok()) return s;
  return serial;
}

}  // namespace entropyd::pki
