#include "server/attach/get_protocol.h"

#include <algorithm>
#include <utility>

#include "base/text/names.h"

namespace entropyd {

GetProtocol::GetProtocol(const Options& options, ClassAccess* access, IdentityShares* shares,
                         Dispatcher* dispatcher, const Clock* clock)
    : options_(options),
      max_waiting_(options.max_waiting),
      access_(access),
      shares_(shares),
      dispatcher_(dispatcher),
      clock_(clock) {
  dispatcher_->Add(this);
}

std::unique_ptr<PendingGet> GetProtocol::NewGet(PendingGet::Request request) {
  if (!IsPoolClass(request.name)) request.name = Excerpt(request.name);
  return std::make_unique<PendingGet>(std::move(request), &dispatcher_->budgets()->planned, this);
}

void GetProtocol::OnGet(PendingGet* get, uint32_t events, int64_t now_nanos) {
  if (events & PendingGet::kStart) {
    gets_.emplace(get, get);
    const absl::optional<GetEnd> refused = Start(get, now_nanos);
    if (refused.has_value()) get->End(*refused);
  }
  if (events & (PendingGet::kCancelled | PendingGet::kDead)) {
    get->End({.cause = GetEnd::Cause::kCallerGone});
  }
  if (events & PendingGet::kDead) gets_.erase(get);
}

absl::Status GetProtocol::Admission(const PendingGet& get) const {
  const PeerCertificate* const certificate = get.request().certificate.get();
  if (certificate == nullptr || options_.admission == nullptr) return absl::OkStatus();
  return options_.admission(*certificate);
}

void GetProtocol::Recheck() {
  for (const auto& [get, owned] : gets_) {
    if (get->done()) continue;
    absl::Status admission = Admission(*get);
    if (!admission.ok()) {
      ++totals_.shut_out;
      get->End({.cause = GetEnd::Cause::kShutOut, .refused = std::move(admission)});
      continue;
    }
    const PendingGet::Request& request = get->request();
    ClassAccess::Answer answer =
        access_->Ask(request.identity, Call::kGet, request.name, request.min_quality);
    if (answer.leaf != nullptr) continue;
    get->End({.cause = GetEnd::Cause::kRefusedClass, .refusal = std::move(answer.refusal)});
  }
}

absl::optional<GetEnd> GetProtocol::Start(PendingGet* get, int64_t now_nanos) {
  using Cause = GetEnd::Cause;
  const PendingGet::Request& request = get->request();
  if (draining_) return GetEnd{.cause = Cause::kServerDrains};
  // The rules may have changed since the gate let it in.
  absl::Status admission = Admission(*get);
  if (!admission.ok()) return GetEnd{.cause = Cause::kShutOut, .refused = std::move(admission)};
  if (request.bytes < 1 || request.bytes > kGetMaxBytes) return GetEnd{.cause = Cause::kBadSize};
  IdentityShares::Answer taken = shares_->TakeGet(request.identity, now_nanos);
  if (!taken.place) return GetEnd{.cause = Cause::kIdentityShare, .share = taken.refusal};
  const IdentityShares::Counts& held = shares_->held();
  if (held.gets > max_waiting_ ||
      held.answers >= uint64_t{max_waiting_} * IdentityShares::Limits::kAnswersPerGet) {
    ++totals_.denied_capacity;
    return GetEnd{.cause = Cause::kTooMany, .limit = max_waiting_};
  }
  get->Hold(std::move(taken.place));
  ClassAccess::Answer answer =
      access_->Ask(request.identity, Call::kGet, request.name, request.min_quality);
  if (answer.leaf == nullptr) {
    return GetEnd{.cause = Cause::kRefusedClass, .refusal = std::move(answer.refusal)};
  }
  const PoolState& pool = answer.leaf->slot->state;
  if (!pool.ready()) return GetEnd{.cause = Cause::kSuspended, .pool = pool};
  get->Wait(answer.leaf, now_nanos, now_nanos + kTimeoutNanos);
  return absl::nullopt;
}

int64_t GetProtocol::Sweep(int64_t now_nanos) {
  for (const auto& [get, owned] : gets_) {
    if (get->Expired(now_nanos)) get->End({.cause = GetEnd::Cause::kTimeUp});
  }
  return kNever;
}

void GetProtocol::Flush(int64_t) {
  for (PendingGet* get : flush_) FlushGet(get);
  flush_.clear();
}

void GetProtocol::FlushGet(PendingGet* get) {
  if (get->done()) return;
  PoolSlot* const slot = get->leaf()->slot;
  const absl::Status filled = get->Fill(dispatcher_->writer());
  if (!filled.ok()) {
    dispatcher_->OnRefusal(slot, filled);
    get->End({.cause = GetEnd::Cause::kPoolRefused, .refused = filled});
    return;
  }
  if (!get->whole()) return;
  totals_.given_bytes += get->request().bytes;
  const int64_t age_nanos = clock_->NowNanos() - slot->pool->State().seeded_at_nanos;
  const int64_t age_ms = std::max<int64_t>(age_nanos, 0) / kMillisecondNanos;
  dispatcher_->Send(get->outlet(), get->TakeReply(static_cast<uint64_t>(age_ms)));
}

}  // namespace entropyd
