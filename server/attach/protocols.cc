#include "server/attach/protocols.h"

#include <utility>

namespace entropyd {

Protocols::Protocols(Options options, Dispatcher* dispatcher, const Clock* clock, Log* log)
    : access_(std::move(options.allow), &dispatcher->classes(), clock, log),
      shares_(options.shares, &dispatcher->budgets()->all, options.attach.limits.max_payload),
      attach_(options.attach, &access_, &shares_, dispatcher, log),
      get_(options.get, &access_, &shares_, dispatcher, clock) {}

uint32_t Protocols::Drain(absl::string_view identity, absl::string_view reason, int64_t now_nanos,
                          int64_t deadline_nanos) {
  if (identity.empty()) {
    get_.Drain();
    draining_ = true;
    drain_reason_ = std::string(reason);
  }
  return attach_.Drain(identity, reason, now_nanos, deadline_nanos);
}

void Protocols::SetLimits(const Limits& limits) {
  shares_.SetLimits(limits.shares, limits.session.max_payload);
  attach_.SetLimits(limits.session, limits.max_agents);
  get_.SetMaxWaiting(limits.max_gets);
}

bool Protocols::EndDrain() {
  const bool ended = draining_.exchange(false);
  drain_reason_.clear();
  attach_.EndDrain();
  get_.EndDrain();
  return ended;
}

}  // namespace entropyd
