#include "client/client_config.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/config/config.h"
#include "base/process/host_port.h"
#include "base/text/names.h"
#include "proto/agent_config.pb.h"
#include "proto/server_config.pb.h"

namespace entropyd {
namespace {

// Parses an empty text, which gives the defaults.
absl::Status Defaults(config::v1::Client* client) {
  config::Locations locations;
  return config::Parse("{}", "defaults", client, &locations);
}

// Names where the address stands, so that the user knows what to mend.
absl::Status CheckServer(const std::string& address, const ClientFlags& flags, bool from_file,
                         const config::Locations& locations) {
  absl::Status status = ParseRemoteHostPort(address).status();
  if (status.ok()) return status;
  if (from_file) return locations.Error("server", status.message());
  return absl::InvalidArgumentError(
      absl::StrCat(flags.server.empty() ? "ENTROPYD_SERVER" : "--server", ": ", status.message()));
}

// Where the file's name comes from. Errors of what is in the file begin with its name.
absl::Status Named(absl::string_view variable, const absl::Status& status) {
  if (!absl::StartsWith(status.message(), "read ")) return status;
  return absl::Status(status.code(), absl::StrCat(variable, ": ", status.message()));
}

}  // namespace

absl::StatusOr<config::v1::Client> LoadClientConfig(
    const ClientFlags& flags, const std::function<const char*(const char*)>& variable,
    const std::string& default_file) {
  absl::Status variables;
  auto given = [&](const std::string& flag, const char* name) -> std::string {
    if (!flag.empty()) return flag;
    const char* value = variable(name);
    if (value == nullptr) return "";
    const absl::Status status = CheckUtf8(value);
    if (!status.ok()) {
      variables.Update(absl::InvalidArgumentError(absl::StrCat(name, ": ", status.message())));
    }
    return value;
  };
  config::v1::Client client;
  const std::string asked_for = given(flags.config, "ENTROPYD_CONFIG");
  config::Locations locations;
  absl::Status status =
      config::Load(asked_for.empty() ? default_file : asked_for, &client, &locations);
  // Who says all that is needed may not be allowed to read what the machine's operators say.
  const bool told = !given(flags.server, "ENTROPYD_SERVER").empty() ||
                    !given(flags.control, "ENTROPYD_CONTROL").empty();
  const bool no_file = absl::IsNotFound(status) || (absl::IsPermissionDenied(status) && told);
  if (no_file && asked_for.empty()) {
    client.Clear();
    status = Defaults(&client);
  }
  if (!status.ok()) {
    config::v1::Server server;
    config::v1::HostAgent agent;
    const std::string& file = asked_for.empty() ? default_file : asked_for;
    status = config::OrMeant(status, file, &server,
                             "this looks like server.yaml; entropyctl reads client.yaml");
    status = config::OrMeant(status, file, &agent,
                             "this looks like agent.yaml; entropyctl reads client.yaml");
    return asked_for.empty() || !flags.config.empty()
               ? config::OrGive(status, "--config")
               : Named("ENTROPYD_CONFIG", config::OrGive(status, "--config"));
  }

  const std::string server = given(flags.server, "ENTROPYD_SERVER");
  if (!server.empty()) client.set_server(server);
  status = CheckServer(client.server(), flags, server.empty(), locations);
  if (!status.ok()) return status;
  if (auto v = given(flags.cert, "ENTROPYD_CERT"); !v.empty()) client.mutable_tls()->set_cert(v);
  if (auto v = given(flags.key, "ENTROPYD_KEY"); !v.empty()) client.mutable_tls()->set_key(v);
  if (auto v = given(flags.ca, "ENTROPYD_CA"); !v.empty()) client.mutable_tls()->set_ca(v);
  if (auto v = given(flags.server_name, "ENTROPYD_SERVER_NAME"); !v.empty()) {
    client.mutable_tls()->set_server_name(v);
  }
  if (auto v = given(flags.control, "ENTROPYD_CONTROL"); !v.empty()) client.set_control(v);
  if (auto v = given(flags.pool_class, "ENTROPYD_CLASS"); !v.empty()) client.set_class_(v);
  if (!variables.ok()) return variables;
  return client;
}

}  // namespace entropyd
