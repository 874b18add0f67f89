// Reports the errors of commands, and loads the configuration that says which server to ask.
#include <cstdlib>
#include <iostream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/wire/connection_remedy.h"
#include "client/call_error.h"
#include "client/ctl/commands.h"
#include "client/show/json_text.h"
#include "client/show/output.h"

namespace entropyd {
namespace {

constexpr char kOtherCertificate[] =
    "\n  the policy of the server decides what a certificate is good for: that of a reader draws, "
    "that of an operator does all else; give it by --cert and --key, ENTROPYD_CERT and "
    "ENTROPYD_KEY, or `tls` in client.yaml";

// `remedy`: what the reason asks for; where that is empty, `checks` says where to look.
absl::Status WithHint(const absl::Status& status, absl::string_view remedy,
                      absl::string_view checks) {
  const bool silent =
      absl::IsDeadlineExceeded(status) && absl::StrContains(status.message(), kNoAnswer);
  // That a class gave too little in time is an answer.
  if (!absl::IsUnavailable(status) && !silent) return status;
  return absl::UnavailableError(remedy.empty()
                                    ? absl::StrCat(status.message(), "\n  check ", checks)
                                    : absl::StrCat(status.message(), "\n  ", remedy));
}

ExitStatus ExitStatusOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
      return kExitUnreachable;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kFailedPrecondition:
      return kExitUsage;
    default:
      return kExitRuntime;
  }
}

// A server that says that it cannot do it now, for example because it drains. Nothing is wrong with
// the way to it, nor with a certificate.
bool IsAnswer(const absl::Status& status) {
  const absl::string_view said = status.message();
  // gRPC's words for a connection that was lost in a call and for which no remedy is known.
  for (const char* lost :
       {"GOAWAY", "Stream removed", "Broken pipe", "Transport closed", "Received http2 header",
        "RST_STREAM", "Endpoint read failed", "FD shutdown", "Network is down", "Host is down"}) {
    if (absl::StrContains(said, lost)) return false;
  }
  return absl::IsUnavailable(status) && !absl::StrContains(said, kNoAnswer) &&
         StepOf(said) == ConnectionStep::kHello && ConnectionRemedy(said).empty();
}

bool errors_are_json = false;  // for the one command of this process

int Report(const absl::Status& status, ExitStatus exit) {
  const std::string code = absl::StatusCodeToString(status.code());
  if (errors_are_json) {
    JsonObject error;
    error.Set("code", code)
        .Set("message", status.message())
        .Set("exit_status", static_cast<uint64_t>(exit));
    std::cerr << JsonObject().SetRaw("error", error.ToString()).ToString() << std::endl;
  } else {
    std::cerr << IndentedLines(absl::StrCat("entropyctl: ", code, ": ", status.message()))
              << std::endl;
  }
  return exit;
}

}  // namespace

void ReportErrorsAsJson() { errors_are_json = true; }

int Fail(const absl::Status& status) { return Report(status, ExitStatusOf(status)); }

int FailServer(const absl::Status& status) {
  if (IsAnswer(status)) return Report(status, kExitRuntime);
  if (absl::IsPermissionDenied(status)) {
    return Fail(absl::PermissionDeniedError(absl::StrCat(status.message(), kOtherCertificate)));
  }
  const absl::string_view remedy = ConnectionRemedy(status.message());
  if (absl::IsUnauthenticated(status) && !remedy.empty()) {
    return Fail(absl::UnauthenticatedError(absl::StrCat(status.message(), "\n  ", remedy)));
  }
  return Fail(
      WithHint(status, remedy,
               "that entropyd runs there and does not wait for something (its log says so), that "
               "HOST:PORT is right (--server, "
               "ENTROPYD_SERVER or `server` in client.yaml), that your certificate is signed "
               "by its client_ca and its own by your ca"));
}

int FailAgent(const absl::Status& status) {
  return Fail(
      WithHint(status, /*remedy=*/"",
               "that entropyd-hostagent runs on this host, that the socket is its own "
               "(--control, ENTROPYD_CONTROL or `control` in client.yaml), and that you are "
               "root"));
}

absl::Status Misconfigured(const absl::Status& status) {
  return status.ok() ? status : absl::InvalidArgumentError(status.message());
}

absl::StatusOr<config::v1::Client> LoadClient(const ClientFlags& flags) {
  absl::StatusOr<config::v1::Client> config =
      LoadClientConfig(flags, [](const char* name) -> const char* { return std::getenv(name); });
  if (!config.ok()) return Misconfigured(config.status());
  return config;
}

}  // namespace entropyd
