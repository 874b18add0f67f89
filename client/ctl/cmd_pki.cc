// `entropyctl pki`: the small authority of client/pki/pki.h, on the command line.
#include <iostream>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/ctl/command_status.h"
#include "client/ctl/commands.h"
#include "client/pki/pki.h"
#include "client/process/whole_file.h"
#include "client/show/json_text.h"

namespace entropyd {
namespace {

// The name of an authority when the user gives none.
constexpr char kDefaultAuthority[] = "entropyd";
constexpr char kCnOnly[] =
    "entropyctl: note: without --spiffe and --dns the certificate has only a CN. The policies that "
    "come\n  with entropyd admit no CN.\n";

absl::Duration Days(uint32_t days) { return absl::Hours(24) * days; }

std::string Day(absl::Time time) { return absl::FormatTime("%Y-%m-%d", time, absl::UTCTimeZone()); }

}  // namespace

int RunPkiInit(const PkiOptions& options, bool json) {
  pki::InitRequest request;
  request.common_name = options.name.empty() ? kDefaultAuthority : options.name;
  if (options.days > 0) request.validity = Days(options.days);
  const absl::Status made = pki::Init(options.dir, request, absl::Now());
  if (!made.ok()) return FailFile(made);
  const std::string ca = absl::StrCat(options.dir, "/ca.crt");
  const std::string crl = absl::StrCat(options.dir, "/crl.pem");
  if (json) {
    std::cout << JsonObject().Set("ca", ca).Set("crl", crl).ToString() << "\n";
  } else {
    std::cout << ca << "   for everybody: `client_ca` of servers, `ca` of agents\n"
              << crl << "  for servers: `crl`\n"
              << options.dir << "/ca.key   for nobody: keep it off the machines that serve\n";
  }
  return kExitOk;
}

int RunPkiIssue(const PkiOptions& options, bool json) {
  pki::IssueRequest request;
  request.name = options.name;
  request.spiffe_id = options.spiffe;
  request.dns_names = options.dns;
  request.ip_addresses = options.ip;
  request.out_dir = options.out;
  if (options.days > 0) request.validity = Days(options.days);
  const absl::Time now = absl::Now();
  const absl::StatusOr<pki::Issued> issued = pki::Issue(options.dir, request, now);
  if (!issued.ok()) return FailFile(issued.status());
  if (options.spiffe.empty() && options.dns.empty()) std::cerr << kCnOnly;
  if (issued->not_after < now + request.validity) {
    std::cerr << "entropyctl: note: the certificate is valid until " << Day(issued->not_after)
              << ", as long as its authority, and not for "
              << absl::ToInt64Hours(request.validity) / 24
              << " days.\n  A longer one needs a new authority (entropyctl pki init --days).\n";
  }
  if (json) {
    std::cout << JsonObject()
                     .Set("cert", issued->cert_path)
                     .Set("key", issued->key_path)
                     .Set("serial", issued->serial_hex)
                     .Set("not_after", absl::FormatTime(absl::RFC3339_sec, issued->not_after,
                                                        absl::UTCTimeZone()))
                     .ToString()
              << "\n";
  } else {
    std::cout << issued->cert_path << "  serial " << issued->serial_hex << ", valid until "
              << Day(issued->not_after) << "\n"
              << issued->key_path << "\n"
              << "identity " << issued->identity << "\n";
  }
  return kExitOk;
}

int RunPkiRevoke(const PkiOptions& options, bool json) {
  const absl::StatusOr<std::string> cert = ReadFile(options.cert);
  if (!cert.ok()) return FailFile(cert.status());
  const absl::StatusOr<std::string> serial = pki::Revoke(options.dir, *cert, absl::Now());
  if (!serial.ok()) {
    const absl::Status& why = serial.status();
    return FailFile(absl::Status(why.code(), absl::StrCat(options.cert, ": ", why.message())));
  }
  const std::string crl = absl::StrCat(options.dir, "/crl.pem");
  if (json) {
    std::cout << JsonObject().Set("serial", *serial).Set("crl", crl).ToString() << "\n";
  } else {
    std::cout << "revoked " << *serial << "; copy " << crl
              << " to the servers, to where `tls.crl` in server.yaml says; they see it at once\n";
  }
  return kExitOk;
}

}  // namespace entropyd
