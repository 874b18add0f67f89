// Finds out which server entropyctl and other clients use. A flag wins over an ENTROPYD_* variable,
// and a variable wins over the file.
//
//   flag            variable               client.yaml
//   --config        ENTROPYD_CONFIG        (default /etc/entropyd/client.yaml, if it exists)
//   --server        ENTROPYD_SERVER        server
//   --cert          ENTROPYD_CERT          tls.cert
//   --key           ENTROPYD_KEY           tls.key
//   --ca            ENTROPYD_CA            tls.ca
//   --server-name   ENTROPYD_SERVER_NAME   tls.server_name
//   --control       ENTROPYD_CONTROL       control
//   --class         ENTROPYD_CLASS         class
//
// Thread safety: a function without state; it reads the environment through `variable`.
#pragma once

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "proto/client_config.pb.h"

namespace entropyd {

inline constexpr char kDefaultClientConfig[] = "/etc/entropyd/client.yaml";

// The flags of the command line. Empty = not given.
struct ClientFlags {
  std::string config;
  std::string server;
  std::string cert;
  std::string key;
  std::string ca;
  std::string server_name;
  std::string control;
  std::string pool_class;
};

// `variable` reads the environment (std::getenv in programs); nullptr or "" = not set. A file that
// the user names must exist; the default file need not. Does not check that there is a certificate:
// client/grpc_channel.h does when it needs one, and the control socket of the agent needs none.
// Errors: NOT_FOUND, PERMISSION_DENIED (file), INVALID_ARGUMENT (content, with file:line:column).
absl::StatusOr<config::v1::Client> LoadClientConfig(
    const ClientFlags& flags, const std::function<const char*(const char*)>& variable,
    const std::string& default_file = kDefaultClientConfig);

}  // namespace entropyd
