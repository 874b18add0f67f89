#include "base/crypto/spiffe_id.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace entropyd {
namespace {

bool FitsPath(unsigned char c) {
  return absl::ascii_isalnum(c) || c == '.' || c == '-' || c == '_';
}

bool FitsDomain(unsigned char c) { return FitsPath(c) && !absl::ascii_isupper(c); }

bool IsSegment(absl::string_view segment) {
  return !segment.empty() && segment != "." && segment != ".." &&
         std::all_of(segment.begin(), segment.end(), FitsPath);
}

}  // namespace

absl::Status CheckSpiffeId(absl::string_view id) {
  if (!absl::ConsumePrefix(&id, kSpiffeScheme)) {
    return absl::InvalidArgumentError(absl::StrCat("it does not begin with ", kSpiffeScheme));
  }
  const std::vector<absl::string_view> parts = absl::StrSplit(id, '/');
  const absl::string_view domain = parts.front();
  if (!IsSegment(domain) || !std::all_of(domain.begin(), domain.end(), FitsDomain)) {
    return absl::InvalidArgumentError(
        "the trust domain may have lower-case letters, digits, '.', '-' and '_' only");
  }
  if (!std::all_of(parts.begin() + 1, parts.end(), IsSegment)) {
    return absl::InvalidArgumentError(
        "the path needs segments of letters, digits, '.', '-' and '_'");
  }
  return absl::OkStatus();
}

bool HasSpiffePath(absl::string_view id) {
  return absl::StripPrefix(id, kSpiffeScheme).find('/') != absl::string_view::npos;
}

}  // namespace entropyd
