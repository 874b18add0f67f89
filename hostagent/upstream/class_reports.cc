#include "hostagent/upstream/class_reports.h"

#include "absl/strings/str_cat.h"

namespace entropyd {

ClassReports::ClassReports(const std::vector<Attachment::Class>* classes, int64_t now)
    : classes_(*classes), reports_(classes->size()), lost_at_(now) {}

void ClassReports::Tell(const Attachment* serving) {
  for (size_t i = 0; i < reports_.size(); ++i) {
    const UpstreamState state = StateOf(i, serving);
    if (reports_[i].told == state) continue;
    reports_[i].told = state;
    classes_[i].filled->OnUpstream(state);
  }
}

void ClassReports::Lost(const Attachment& was_serving, int64_t now) {
  for (size_t i = 0; i < reports_.size(); ++i) reports_[i].last_state = was_serving.state(i);
  lost_at_ = now;
}

int64_t ClassReports::LostAt(size_t i, const Attachment* serving) const {
  if (serving == nullptr) return lost_at_ + kGonePatienceNanos;
  if (const int64_t since = serving->suspended_since(i); since != kNever) {
    return since + kGonePatienceNanos;
  }
  return serving->silent_since();
}

UpstreamState ClassReports::StateOf(size_t i, const Attachment* serving) const {
  UpstreamState state;
  state.lost_at = LostAt(i, serving);
  if (serving == nullptr) return state;
  const v1::ChannelState& said = serving->state(i);
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
  for (size_t i = 0; i < reports_.size(); ++i) {
    const v1::ChannelState& state = live ? serving->state(i) : reports_[i].last_state;
    while (static_cast<size_t>(status->class__size()) <= i) status->add_class_();
    v1::GetStatusResponse::ClassStatus* of = status->mutable_class_(static_cast<int>(i));
    of->set_phase(live ? state.phase() : v1::PHASE_UNSPECIFIED);
    of->set_reason(live ? state.reason() : "not attached");
    if (live) of->set_remedy(serving->remedy(i));
    of->set_quality(state.quality());
    of->set_degraded(live && state.degraded());
    of->set_received(static_cast<uint64_t>(classes_[i].received_bytes->Value()));
    of->set_rate(state.rate());
    of->set_ceil(state.ceil());
  }
}

}  // namespace entropyd
