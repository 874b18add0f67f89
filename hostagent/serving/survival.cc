#include "hostagent/serving/survival.h"

#include <algorithm>
#include <utility>

namespace entropyd {
namespace {

constexpr LocalFallback::Mode kModes[] = {
    LocalFallback::Mode::kUpstream, LocalFallback::Mode::kLocal, LocalFallback::Mode::kBlocked};

}  // namespace

Survival::Survival(std::vector<LocalFallback*> buffers, const Upstream* upstream, Metrics* metrics)
    : buffers_(std::move(buffers)), upstream_(upstream) {
  for (size_t i = 0; i < buffers_.size(); ++i) numbers_.push_back(std::make_unique<Numbers>());
  Export(metrics);
}

int64_t Survival::Judge(int64_t now, absl::FunctionRef<void(size_t)> serve) {
  int64_t next = INT64_MAX;
  for (size_t i = 0; i < buffers_.size(); ++i) {
    LocalFallback* const buffer = buffers_[i];
    const int64_t gone_at = upstream_->gone_at_nanos(i);
    if (buffer->Judge(now, gone_at, upstream_->closed(i))) serve(i);
    if (gone_at > now && buffer->owed() > 0) next = std::min(next, gone_at);
    Numbers& numbers = *numbers_[i];
    for (LocalFallback::Mode mode : kModes) {
      numbers.modes[static_cast<int>(mode)].Set(mode == buffer->mode() ? 1 : 0);
    }
    numbers.local_bytes.Set(buffer->local_bytes());
    numbers.local_ready.Set(buffer->local_ready() ? 1 : 0);
    numbers.local_refused.Set(buffer->local_refused() ? 1 : 0);
  }
  return next;
}

bool Survival::concerned() const {
  return std::any_of(buffers_.begin(), buffers_.end(), [](const LocalFallback* buffer) {
    return buffer->owed() > 0 || buffer->mode() != LocalFallback::Mode::kUpstream;
  });
}

void Survival::Export(Metrics* metrics) const {
  std::vector<std::pair<const LoopNumber*, Gauge*>> gauges;
  std::vector<std::pair<const LoopNumber*, Counter*>> totals;
  for (size_t i = 0; i < buffers_.size(); ++i) {
    const std::string& name = buffers_[i]->class_name();
    const Numbers& numbers = *numbers_[i];
    for (LocalFallback::Mode mode : kModes) {
      gauges.emplace_back(
          &numbers.modes[static_cast<int>(mode)],
          metrics->AddGauge("entropyd_agent_class_mode",
                            "1 for who serves the class's guests: upstream, local (a DRBG of this "
                            "host, upstream being gone), blocked (nobody, for the same reason).",
                            {{"class", name}, {"mode", LocalFallback::ModeName(mode)}}));
    }
    totals.emplace_back(
        &numbers.local_bytes,
        metrics->AddCounter("entropyd_agent_local_bytes_total",
                            "Bytes made by a DRBG of this host; part of those delivered.",
                            {{"class", name}}));
    gauges.emplace_back(&numbers.local_ready,
                        metrics->AddGauge("entropyd_agent_local_ready",
                                          "1 while the class would survive the loss of upstream.",
                                          {{"class", name}}));
    gauges.emplace_back(
        &numbers.local_refused,
        metrics->AddGauge("entropyd_agent_local_refused",
                          "1 while on_upstream_loss: local is refused because the pool is of "
                          "quality full.",
                          {{"class", name}}));
  }
  metrics->AddRefresher([gauges = std::move(gauges), totals = std::move(totals)] {
    for (const auto& [number, gauge] : gauges) gauge->Set(static_cast<double>(number->Get()));
    for (const auto& [number, total] : totals) {
      Metrics::SetCounter(total, static_cast<double>(number->Get()));
    }
  });
}

void Survival::FillStatus(v1::GetStatusResponse* status, int64_t now) const {
  for (size_t i = 0; i < buffers_.size(); ++i) {
    while (static_cast<size_t>(status->class__size()) <= i) status->add_class_();
    v1::GetStatusResponse::ClassStatus* of = status->mutable_class_(static_cast<int>(i));
    of->set_mode(LocalFallback::ModeName(buffers_[i]->mode()));
    of->set_mode_seconds(static_cast<double>(now - buffers_[i]->mode_since_nanos()) / 1e9);
    of->set_local_bytes(buffers_[i]->local_bytes());
    of->set_local_ready(buffers_[i]->local_ready());
    of->set_local_refused(buffers_[i]->local_refused());
  }
}

}  // namespace entropyd
