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
    if (standing_ != Standing::kStopping) {
      standing_ = Standing::kDraining;
      drain_reason_ = std::string(reason);
    }
  }
  return attach_.Drain(identity, reason, now_nanos, deadline_nanos);
}

void Protocols::SetLimits(const Limits& limits) {
  shares_.SetLimits(limits.shares, limits.session.max_payload);
  attach_.SetLimits(limits.session, limits.max_agents);
  get_.SetMaxWaiting(limits.max_gets);
}

void Protocols::Stop(int64_t now_nanos, int64_t deadline_nanos) {
  constexpr absl::string_view kReason = "the server shuts down";
  Drain("", kReason, now_nanos, deadline_nanos);
  standing_ = Standing::kStopping;
  drain_reason_ = std::string(kReason);
}

Protocols::Standing Protocols::EndDrain() {
  const Standing before = standing_;
  if (before != Standing::kDraining) return before;
  standing_ = Standing::kServing;
  drain_reason_.clear();
  attach_.EndDrain();
  get_.EndDrain();
  return before;
}

void RecheckPeers(DispatchLoop* loop, Protocols* protocols) {
  bool more = false;
  loop->RunAndWait([protocols, &more](int64_t now_nanos) {
    protocols->BeginRecheck();
    more = protocols->RecheckSome(now_nanos);
  });
  while (more) {
    loop->RunAndWait(
        [protocols, &more](int64_t now_nanos) { more = protocols->RecheckSome(now_nanos); });
  }
}

}  // namespace entropyd
