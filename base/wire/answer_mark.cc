#include "base/wire/answer_mark.h"

#include "absl/strings/cord.h"

namespace entropyd {
namespace {

constexpr char kMark[] = "entropyd/answer";

}  // namespace

void MarkAnswer(absl::Status* status) { status->SetPayload(kMark, absl::Cord()); }

bool IsAnswer(const absl::Status& status) { return status.GetPayload(kMark).has_value(); }

absl::Status KeepAnswer(const absl::Status& status, absl::Status other) {
  if (IsAnswer(status)) MarkAnswer(&other);
  return other;
}

}  // namespace entropyd
