#include "server/attach/class_access.h"

#include "absl/strings/str_cat.h"
#include "base/text/names.h"

namespace entropyd {
namespace {

// Names come from peers, so a log line repeats only so many characters of them.
absl::string_view ForLog(absl::string_view name) { return name.substr(0, 128); }

}  // namespace

ClassAccess::Answer ClassAccess::Ask(absl::string_view identity, Call call,
                                     absl::string_view pool_class, v1::Quality min_quality) {
  if (!IsPoolClass(pool_class)) return {.refusal = {ClassRefusal::Cause::kNoName}};
  const absl::StatusOr<uint32_t> allowed = policy_(identity, call, pool_class);
  if (!allowed.ok()) {
    ++denied_;
    const absl::string_view name = call == Call::kAttach ? "Attach" : "Get";
    // Not for each class: its name is the peer's choice, and may be another one each time.
    const LineCount count = lines_.Ask(absl::StrCat(identity, " ", name), clock_->NowNanos());
    if (count > 0) {
      log_->Warning("agent.denied", {{"identity", identity},
                                     {"class", ForLog(pool_class)},
                                     {"call", name},
                                     {"reason", "class"},
                                     {count.key(), count.events}});
    }
    return {.refusal = {ClassRefusal::Cause::kForbidden, allowed.status()}};
  }
  Leaf* const leaf = classes_->FindLeaf(pool_class);
  if (leaf == nullptr) return {.refusal = {ClassRefusal::Cause::kUnknown}};
  if (min_quality == v1::QUALITY_FULL && leaf->slot->pool->quality() != v1::QUALITY_FULL) {
    return {.refusal = {ClassRefusal::Cause::kLowerQuality}};
  }
  return {.leaf = leaf, .max_weight = *allowed};
}

}  // namespace entropyd
