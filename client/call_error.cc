#include "client/call_error.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/wire/answer_mark.h"
#include "client/slow_call.h"

namespace entropyd {
namespace {

// What gRPC says of its caller's deadline. A server's own message says more.
constexpr char kClientDeadline[] = "Deadline Exceeded";

// "drain" begins "drain", and "record source" begins "record source trng0".
bool BeginsWithWords(absl::string_view text, absl::string_view words) {
  return absl::StartsWith(text, words) &&
         (text.size() == words.size() || text[words.size()] == ' ');
}

}  // namespace

absl::Status CallError(absl::string_view verb, absl::string_view whom, const absl::Status& error) {
  absl::string_view message = error.message();
  const size_t colon = message.find(": ");
  if (colon != absl::string_view::npos && colon > 0 &&
      BeginsWithWords(verb, message.substr(0, colon))) {
    message.remove_prefix(colon + 2);
  }
  return KeepAnswer(error, absl::Status(error.code(), absl::StrCat(verb, whom, ": ", message)));
}

absl::Status WithWait(const absl::Status& status, absl::Duration waited) {
  if (!absl::IsUnavailable(status) || IsAnswer(status) || waited < SlowCall::kSlowAfter ||
      absl::StrContains(status.message(), kNoAnswer)) {
    return status;
  }
  return absl::UnavailableError(
      absl::StrCat(status.message(), " (given up after ",
                   absl::FormatDuration(absl::Trunc(waited, absl::Seconds(1))), ")"));
}

absl::Status WithPatience(const absl::Status& status, absl::Duration timeout) {
  if (IsAnswer(status) || !absl::IsDeadlineExceeded(status) ||
      status.message() != kClientDeadline) {
    return status;
  }
  return absl::DeadlineExceededError(absl::StrCat(kNoAnswer, absl::FormatDuration(timeout)));
}

}  // namespace entropyd
