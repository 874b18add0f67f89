// One input = one configuration file, read as server.yaml, agent.yaml and client.yaml. See
// README.md.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/config/config.h"
#include "google/protobuf/message.h"
#include "google/protobuf/util/message_differencer.h"
#include "proto/agent_config.pb.h"
#include "proto/client_config.pb.h"
#include "proto/server_config.pb.h"
#include "tests/fuzz/check.h"

namespace entropyd::config {
namespace {

using google::protobuf::util::MessageDifferencer;

// Checks that an error begins with FILE:LINE:COLUMN, a place within the file.
std::pair<int, int> CheckPosition(absl::string_view error, int lines) {
  FUZZ_CHECK(absl::ConsumePrefix(&error, "f.yaml:"));
  const std::vector<absl::string_view> parts = absl::StrSplit(error, absl::MaxSplits(": ", 1));
  FUZZ_CHECK(parts.size() == 2 && !parts[1].empty());
  const std::pair<absl::string_view, absl::string_view> at = absl::StrSplit(parts[0], ':');
  int line = 0, column = 0;
  FUZZ_CHECK(absl::SimpleAtoi(at.first, &line) && absl::SimpleAtoi(at.second, &column));
  FUZZ_CHECK(line >= 1 && line <= lines + 1 && column >= 1);
  return {line, column};
}

// Checks what every refusal promises: one line for each error, at most ten, in the order of the
// file, then a line that says so when there are more, and no character that controls a terminal.
void CheckRefusal(const absl::Status& status, absl::string_view text) {
  FUZZ_CHECK(absl::IsInvalidArgument(status));
  const int lines = 1 + static_cast<int>(std::count(text.begin(), text.end(), '\n'));
  std::vector<absl::string_view> errors = absl::StrSplit(status.message(), '\n');
  if (errors.back() == "f.yaml: and more; mend these first") {
    errors.pop_back();
    FUZZ_CHECK(errors.size() == 10);
  }
  FUZZ_CHECK(!errors.empty() && errors.size() <= 10);
  std::pair<int, int> before = {0, 0};
  for (absl::string_view error : errors) {
    for (char c : error) FUZZ_CHECK(!absl::ascii_iscntrl(c));
    const std::pair<int, int> at = CheckPosition(error, lines);
    FUZZ_CHECK(before <= at);
    before = at;
  }
}

// Checks what every accepted message promises: protobuf can write it (all text is UTF-8).
template <typename T>
void CheckCarried(const T& message) {
  T copy;
  FUZZ_CHECK(copy.ParseFromString(message.SerializeAsString()));
  FUZZ_CHECK(MessageDifferencer::Equals(message, copy));
}

bool Within(uint64_t value, uint64_t least, uint64_t most) {
  return least <= value && value <= most;
}

// The rules of the schemas, written a second time.
void CheckRules(const v1::Server& server) {
  FUZZ_CHECK(!server.tls().cert().empty() && !server.tls().key().empty());
  FUZZ_CHECK(server.sources_size() > 0 && server.pools_size() > 0);
  FUZZ_CHECK(Within(server.max_credit(), 4096, 4 << 20));
  FUZZ_CHECK(Within(server.max_payload(), 4096, 256 << 10));
  FUZZ_CHECK(Within(server.max_agents(), 1, 100000));
  FUZZ_CHECK(server.log().level() != v1::LOG_LEVEL_UNSPECIFIED);
  for (const v1::SourceConfig& source : server.sources()) {
    FUZZ_CHECK(!source.name().empty() && !source.driver().empty());
    FUZZ_CHECK(source.min_entropy_bits_per_byte() >= 0 && source.min_entropy_bits_per_byte() <= 8);
  }
  for (const v1::PoolConfig& pool : server.pools()) {
    FUZZ_CHECK(!pool.name().empty() && pool.sources_size() > 0 && pool.classes_size() > 0);
    FUZZ_CHECK(pool.quality() != v1::POOL_QUALITY_UNSPECIFIED);
    FUZZ_CHECK(Within(pool.reseed_interval(), 1'000'000'000, 3'600'000'000'000));
  }
}

void CheckRules(const v1::HostAgent& agent) {
  FUZZ_CHECK(agent.servers_size() > 0 && agent.listeners_size() > 0);
  for (const std::string& server : agent.servers()) FUZZ_CHECK(!server.empty());
  for (const v1::ListenerConfig& listener : agent.listeners()) {
    FUZZ_CHECK(!listener.class_().empty() && listener.clients() != v1::CLIENTS_UNSPECIFIED);
  }
  if (agent.has_feed_kernel()) {
    FUZZ_CHECK(!agent.feed_kernel().class_().empty());
    FUZZ_CHECK(Within(agent.feed_kernel().bytes(), 1, 4096));
    FUZZ_CHECK(Within(agent.feed_kernel().every(), 1'000'000'000, 86'400'000'000'000));
  }
  for (const auto& [name, config] : agent.classes()) {
    FUZZ_CHECK(config.buffer() == 0 || Within(config.buffer(), 4096, 4 << 20));
  }
}

void CheckRules(const v1::Client& client) {
  if (client.has_tls()) FUZZ_CHECK(!client.tls().cert().empty());
}

template <typename T>
void CheckFile(absl::string_view text) {
  T message;
  Locations locations;
  const absl::Status status = Parse(text, "f.yaml", &message, &locations);
  FUZZ_CHECK(absl::StartsWith(locations.Where("pools[0].classes[1].ceil"), "f.yaml:"));
  if (!status.ok()) {
    CheckRefusal(status, text);
    return;
  }
  CheckCarried(message);
  CheckRules(message);
  // A comment in front changes only positions. (Not before a byte order mark: it must come first.)
  if (absl::StartsWith(text, "\xef\xbb\xbf")) return;
  T again;
  FUZZ_CHECK(Parse(absl::StrCat("# a comment\n", text), "f.yaml", &again, nullptr).ok());
  FUZZ_CHECK(MessageDifferencer::Equals(message, again));
}

}  // namespace

void CheckText(absl::string_view text) {
  CheckFile<v1::Server>(text);
  CheckFile<v1::HostAgent>(text);
  CheckFile<v1::Client>(text);
}

}  // namespace entropyd::config

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  entropyd::config::CheckText(absl::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
