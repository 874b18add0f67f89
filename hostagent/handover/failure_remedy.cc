#include "hostagent/handover/failure_remedy.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/wire/connection_remedy.h"

namespace entropyd {

std::string FailureRemedy(HandoverPurpose purpose, const absl::Status& why) {
  // Another one is under way. The reason says when to try again, and nothing is to be mended.
  if (absl::IsAborted(why) && absl::StrContains(why.message(), "not now: ")) {
    return purpose == HandoverPurpose::kUpgrade ? "this process serves on"
                                                : "the old configuration stays in use until then";
  }
  // The taker attaches to a server before it takes over.
  const absl::string_view server = absl::StrContains(why.message(), "not attached")
                                       ? ConnectionRemedy(why.message())
                                       : absl::string_view();
  const absl::string_view mend = server.empty() ? "mend what the reason names" : server;
  if (purpose == HandoverPurpose::kUpgrade) {
    return absl::StrCat(mend, "; then upgrade again; until then this process serves on");
  }
  return absl::StrCat(mend, "; then reload again; the old configuration stays in use until then");
}

absl::Status WithRemedy(HandoverPurpose purpose, const absl::Status& why) {
  if (why.ok()) return why;
  // Errors of a file are a line each.
  const bool lines = why.message().find('\n') != absl::string_view::npos;
  return absl::Status(
      why.code(), absl::StrCat(why.message(), lines ? "\n" : "; ", FailureRemedy(purpose, why)));
}

}  // namespace entropyd
