#include "hostagent/agent_metrics.h"

#include <utility>

#include "base/process/nanos.h"
#include "base/wire/egd.h"
#include "hostagent/serving/local_fallback.h"

namespace entropyd {
namespace {

std::vector<double> WaitBounds() {
  std::vector<double> bounds;
  for (int64_t nanos : kWaitBoundsNanos) bounds.push_back(ToSeconds(nanos));
  return bounds;
}

void CopyWaits(const ClassCounters& from, Histogram* to) {
  std::vector<uint64_t> counts;
  for (const LoopNumber& n : from.waits) counts.push_back(n.Get());
  Metrics::SetHistogram(to, counts, ToSeconds(static_cast<int64_t>(from.wait_sum_nanos.Get())));
}

// By command byte.
constexpr const char* kCommandNames[egd::kCommandTypes] = {"get_entropy", "read_nonblocking",
                                                           "read_blocking", "write", "get_pid"};

// By IdentitySource.
constexpr const char* kIdentitySourceNames[IdentityCounters::kSources] = {"none", "libvirt",
                                                                          "cgroup", "socket"};

using Copy = std::pair<const LoopNumber*, Gauge*>;
using CopyTotal = std::pair<const LoopNumber*, Counter*>;

}  // namespace

AgentMetrics::AgentMetrics(Metrics* metrics, const std::vector<std::string>& classes) {
  for (const std::string& name : classes) classes_.push_back(std::make_unique<ClassCounters>(name));
  Export(metrics);
}

void AgentMetrics::Export(Metrics* metrics) {
  metrics
      ->AddGauge("entropyd_agent_build_info", "Always 1; the version is a label.",
                 {{"version", ENTROPYD_VERSION}})
      ->Set(1);
  std::vector<Copy> gauges = {
      {&memory_locked, metrics->AddGauge("entropyd_agent_memory_locked",
                                         "1 while all secrets are locked in memory.")},
      {&reload_failed,
       metrics->AddGauge("entropyd_agent_config_reload_failed",
                         "1 after a reload that failed: the configuration on disk is not the one "
                         "in use.")}};
  std::vector<CopyTotal> totals = {
      {&connections.refused, metrics->AddCounter("entropyd_agent_refused_guests_total",
                                                 "Connections closed at once for max_guests.")},
      {&connections.accept_failures,
       metrics->AddCounter("entropyd_agent_accept_failures_total",
                           "Times a listener paused for want of descriptors or memory.")},
      {&connections.identity_timeouts,
       metrics->AddCounter(
           "entropyd_agent_identity_timeouts_total",
           "Guests that were not identified in time, and served or refused unknown.")},
      {&connections.unidentified_refused,
       metrics->AddCounter("entropyd_agent_unidentified_refused_total",
                           "Connections closed because nobody knows the peer.")},
      {&identity.class_refused,
       metrics->AddCounter(
           "entropyd_agent_class_refused_total",
           "Guests whose metadata asks for a class that this agent does not have, or "
           "that its server refuses.")}};
  totals.emplace_back(&kernel_feed.bytes,
                      metrics->AddCounter("entropyd_agent_kernel_feed_bytes_total",
                                          "Bytes given to this host's kernel."));
  totals.emplace_back(&kernel_feed.credited_bits,
                      metrics->AddCounter("entropyd_agent_kernel_feed_credited_bits_total",
                                          "Bits of entropy that the kernel was told are in them."));
  const char* failures = "entropyd_agent_kernel_feed_failures_total";
  const char* failures_help =
      "Times that the kernel took no bytes (write), or took them but not the claim (credit).";
  totals.emplace_back(&kernel_feed.failed_writes,
                      metrics->AddCounter(failures, failures_help, {{"what", "write"}}));
  totals.emplace_back(&kernel_feed.credit_refused,
                      metrics->AddCounter(failures, failures_help, {{"what", "credit"}}));
  for (size_t i = 0; i < IdentityCounters::kSources; ++i) {
    totals.emplace_back(&identity.identified[i],
                        metrics->AddCounter("entropyd_agent_identified_total",
                                            "Answers to who a peer is, by who knew it.",
                                            {{"source", kIdentitySourceNames[i]}}));
  }
  std::vector<CopyTotal> throttled;  // in seconds
  std::vector<std::pair<const ClassCounters*, Histogram*>> waits;
  for (const std::unique_ptr<ClassCounters>& c : classes_) {
    const Labels labels = {{"class", c->class_name}};
    auto gauge = [&](const LoopNumber* number, const char* name, const char* help) {
      gauges.emplace_back(number, metrics->AddGauge(name, help, labels));
    };
    auto total = [&](const LoopNumber* number, const char* name, const char* help,
                     const Labels& with) {
      totals.emplace_back(number, metrics->AddCounter(name, help, with));
    };
    gauge(&c->guests, "entropyd_agent_guests", "Connections and taps now.");
    gauge(&c->owed_bytes, "entropyd_agent_owed_bytes", "Bytes that guests wait for.");
    gauge(&c->buffer_level, "entropyd_agent_buffer_fill_bytes", "Bytes the class buffer holds.");
    gauge(&c->buffer_target, "entropyd_agent_buffer_target_bytes",
          "Bytes the class buffer would like to hold; follows demand.");
    gauge(&c->buffer_size, "entropyd_agent_buffer_size_bytes",
          "Bytes the class buffer may hold at most.");
    for (LocalFallback::Mode mode : {LocalFallback::Mode::kUpstream, LocalFallback::Mode::kLocal,
                                     LocalFallback::Mode::kBlocked}) {
      gauges.emplace_back(
          &c->modes[static_cast<size_t>(mode)],
          metrics->AddGauge("entropyd_agent_class_mode",
                            "1 for who serves the class's guests: upstream, local (a DRBG of this "
                            "host, upstream being gone), blocked (nobody, for the same reason).",
                            {{"class", c->class_name}, {"mode", LocalFallback::ModeName(mode)}}));
    }
    total(&c->local_bytes, "entropyd_agent_local_bytes_total",
          "Bytes made by a DRBG of this host; part of those delivered.", labels);
    gauge(&c->local_ready, "entropyd_agent_local_ready",
          "1 while the class would survive the loss of upstream.");
    gauge(&c->local_refused, "entropyd_agent_local_refused",
          "1 while on_upstream_loss: local is refused because the pool is of quality full.");
    total(&c->delivered_bytes, "entropyd_agent_delivered_bytes_total",
          "Bytes of entropy handed to guests, primed ones included.", labels);
    total(&c->primed_bytes, "entropyd_agent_primed_bytes_total",
          "Bytes pushed unasked into new connections of QEMU.", labels);
    for (size_t i = 0; i < egd::kCommandTypes; ++i) {
      total(&c->requests[i], "entropyd_agent_requests_total", "EGD commands received.",
            {{"class", c->class_name}, {"command", kCommandNames[i]}});
    }
    const char* closed = "entropyd_agent_protocol_errors_total";
    const char* closed_help = "Connections closed for what they sent.";
    total(&c->closed_unknown, closed, closed_help,
          {{"class", c->class_name}, {"error", "unknown_command"}});
    total(&c->closed_pending, closed, closed_help,
          {{"class", c->class_name}, {"error", "too_many_pending"}});
    waits.emplace_back(c.get(),
                       metrics->AddHistogram(
                           "entropyd_agent_wait_seconds",
                           "From the arrival of pipelined like requests to their last reply byte.",
                           WaitBounds(), labels));
    throttled.emplace_back(
        &c->throttled_nanos,
        metrics->AddCounter("entropyd_agent_throttled_seconds_total",
                            "Time that guests waited for nothing but guest_ceil, summed over them.",
                            labels));
  }
  metrics->AddRefresher([waits = std::move(waits), throttled = std::move(throttled),
                         gauges = std::move(gauges), totals = std::move(totals)] {
    for (const Copy& copy : gauges) copy.second->Set(static_cast<double>(copy.first->Get()));
    for (const CopyTotal& copy : totals) {
      Metrics::SetCounter(copy.second, static_cast<double>(copy.first->Get()));
    }
    for (const CopyTotal& copy : throttled) {
      Metrics::SetCounter(copy.second, ToSeconds(static_cast<int64_t>(copy.first->Get())));
    }
    for (const auto& [counters, histogram] : waits) CopyWaits(*counters, histogram);
  });
}

}  // namespace entropyd
