#include "client/ctl/command_status.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <iostream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/process/fd.h"
#include "base/wire/answer_mark.h"
#include "base/wire/connection_remedy.h"
#include "client/call_error.h"
#include "client/show/json_text.h"
#include "client/show/output.h"

namespace entropyd {
namespace {

constexpr char kAllow[] =
    "\n  the server's `policy` decides: add the class to `allow` of a rule that names this "
    "identity (only leaf classes, which have no classes below them, can be drawn from), or draw "
    "from a class that is there (--class, ENTROPYD_CLASS or `class` in client.yaml)";

constexpr char kGiveControl[] =
    "give the agent's control socket by --control, ENTROPYD_CONTROL or `control` in client.yaml";

constexpr char kOtherCertificate[] =
    "\n  the policy of the server decides what a certificate is good for: that of a reader draws "
    "bytes, that of an agent feeds its host, that of an operator asks and changes; give the right "
    "one by --cert and --key, ENTROPYD_CERT and ENTROPYD_KEY, or `tls` in client.yaml, or add a "
    "rule for this identity to `policy`";

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

// Of servers up to 0.1.0, which do not mark what they answer: whether it is none of gRPC's words
// for a connection that was lost in a call and for which no remedy is known.
bool LooksLikeAnAnswer(const absl::Status& status) {
  const absl::string_view said = status.message();
  for (const char* lost :
       {"GOAWAY", "Stream removed", "Broken pipe", "Transport closed", "Received http2 header",
        "RST_STREAM", "Endpoint read failed", "FD shutdown", "Network is down", "Host is down"}) {
    if (absl::StrContains(said, lost)) return false;
  }
  return absl::IsUnavailable(status) && !absl::StrContains(said, kNoAnswer) &&
         StepOf(said) == ConnectionStep::kHello && ConnectionRemedy(said).empty();
}

// A server that says that it cannot do it now, for example because it drains. Nothing is wrong with
// the way to it, nor with a certificate.
bool CannotNow(const absl::Status& status) {
  return absl::IsUnavailable(status) && (IsAnswer(status) || LooksLikeAnAnswer(status));
}

// What is wrong with an agent that gives no answer, as its socket tells.
std::string AgentRemedy(const std::string& control) {
  const std::string socket = absl::StrCat("the socket ", control);
  struct stat found;
  if (stat(control.c_str(), &found) == 0 && !S_ISSOCK(found.st_mode)) {
    return absl::StrCat(control, " is ", S_ISDIR(found.st_mode) ? "a directory" : "no socket", "; ",
                        kGiveControl);
  }
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (control.empty() || control.size() >= sizeof address.sun_path) return "";
  std::memcpy(address.sun_path, control.data(), control.size());
  const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return "";
  const bool connected =
      connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  const int error = connected ? 0 : errno;
  if (connected || error == EAGAIN) {
    return absl::StrCat("an agent has ", socket,
                        ", and says nothing: its process is stopped (kill -CONT lets it go on) or "
                        "hangs; `systemctl status entropyd-hostagent` and its log tell, and a "
                        "restart ends that. Or this is not its control socket; ",
                        kGiveControl);
  }
  if (error == ECONNREFUSED) {
    return absl::StrCat("nobody listens on ", socket,
                        ", which an agent has left: start it "
                        "(systemctl start entropyd-hostagent)");
  }
  if (error == ENOENT) {
    return absl::StrCat("there is no ", control,
                        ": start the agent (systemctl start "
                        "entropyd-hostagent), or give its socket by --control, ENTROPYD_CONTROL or "
                        "`control` in client.yaml");
  }
  if (error == EACCES) return absl::StrCat("only root may use ", socket, ": use sudo");
  return "";
}

// Whether it is about a file that cannot be read, and not about who may call a server.
bool IsMissingFile(const absl::Status& status) {
  return absl::IsNotFound(status) ||
         (absl::IsPermissionDenied(status) && !absl::StrContains(status.message(), "policy rule"));
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
  if (CannotNow(status)) return Report(status, kExitRuntime);
  if (absl::IsPermissionDenied(status)) {
    // The certificate has the role, or it would not come so far.
    const bool of_class = absl::StrContains(status.message(), " draw from ");
    return Fail(absl::PermissionDeniedError(
        absl::StrCat(status.message(), of_class ? kAllow : kOtherCertificate)));
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

int FailAgent(const absl::Status& status, const std::string& control) {
  return Fail(
      WithHint(status, AgentRemedy(control),
               "that entropyd-hostagent runs on this host, that the socket is its own "
               "(--control, ENTROPYD_CONTROL or `control` in client.yaml), and that you are "
               "root"));
}

int FailFile(const absl::Status& status) {
  return Report(status, IsMissingFile(status) ? kExitUsage : ExitStatusOf(status));
}

int FailServerFiles(const absl::Status& status) {
  return IsMissingFile(status) ? FailFile(status) : FailServer(status);
}

int FailAgentFiles(const absl::Status& status, const std::string& control) {
  return IsMissingFile(status) ? FailFile(status) : FailAgent(status, control);
}

void TellSlow(absl::string_view whom, absl::Duration limit) {
  if (errors_are_json) return;
  std::cerr << absl::StrCat("entropyctl: ", OneLine(whom), " has not answered yet; this waits for ",
                            absl::FormatDuration(limit), " at most\n")
            << std::flush;
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

absl::StatusOr<std::unique_ptr<AdminClient>> DialAdmin(const ClientFlags& flags) {
  const absl::StatusOr<config::v1::Client> config = LoadClient(flags);
  if (!config.ok()) return config.status();
  auto admin = AdminClient::Create(config->server(), config->tls(), absl::Now(),
                                   AdminClient::kDefaultTimeout, TellSlow);
  if (!admin.ok()) return Misconfigured(admin.status());
  return admin;
}

std::unique_ptr<AgentAdminClient> DialAgent(const std::string& control) {
  return AgentAdminClient::Create(control, AgentAdminClient::kDefaultTimeout, TellSlow);
}

}  // namespace entropyd
