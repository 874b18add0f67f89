#include "server/attach/class_access.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/text/names.h"

namespace entropyd {
namespace {

// Names come from peers, so a log line repeats only this many characters of them.
absl::string_view ForLog(absl::string_view name) { return name.substr(0, 128); }

// This many names, of this many characters together, fit on a line. Who has more classes than that
// does not look for a typo among them. 64 such texts must fit beside the bytes of a message.
constexpr size_t kMaxNames = 8;
constexpr size_t kMaxCharacters = 256;
// The policy is asked of this many classes at most, because a peer can cause this 64 times in a
// stream.
constexpr size_t kMaxAsked = 256;

}  // namespace

void ClassAccess::TellOthers(absl::string_view identity, Call call, absl::string_view refused,
                             ClassRefusal* refusal) const {
  if (call == Call::kGet) return;  // it may come ten thousand times a second
  size_t characters = 0;
  size_t asked = 0;
  for (const std::string& name : classes_->LeafNames()) {
    refusal->more_known = ++asked > kMaxAsked;
    if (refusal->more_known) return;
    if (name == refused || !policy_(identity, call, name).ok()) continue;
    characters += name.size() + 2;  // a comma and a blank
    refusal->more_known = refusal->known.size() == kMaxNames || characters > kMaxCharacters;
    if (refusal->more_known) return;
    refusal->known.push_back(name);
  }
}

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
    ClassRefusal refusal = {.cause = ClassRefusal::Cause::kForbidden, .policy = allowed.status()};
    TellOthers(identity, call, pool_class, &refusal);
    return {.refusal = std::move(refusal)};
  }
  Leaf* const leaf = classes_->FindLeaf(pool_class);
  if (leaf == nullptr) {
    ClassRefusal refusal = {.cause = classes_->IsInner(pool_class) ? ClassRefusal::Cause::kInner
                                                                   : ClassRefusal::Cause::kUnknown};
    TellOthers(identity, call, pool_class, &refusal);
    return {.refusal = std::move(refusal)};
  }
  if (min_quality == v1::QUALITY_FULL && leaf->slot->pool->quality() != v1::QUALITY_FULL) {
    return {.refusal = {ClassRefusal::Cause::kLowerQuality}};
  }
  return {.leaf = leaf, .max_weight = *allowed};
}

}  // namespace entropyd
