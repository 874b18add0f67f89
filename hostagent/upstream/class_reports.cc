#include "hostagent/upstream/class_reports.h"

#include "absl/strings/str_cat.h"

namespace entropyd {

ClassReports::ClassReports(const std::vector<Attachment::Class>* classes, int64_t now)
    : lost_at_(now) {
  for (const Attachment::Class& of : *classes) reports_.push_back({.of = &of});
}

void ClassReports::Tell(const Attachment* serving) {
  for (Report& report : reports_) {
    const UpstreamState state = StateOf(*report.of, serving);
    if (report.told == state) continue;
    report.told = state;
    report.of->filled->OnUpstream(state);
  }
}

void ClassReports::Lost(const Attachment& was_serving, int64_t now) {
  for (Report& report : reports_) report.last_state = was_serving.state(*report.of);
  lost_at_ = now;
}

int64_t ClassReports::LostAt(const Attachment::Class& of, const Attachment* serving) const {
  if (serving == nullptr) return lost_at_ + kGonePatienceNanos;
  if (const int64_t since = serving->suspended_since(of); since != kNever) {
    return since + kGonePatienceNanos;
  }
  return serving->silent_since();
}

UpstreamState ClassReports::StateOf(const Attachment::Class& of, const Attachment* serving) const {
  UpstreamState state;
  state.lost_at = LostAt(of, serving);
  if (serving == nullptr) return state;
  const v1::ChannelState& said = serving->state(of);
  switch (said.phase()) {
    case v1::PHASE_OPEN:
      state.kind = UpstreamState::Kind::kOpen;
      break;
    case v1::PHASE_SUSPENDED:
      state.kind = UpstreamState::Kind::kSuspended;
      break;
    case v1::PHASE_CLOSED:
      state.kind = UpstreamState::Kind::kRefused;
      state.reason = said.reason().empty() ? absl::StrCat("code ", said.code()) : said.reason();
      break;
    default:
      state.kind = UpstreamState::Kind::kAsked;
  }
  return state;
}

void ClassReports::FillStatus(const Attachment* serving, v1::GetStatusResponse* status) const {
  const bool live = serving != nullptr;
  int at = 0;
  for (const Report& report : reports_) {
    const v1::ChannelState& state = live ? serving->state(*report.of) : report.last_state;
    if (status->class__size() == at) status->add_class_();
    v1::GetStatusResponse::ClassStatus* of = status->mutable_class_(at++);
    of->set_phase(live ? state.phase() : v1::PHASE_UNSPECIFIED);
    of->set_reason(live ? state.reason() : "not attached");
    if (live) of->set_remedy(serving->remedy(*report.of));
    of->set_quality(state.quality());
    of->set_degraded(live && state.degraded());
    of->set_received(static_cast<uint64_t>(report.of->received_bytes->Value()));
    of->set_rate(state.rate());
    of->set_ceil(state.ceil());
  }
}

}  // namespace entropyd
