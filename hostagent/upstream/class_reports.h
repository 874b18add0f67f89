// What each class hears of upstream, and what the status says of the class. A class hears only what
// has changed. When the stream is gone, the status keeps the server's last figures.
//
//   ClassReports reports(&context.classes, clock.NowNanos());
//   reports.Tell(welcomed ? attachment.get() : nullptr);
//   reports.Lost(*attachment, clock.NowNanos());             // before the attachment ends
//
// Errors: none.
//
// Thread safety: none; belongs to the event loop's thread.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/optional.h"
#include "base/process/nanos.h"
#include "hostagent/serving/upstream_state.h"
#include "hostagent/upstream/attachment.h"
#include "proto/agent_admin.pb.h"
#include "proto/entropy.pb.h"

namespace entropyd {

class ClassReports {
 public:
  // Longer than a change of servers takes. Short enough that with `local` no guest waits longer
  // than QEMU's reconnect timer makes it wait for a new agent.
  static constexpr int64_t kGonePatienceNanos = kSecondNanos;

  // `classes` outlives it. There could have been a server until `now`.
  ClassReports(const std::vector<Attachment::Class>* classes, int64_t now);

  // Tells each class what has changed for it. `serving` is welcomed; nullptr = nobody serves.
  void Tell(const Attachment* serving);
  // `was_serving` serves no longer.
  void Lost(const Attachment& was_serving, int64_t now);
  // Fills in, per class and in their order, phase, reason, remedy, quality, degraded, received,
  // rate and ceil.
  void FillStatus(const Attachment* serving, v1::GetStatusResponse* status) const;

 private:
  struct Report {
    const Attachment::Class* of = nullptr;
    // The last word of the attachment that served last.
    v1::ChannelState last_state = {};
    absl::optional<UpstreamState> told = absl::nullopt;
  };

  int64_t LostAt(const Attachment::Class& of, const Attachment* serving) const;
  UpstreamState StateOf(const Attachment::Class& of, const Attachment* serving) const;

  // One for each class, in their order.
  std::vector<Report> reports_;
  // When somebody served last, or could have.
  int64_t lost_at_;
};

}  // namespace entropyd
