// Reads strict YAML into a proto message.
//
//   v1::Server config;
//   config::Locations locations;
//   absl::Status status = config::Load("/etc/entropyd/server.yaml", &config, &locations);
//   if (config.pools().empty()) return locations.Error("pools", "needs one; add a pool");
//
// Every error says file:line:column, what is wrong, why, and how to mend it:
//
//   agent.yaml:3:1: unknown key 'severs'; did you mean 'servers'?
//   server.yaml:14:13: pools[0].classes[1].ceil: '8KB/s' is not a rate; write e.g. 8KiB/s
//
// Refused: unknown and duplicate keys, wrong types, values out of range, missing required keys,
// anchors and aliases, tags, tabs, several documents, numbers that are not canonical decimal (010,
// 0x10, 1e3, +1), booleans other than true and false. Units and ranges come from the field options
// of proto/config_options.proto.
//
// Thread safety: functions without state; a Locations is safe to read once Parse() has filled it.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"

namespace entropyd::config {

// Remembers where each key stood, so that later checks can name the place too.
class Locations {
 public:
  Locations();
  Locations(Locations&&) noexcept;
  Locations& operator=(Locations&&) noexcept;
  ~Locations();
  // "server.yaml:14:13" for a path such as "pools[0].classes[1].ceil" or
  // "classes[default/gold].buffer". When the key is absent: the place of the nearest key around it.
  std::string Where(absl::string_view path) const;
  // The file has that key, or that element, whatever its value.
  bool Has(absl::string_view path) const;
  // INVALID_ARGUMENT "WHERE: PATH: MESSAGE".
  absl::Status Error(absl::string_view path, absl::string_view message) const;
  // The same place before the message of `fault`, whose code stays: it says what the caller can do.
  absl::Status At(absl::string_view path, const absl::Status& fault) const;

 private:
  friend class Loader;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Parses `text` (called `name` in errors) into *message. After an error *message is unspecified.
// Errors: INVALID_ARGUMENT with every independent error found, one a line, at most ten.
absl::Status Parse(absl::string_view text, absl::string_view name,
                   google::protobuf::Message* message, Locations* locations);

// Reads and parses a file (at most 1 MiB). Errors: as Parse() and ReadFileAtMost().
absl::Status Load(const std::string& path, google::protobuf::Message* message,
                  Locations* locations);

// What Load() returned, with the option that names another file when there is none: for programs
// that have such an option.
absl::Status OrGive(const absl::Status& loaded, absl::string_view option);

// What Load() returned for the file. When the file is wrong, and would be right as *other, the
// message begins with `meant`: "this looks like agent.yaml; entropyd reads server.yaml".
absl::Status OrMeant(const absl::Status& loaded, const std::string& path,
                     google::protobuf::Message* other, absl::string_view meant);

// A YAML skeleton of all keys. A comment beside or above each gives its type, range and help. A key
// that has no default is commented out and shown with an example.
std::string Describe(const google::protobuf::Descriptor* descriptor);

}  // namespace entropyd::config
