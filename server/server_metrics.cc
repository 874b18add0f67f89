#include "server/server_metrics.h"

#include <iterator>

#include "base/process/nanos.h"
#include "server/access/gate.h"

namespace entropyd {

ServerMetrics::ServerMetrics(Metrics* metrics, DispatchLoop* loop, const Dispatcher* dispatcher,
                             const Protocols* protocols, absl::Time not_after)
    : metrics_(metrics),
      dispatcher_(dispatcher),
      protocols_(protocols),
      certificate_end_(metrics->AddGauge("entropyd_certificate_expiry_timestamp_seconds",
                                         "When the server's certificate expires, in Unix time.")) {
  metrics
      ->AddGauge("entropyd_build_info", "1, labelled with the version that runs.",
                 {{"version", ENTROPYD_VERSION}})
      ->Set(1);
  SetCertificateEnd(not_after);
  agents_ = metrics->AddGauge("entropyd_agents", "Attached agents.");
  draining_ = metrics->AddGauge("entropyd_draining", "1 when new streams are refused.");
  in_flight_ = metrics->AddGauge("entropyd_attach_in_flight_bytes",
                                 "Payload written and not yet taken by the network.");
  waiting_gets_ = metrics->AddGauge("entropyd_get_waiting", "Get calls that wait for bytes.");
  AddTotals();
  AddShares();
  refresher_ = metrics->AddRefresher(
      [this, loop] { loop->RunAndWait([this](int64_t now_nanos) { Refresh(now_nanos); }); });
}

absl::Time ServerMetrics::certificate_end() const {
  return absl::FromUnixSeconds(static_cast<int64_t>(certificate_end_->Value()));
}

void ServerMetrics::SetCertificateEnd(absl::Time not_after) {
  certificate_end_->Set(static_cast<double>(absl::ToUnixSeconds(not_after)));
}

void ServerMetrics::AddTotals() {
  using Totals = AttachProtocol::Totals;
  const struct {
    const char* name;
    const char* help;
    uint64_t Totals::*value;
  } kOfAttach[] = {
      {"entropyd_attach_streams_total", "Streams that said a valid Hello.", &Totals::attached},
      {"entropyd_attach_messages_total", "Messages written to agents.", &Totals::messages},
      {"entropyd_attach_lost_unconfirmed_bytes_total",
       "Payload that was not acknowledged when its stream ended; never sent again.",
       &Totals::lost_bytes},
      {"entropyd_attach_violations_total", "Streams ended because the peer broke the protocol.",
       &Totals::violations},
      {"entropyd_attach_superseded_total", "Streams replaced by a newer one of the same host.",
       &Totals::replacements},
      {"entropyd_attach_stuck_writes_total", "Streams cancelled because the peer did not read.",
       &Totals::stuck_writes},
      {"entropyd_attach_silent_agents_total",
       "Streams ended because the agent sent nothing, not even heartbeats.",
       &Totals::silent_agents},
  };
  const AttachProtocol* const attach = protocols_->attach();
  for (const auto& total : kOfAttach) {
    totals_.push_back({metrics_->AddCounter(total.name, total.help),
                       [attach, value = total.value] { return attach->totals().*value; }});
  }
  const Deliveries* const deliveries = &attach->deliveries();
  totals_.push_back(
      {metrics_->AddCounter("entropyd_attach_sent_bytes_total", "Payload written to agents."),
       [deliveries] { return deliveries->sent(); }});
  totals_.push_back({metrics_->AddCounter("entropyd_attach_received_bytes_total",
                                          "Payload that agents acknowledged."),
                     [deliveries] { return deliveries->received(); }});
  totals_.push_back({metrics_->AddCounter("entropyd_forfeited_bytes_total",
                                          "Charged to a class and then not delivered: the pool "
                                          "refused, or the caller went away."),
                     [this] { return dispatcher_->budgets()->planned.given_back(); }});
  const GetProtocol* const get = protocols_->get();
  totals_.push_back({metrics_->AddCounter("entropyd_get_bytes_total", "Bytes answered to Get."),
                     [get] { return get->totals().given_bytes; }});
  totals_.push_back({metrics_->AddCounter("entropyd_shut_out_total",
                                          "Streams and Gets that ended because new rules do not "
                                          "let their peer in any more."),
                     [attach, get] { return attach->totals().shut_out + get->totals().shut_out; }});
  totals_.push_back(
      {AddDenialCounter(metrics_, "class"), [this] { return protocols_->access().denied(); }});
  totals_.push_back({AddDenialCounter(metrics_, "capacity"), [attach, get] {
                       return attach->totals().denied_capacity + get->totals().denied_capacity;
                     }});
  totals_.push_back({AddDenialCounter(metrics_, "cloned_host"),
                     [attach] { return attach->totals().denied_clone; }});
}

void ServerMetrics::AddShares() {
  const IdentityShares* const shares = &protocols_->shares();
  using Totals = IdentityShares::Totals;
  const struct {
    const char* reason;
    uint64_t Totals::*value;
  } kDenials[] = {
      {"streams_per_identity", &Totals::denied_streams},
      {"gets_per_identity", &Totals::denied_gets},
      {"messages_per_identity", &Totals::denied_messages},
  };
  for (const auto& denial : kDenials) {
    totals_.push_back({AddDenialCounter(metrics_, denial.reason),
                       [shares, value = denial.value] { return shares->totals().*value; }});
  }
  const auto waits = [this](const std::string& reason) {
    return metrics_->AddCounter("entropyd_identity_waits_total",
                                "How often a stream waited because its identity held its share: of "
                                "max_in_flight, or of messages in a second.",
                                {{"reason", reason}});
  };
  totals_.push_back({waits("in_flight"), [shares] { return shares->totals().byte_waits; }});
  totals_.push_back({waits("messages"), [shares] { return shares->totals().held_reads; }});
}

void ServerMetrics::Refresh(int64_t now_nanos) {
  for (const TotalSeries& total : totals_) {
    Metrics::SetCounter(total.series, static_cast<double>(total.value()));
  }
  agents_->Set(static_cast<double>(protocols_->attach()->registry().registered()));
  draining_->Set(protocols_->attach()->draining() ? 1 : 0);
  in_flight_->Set(static_cast<double>(dispatcher_->budgets()->in_flight.used()));
  waiting_gets_->Set(static_cast<double>(protocols_->get()->waiting()));
  RefreshClasses(now_nanos);
}

ServerMetrics::ClassSeries::ClassSeries(const Labels& labels, Metrics* metrics) : owned(metrics) {
  delivered = owned.AddCounter("entropyd_class_delivered_bytes_total",
                               "Bytes given to the class and all below it.", labels);
  borrowed = owned.AddCounter("entropyd_class_borrowed_bytes_total",
                              "Bytes given beyond the class's guarantee.", labels);
  throttled = owned.AddCounter(
      "entropyd_class_throttled_seconds_total",
      "How long somebody in the class waited because of the class's own ceiling.", labels);
  waiting = owned.AddGauge("entropyd_class_waiting_bytes",
                           "Bytes that agents have room for and wait for.", labels);
  members = owned.AddGauge("entropyd_class_members", "Streams and calls that draw from the class.",
                           labels);
  rate = owned.AddGauge("entropyd_class_rate_bytes_per_second", "The class's guarantee.", labels);
  ceil = owned.AddGauge("entropyd_class_ceil_bytes_per_second", "The class's ceiling; 0 = none.",
                        labels);
  drift = owned.AddGauge(
      "entropyd_class_drift",
      "1 when an operator changed the class and its figures are not the configuration's.", labels);
}

ServerMetrics::ClassSeries* ServerMetrics::Series(const std::string& pool,
                                                  const ClassTree::ClassStats& stats) {
  std::unique_ptr<ClassSeries>& series = classes_[{pool, stats.spec.name}];
  // A class that was removed and added again starts from 0, as after a restart.
  if (series != nullptr &&
      static_cast<double>(stats.delivered_bytes) < series->delivered->Value()) {
    series.reset();
  }
  if (series == nullptr) {
    series =
        std::make_unique<ClassSeries>(Labels{{"pool", pool}, {"class", stats.spec.name}}, metrics_);
  }
  return series.get();
}

void ServerMetrics::RefreshClasses(int64_t now_nanos) {
  ++refresh_;
  for (const auto& slot : dispatcher_->classes().slots()) {
    for (const ClassTree::ClassStats& stats : slot->tree->Stats(now_nanos)) {
      ClassSeries* const series = Series(slot->pool->name(), stats);
      series->seen = refresh_;
      Metrics::SetCounter(series->delivered, static_cast<double>(stats.delivered_bytes));
      Metrics::SetCounter(series->borrowed, static_cast<double>(stats.borrowed_bytes));
      Metrics::SetCounter(series->throttled, ToSeconds(stats.throttled_nanos));
      series->waiting->Set(static_cast<double>(stats.waiting_bytes));
      series->members->Set(stats.members);
      series->drift->Set(slot->differing.contains(stats.spec.name) ? 1 : 0);
      series->rate->Set(static_cast<double>(stats.spec.rate));
      series->ceil->Set(
          stats.spec.ceil == ClassTree::kUnlimited ? 0 : static_cast<double>(stats.spec.ceil));
    }
  }
  for (auto it = classes_.begin(); it != classes_.end();) {
    it = it->second->seen == refresh_ ? std::next(it) : classes_.erase(it);
  }
}

}  // namespace entropyd
