#include "server/classes/class_state_file.h"

#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "base/config/config.h"
#include "base/process/durable_file.h"
#include "base/process/state_dir.h"
#include "base/text/utf8.h"
#include "server/classes/class_figures.h"

namespace entropyd {
namespace {

using config::v1::ClassChange;
using config::v1::ClassState;

// A YAML string in double quotes. A character that cannot stand there becomes a question mark.
// Names of classes are plain, and people read the identity; nothing parses it.
std::string Quoted(absl::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    const size_t length = Utf8Length(text);
    const auto first = static_cast<unsigned char>(text[0]);
    if (length == 0 || first < 0x20 || first == 0x7f || length > 1) {
      out += '?';
    } else {
      if (first == '"' || first == '\\') out += '\\';
      out += text[0];
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return out + "\"";
}

std::string SetText(const config::v1::ClassFigures& figures) {
  return absl::StrJoin(PresentFigures(figures), ", ",
                       [&](std::string* out, const google::protobuf::FieldDescriptor* field) {
                         absl::StrAppend(out, field->name(), ": ", FigureYaml(figures, field));
                       });
}

absl::Status CheckEntries(const ClassState& state, const config::Locations& locations) {
  std::set<std::pair<std::string, std::string>> seen;
  for (int i = 0; i < state.changes_size(); ++i) {
    const ClassChange& change = state.changes(i);
    const std::string path = absl::StrCat("changes[", i, "]");
    if (!seen.emplace(change.pool(), change.class_()).second) {
      return locations.Error(path, absl::StrCat("class '", change.pool(), "/", change.class_(),
                                                "' is there twice; leave one of the two out"));
    }
    absl::Time at;
    std::string error;
    if (!absl::ParseTime(absl::RFC3339_full, change.at(), &at, &error)) {
      return locations.Error(absl::StrCat(path, ".at"),
                             absl::StrCat("'", change.at(), "' is no time: ", error));
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::string ClassStatePath(const std::string& state_dir) {
  return absl::StrCat(state_dir, "/classes.yaml");
}

std::string ClassStateText(const ClassState& state) {
  std::string text = absl::StrCat(
      "# What operators changed of the classes at run time; the server writes this file.\n"
      "# entropyctl classes reset returns to server.yaml.\n"
      "version: ",
      state.version(), "\n");
  if (state.changes_size() > 0) absl::StrAppend(&text, "changes:\n");
  for (const ClassChange& change : state.changes()) {
    absl::StrAppend(&text, "  - pool: ", Quoted(change.pool()),
                    "\n    class: ", Quoted(change.class_()), "\n    set: {", SetText(change.set()),
                    "}\n    by: ", Quoted(change.by()), "\n    at: ", Quoted(change.at()), "\n");
  }
  return text;
}

absl::StatusOr<ClassState> LoadClassState(const std::string& state_dir) {
  const std::string path = ClassStatePath(state_dir);
  ClassState state;
  config::Locations locations;
  absl::Status loaded = config::Load(path, &state, &locations);
  if (absl::IsNotFound(loaded) || IsEmptyFile(path)) {
    state.Clear();
    state.set_version(1);
    return state;
  }
  if (loaded.ok()) loaded = CheckEntries(state, locations);
  if (loaded.ok()) return state;
  return absl::Status(
      loaded.code(),
      absl::StrCat(loaded.message(), "\n", path, ": holds what operators changed of the classes; ",
                   "mend it, or remove it to return to the figures of server.yaml"));
}

absl::Status SaveClassState(const std::string& state_dir, const ClassState& state) {
  const std::string path = ClassStatePath(state_dir);
  const std::string text = ClassStateText(state);
  ClassState back;
  config::Locations locations;
  absl::Status readable = config::Parse(text, path, &back, &locations);
  if (readable.ok()) readable = CheckEntries(back, locations);
  for (int i = 0; readable.ok() && i < state.changes_size(); ++i) {
    if (SetText(back.changes(i).set()) == SetText(state.changes(i).set())) continue;
    readable =
        absl::InternalError(absl::StrCat("changes[", i, "]: the figures came back different"));
  }
  if (!readable.ok()) {
    return absl::InternalError(
        absl::StrCat("write ", path, ": would not load: ", readable.message()));
  }
  return WriteDurably(path, text);
}

}  // namespace entropyd
