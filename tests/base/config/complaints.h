// What the loader says about a text, and the shortest texts that it takes.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "base/config/config.h"
#include "proto/agent_config.pb.h"
#include "proto/client_config.pb.h"
#include "proto/server_config.pb.h"

namespace entropyd {

// What the loader says about `text` as a configuration of type T; "" when it accepts it.
template <typename T>
std::string Complaint(const std::string& text, const std::string& name) {
  T message;
  config::Locations locations;
  return std::string(config::Parse(text, name, &message, &locations).message());
}

inline std::string AgentComplaint(const std::string& text) {
  return Complaint<config::v1::HostAgent>(text, "agent.yaml");
}
inline std::string ServerComplaint(const std::string& text) {
  return Complaint<config::v1::Server>(text, "server.yaml");
}

// It has no required key, so that one line makes one error.
inline std::string ClientComplaint(const std::string& text) {
  return Complaint<config::v1::Client>(text, "client.yaml");
}

// All required keys and nothing else; `more` follows at the top level.
inline std::string MinimalServer(const std::string& more = "") {
  return absl::StrCat(
      "tls: {cert: c, key: k, client_ca: a}\n"
      "sources:\n"
      "  - {name: trng0, driver: char_device, path: /dev/hwrng}\n"
      "pools:\n"
      "  - name: default\n"
      "    sources: [trng0]\n"
      "    classes:\n"
      "      - {name: root, rate: 10MiB/s}\n",
      more);
}

inline std::string MinimalAgent(const std::string& more = "") {
  return absl::StrCat(
      "servers: [\"localhost:7743\"]\n"
      "tls: {cert: c, key: k, ca: a}\n"
      "listeners: [{path: /run/egd.sock, class: default/gold}]\n",
      more);
}

template <typename T>
T MustParse(const std::string& text) {
  T message;
  config::Locations locations;
  absl::Status status = config::Parse(text, "ok.yaml", &message, &locations);
  EXPECT_TRUE(status.ok()) << status;
  return message;
}

}  // namespace entropyd
