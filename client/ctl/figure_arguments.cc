#include "client/ctl/figure_arguments.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/config/config_values.h"

namespace entropyd {
namespace {

using config::v1::ClassFigures;
using google::protobuf::FieldDescriptor;

std::vector<std::string> Keys() {
  std::vector<std::string> keys;
  keys.reserve(static_cast<size_t>(ClassFigures::descriptor()->field_count()));
  for (int i = 0; i < ClassFigures::descriptor()->field_count(); ++i) {
    keys.push_back(ClassFigures::descriptor()->field(i)->name());
  }
  return keys;
}

absl::Status ParseWord(absl::string_view word, ClassFigures* figures) {
  const size_t equals = word.find('=');
  if (equals == absl::string_view::npos) {
    return absl::InvalidArgumentError("is no KEY=VALUE; write e.g. ceil=64KiB/s");
  }
  const std::string key(word.substr(0, equals));
  const absl::string_view value = word.substr(equals + 1);
  const FieldDescriptor* field = ClassFigures::descriptor()->FindFieldByName(key);
  if (field == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("unknown key '", key, "'; known are ",
                                                   absl::StrJoin(Keys(), ", "),
                                                   config::DidYouMean(key, Keys())));
  }
  if (figures->GetReflection()->HasField(*figures, field)) {
    return absl::InvalidArgumentError(absl::StrCat(key, " is given twice; give it once"));
  }
  if (key == "ceil" && value == "none") {
    figures->set_ceil(0);
    return absl::OkStatus();
  }
  absl::Status status = config::SetScalar(value, false, field, figures);
  if (!status.ok()) return status;
  if (key == "ceil" && figures->ceil() == 0) {
    return absl::InvalidArgumentError(
        "would never let anything pass; raise it, or write ceil=none for no ceiling");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ClassFigures> ParseFigureArguments(const std::vector<std::string>& words) {
  ClassFigures figures;
  for (const std::string& word : words) {
    const absl::Status status = ParseWord(word, &figures);
    if (!status.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(word, ": ", status.message()));
    }
  }
  return figures;
}

std::string FigureHint(const std::vector<std::string>& words) {
  const std::vector<std::string> keys = Keys();
  for (size_t i = 0; i < words.size(); ++i) {
    absl::string_view word = words[i];
    if (!absl::ConsumePrefix(&word, "--")) continue;
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(word, absl::MaxSplits('=', 1));
    if (std::find(keys.begin(), keys.end(), parts.first) == keys.end()) continue;
    const bool apart = parts.second.empty() && i + 1 < words.size();
    return absl::StrCat("; write ", parts.first, "=", apart ? words[i + 1] : parts.second);
  }
  return "";
}

}  // namespace entropyd
