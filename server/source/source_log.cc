#include "server/source/source_log.h"

#include <algorithm>
#include <iterator>

#include "base/wire/state_names.h"

namespace entropyd {

void SourceLog::State(v1::SourceState state, absl::string_view reason, absl::string_view device,
                      int64_t now_nanos) {
  state_ = state;
  reason_ = std::string(reason);
  changed_nanos_ = now_nanos;
  // These are faults of the device, and the third of them latches it.
  if (state == v1::SOURCE_STATE_QUARANTINED) {
    log_->Warning("source.quarantined", {{"source", source_}, {"reason", reason}});
    return;
  }
  if (state == v1::SOURCE_STATE_LATCHED) {
    log_->Error("source.latched", {{"source", source_}, {"reason", reason}});
    return;
  }
  if (state == v1::SOURCE_STATE_GONE) Flap(reason, now_nanos);
  if (flaps_ > 0) return;
  if (state == v1::SOURCE_STATE_GONE) {
    log_->Warning("source.gone", {{"source", source_}, {"reason", reason}});
  } else if (state == v1::SOURCE_STATE_HEALTHY) {
    log_->Info("source.healthy", {{"source", source_}, {"device", reason}});
  } else {
    log_->Info("source.starting", {{"source", source_}, {"device", device}});
  }
}

void SourceLog::Flap(absl::string_view reason, int64_t now_nanos) {
  std::move(std::begin(went_) + 1, std::end(went_), std::begin(went_));
  went_[kFlaps - 1] = now_nanos;
  if (flaps_ > 0) {
    ++flaps_;
    return;
  }
  if (went_[0] == 0 || now_nanos - went_[0] > kWindowNanos) return;
  flaps_ = kFlaps;
  log_->Warning("source.flapping",
                {{"source", source_},
                 {"reason", reason},
                 {"times", flaps_},
                 {"remedy",
                  "find out why it goes and comes back; if it only pauses, write silence: in its "
                  "configuration, longer than the pauses; until it keeps one state for a minute, "
                  "the log tells only failed tests"}});
}

void SourceLog::Tick(int64_t now_nanos) {
  if (flaps_ == 0 || now_nanos - changed_nanos_ < kWindowNanos) return;
  log_->Warning("source.settled", {{"source", source_},
                                   {"state", SourceStateName(state_)},
                                   {"reason", reason_},
                                   {"times_gone", flaps_}});
  flaps_ = 0;
  std::fill(std::begin(went_), std::end(went_), 0);
}

void SourceLog::Root(absl::string_view root, absl::string_view before) {
  log_->Info("source.root", {{"source", source_}, {"root", root}, {"before", before}});
}

void SourceLog::Test(bool reset) {
  log_->Info(reset ? "source.reset" : "source.tested", {{"source", source_}});
}

}  // namespace entropyd
