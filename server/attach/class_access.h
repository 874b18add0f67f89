// Which leaf a peer gets bytes from, or why it gets none: asks first the policy, then the table of
// classes.
//
//   const ClassAccess::Answer answer = access.Ask(identity, Call::kGet, "default/gold", quality);
//   if (answer.leaf == nullptr) return ToStatus(answer.refusal, Call::kGet, "default/gold");
//
// Errors: a refusal is a ClassRefusal, which names its cause.
//
// Thread safety: belongs to the dispatcher's owner.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/process/clock.h"
#include "base/telemetry/line_limit.h"
#include "base/telemetry/log.h"
#include "proto/entropy.pb.h"
#include "server/attach/reasons.h"
#include "server/dispatch/class_table.h"

namespace entropyd {

class ClassAccess {
 public:
  // May `identity` get from POOL/CLASS? The greatest weight that it may have there, or
  // PERMISSION_DENIED.
  using Policy = std::function<absl::StatusOr<uint32_t>(absl::string_view identity, Call call,
                                                        absl::string_view pool_class)>;
  struct Answer {
    Leaf* leaf = nullptr;
    // The most guests that count as its weight.
    uint32_t max_weight = 1;
    // Holds only when there is no leaf.
    ClassRefusal refusal = {};
  };

  // The table, the clock and the log outlive this object.
  ClassAccess(Policy policy, const ClassTable* classes, const Clock* clock, Log* log)
      : policy_(std::move(policy)), classes_(classes), clock_(clock), log_(log) {}

  // Returns the leaf or the refusal. Counts each denial by policy. The log has one line in ten
  // seconds for each identity and kind of call.
  Answer Ask(absl::string_view identity, Call call, absl::string_view pool_class,
             v1::Quality min_quality);

  // Denials by policy since the start.
  uint64_t denied() const { return denied_; }

 private:
  // Adds to the refusal the classes other than `refused` that the identity may attach to, as many
  // as fit into a line. Adds none for a Get.
  void TellOthers(absl::string_view identity, Call call, absl::string_view refused,
                  ClassRefusal* refusal) const;

  const Policy policy_;
  const ClassTable* const classes_;
  const Clock* const clock_;
  Log* const log_;
  LineLimit lines_;
  uint64_t denied_ = 0;
};

}  // namespace entropyd
