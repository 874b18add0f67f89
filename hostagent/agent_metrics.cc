#include "hostagent/agent_metrics.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "base/process/nanos.h"
#include "base/wire/egd.h"
#include "hostagent/serving/local_fallback.h"

namespace entropyd {
namespace {

std::vector<double> WaitBounds() {
  std::vector<double> bounds;
  bounds.reserve(kWaitBoundsNanos.size());
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

// Numbers of the loop, and the series that copy them when Prometheus asks.
class Series {
 public:
  explicit Series(Metrics* metrics) : metrics_(metrics) {}

  void Gauge(const LoopNumber* number, const char* name, const char* help,
             const Labels& labels = {}) {
    gauges_.emplace_back(number, metrics_->AddGauge(name, help, labels));
  }
  void Total(const LoopNumber* number, const char* name, const char* help,
             const Labels& labels = {}) {
    totals_.emplace_back(number, metrics_->AddCounter(name, help, labels));
  }
  // The number counts nanoseconds.
  void Seconds(const LoopNumber* number, const char* name, const char* help, const Labels& labels) {
    seconds_.emplace_back(number, metrics_->AddCounter(name, help, labels));
  }
  void SecondsNow(const LoopNumber* number, const char* name, const char* help) {
    seconds_now_.emplace_back(number, metrics_->AddGauge(name, help));
  }
  void Waits(const ClassCounters* counters, const char* name, const char* help,
             const Labels& labels) {
    waits_.emplace_back(counters, metrics_->AddHistogram(name, help, WaitBounds(), labels));
  }

  void Refresh() const {
    for (const Copy& copy : gauges_) copy.second->Set(static_cast<double>(copy.first->Get()));
    for (const CopyTotal& copy : totals_) {
      Metrics::SetCounter(copy.second, static_cast<double>(copy.first->Get()));
    }
    for (const CopyTotal& copy : seconds_) {
      Metrics::SetCounter(copy.second, ToSeconds(static_cast<int64_t>(copy.first->Get())));
    }
    for (const Copy& copy : seconds_now_) {
      copy.second->Set(ToSeconds(static_cast<int64_t>(copy.first->Get())));
    }
    for (const auto& [counters, histogram] : waits_) CopyWaits(*counters, histogram);
  }

 private:
  Metrics* metrics_;
  std::vector<Copy> gauges_;
  std::vector<CopyTotal> totals_;
  std::vector<CopyTotal> seconds_;
  std::vector<Copy> seconds_now_;
  std::vector<std::pair<const ClassCounters*, Histogram*>> waits_;
};

void ExportTurns(const TurnCounters& c, Series* series) {
  series->Total(&c.slow, "entropyd_agent_slow_turns_total",
                "Turns of the event loop that took longer than 10 ms. Guests waited that long "
                "for the work of others.");
  series->SecondsNow(&c.longest_nanos, "entropyd_agent_longest_turn_seconds",
                     "How long the longest turn of the event loop took, since the start.");
}

void ExportConnections(const ConnectionCounters& c, Series* series) {
  series->Total(&c.refused, "entropyd_agent_refused_guests_total",
                "Connections closed at once for max_guests.");
  series->Total(&c.accept_failures, "entropyd_agent_accept_failures_total",
                "Times that a listener paused because descriptors or memory ran out.");
  series->Total(&c.identity_timeouts, "entropyd_agent_identity_timeouts_total",
                "Guests that were not identified in time, and served or refused without a name.");
  series->Total(&c.unidentified_refused, "entropyd_agent_unidentified_refused_total",
                "Connections closed because their peer could not be identified.");
  series->Total(&c.crowded, "entropyd_agent_guest_connections_refused_total",
                "Connections closed because their guest had max_connections_per_guest.");
}

void ExportIdentity(const IdentityCounters& c, Series* series) {
  series->Total(&c.class_refused, "entropyd_agent_class_refused_total",
                "Guests whose metadata asks for a class that this agent does not have, or that its "
                "server refuses.");
  for (size_t i = 0; i < IdentityCounters::kSources; ++i) {
    series->Total(&c.identified[i], "entropyd_agent_identified_total",
                  "Answers to who a peer is, by who knew it.",
                  {{"source", kIdentitySourceNames[i]}});
  }
}

void ExportKernelFeed(const KernelFeedCounters& c, Series* series) {
  series->Total(&c.bytes, "entropyd_agent_kernel_feed_bytes_total",
                "Bytes given to this host's kernel.");
  series->Total(&c.credited_bits, "entropyd_agent_kernel_feed_credited_bits_total",
                "Bits of entropy that the kernel was told are in them.");
  const char* failures = "entropyd_agent_kernel_feed_failures_total";
  const char* help =
      "Times that the kernel took no bytes (write), or took them but not the claim (credit).";
  series->Total(&c.failed_writes, failures, help, {{"what", "write"}});
  series->Total(&c.credit_refused, failures, help, {{"what", "credit"}});
  const char* failing = "entropyd_agent_kernel_feed_failing";
  const char* failing_help =
      "1 after a round in which the kernel took no bytes (write), or in which the claim was not "
      "made or not taken (credit).";
  series->Gauge(&c.failing, failing, failing_help, {{"what", "write"}});
  series->Gauge(&c.uncredited, failing, failing_help, {{"what", "credit"}});
}

void ExportBuffer(const ClassCounters& c, Series* series) {
  const Labels labels = {{"class", c.class_name}};
  series->Gauge(&c.buffer_level, "entropyd_agent_buffer_fill_bytes",
                "Bytes the class buffer holds.", labels);
  series->Gauge(&c.buffer_target, "entropyd_agent_buffer_target_bytes",
                "Bytes the class buffer would like to hold; follows demand.", labels);
  series->Gauge(&c.buffer_size, "entropyd_agent_buffer_size_bytes",
                "Bytes the class buffer may hold at most.", labels);
}

void ExportFallback(const ClassCounters& c, Series* series) {
  const Labels labels = {{"class", c.class_name}};
  using Mode = LocalFallback::Mode;
  for (Mode mode : {Mode::kUpstream, Mode::kLocal, Mode::kBlocked, Mode::kClosed}) {
    series->Gauge(&c.modes[static_cast<size_t>(mode)], "entropyd_agent_class_mode",
                  "1 for who serves the class's guests: upstream, local (a DRBG of this host, "
                  "upstream being gone), blocked (nobody, for the same reason), closed (nobody, as "
                  "the server refuses the class).",
                  {{"class", c.class_name}, {"mode", std::string(ClassModeName(mode))}});
  }
  series->Total(&c.local_bytes, "entropyd_agent_local_bytes_total",
                "Bytes made by a DRBG of this host; part of those delivered.", labels);
  series->Gauge(&c.local_ready, "entropyd_agent_local_ready",
                "1 while the local fallback could serve the class at once.", labels);
  series->Gauge(&c.local_refused, "entropyd_agent_local_refused",
                "1 while on_upstream_loss: local is refused because the pool is of quality full.",
                labels);
}

// By UpstreamState::Kind.
constexpr const char* kPhaseNames[UpstreamState::kKinds] = {"detached", "opening", "suspended",
                                                            "open", "closed"};

void ExportPhases(const ClassCounters& c, Series* series) {
  for (size_t kind = 0; kind < UpstreamState::kKinds; ++kind) {
    series->Gauge(&c.phases[kind], "entropyd_agent_class_phase",
                  "1 for what the class is to the server: open, suspended (it has nothing now), "
                  "closed (it refuses the class), opening (it has not answered yet), detached (no "
                  "server is attached).",
                  {{"class", c.class_name}, {"phase", kPhaseNames[kind]}});
  }
}

void ExportGuests(const ClassCounters& c, Series* series) {
  const Labels labels = {{"class", c.class_name}};
  series->Gauge(&c.guests, "entropyd_agent_guests", "Connections and feeds now.", labels);
  series->Gauge(&c.owed_bytes, "entropyd_agent_owed_bytes", "Bytes that guests wait for.", labels);
  series->Total(&c.delivered_bytes, "entropyd_agent_delivered_bytes_total",
                "Bytes of entropy handed to guests, primed ones included.", labels);
  series->Total(&c.primed_bytes, "entropyd_agent_primed_bytes_total",
                "Bytes pushed unasked into new connections of QEMU.", labels);
  for (size_t i = 0; i < egd::kCommandTypes; ++i) {
    series->Total(&c.requests[i], "entropyd_agent_requests_total", "EGD commands received.",
                  {{"class", c.class_name}, {"command", kCommandNames[i]}});
  }
  const char* errors = "entropyd_agent_protocol_errors_total";
  const char* help =
      "Guests' faults. unknown_command ends a connection; too_many_pending leaves it unread until "
      "replies have left.";
  series->Total(&c.closed_unknown, errors, help,
                {{"class", c.class_name}, {"error", "unknown_command"}});
  series->Total(&c.left_unread, errors, help,
                {{"class", c.class_name}, {"error", "too_many_pending"}});
  series->Waits(&c, "entropyd_agent_wait_seconds",
                "From the arrival of pipelined like requests to their last reply byte.", labels);
  series->Seconds(&c.throttled_nanos, "entropyd_agent_throttled_seconds_total",
                  "Time that guests waited for nothing but guest_ceil, summed over them.", labels);
}

}  // namespace

AgentMetrics::AgentMetrics(Metrics* metrics, const std::vector<std::string>& classes) {
  for (const std::string& name : classes) classes_.push_back(std::make_unique<ClassCounters>(name));
  Export(metrics);
}

ClassCounters* AgentMetrics::of_class(const std::string& name) {
  const auto of = std::find_if(classes_.begin(), classes_.end(),
                               [&](const auto& one) { return one->class_name == name; });
  assert(of != classes_.end());
  return of->get();
}

void AgentMetrics::Export(Metrics* metrics) {
  metrics
      ->AddGauge("entropyd_agent_build_info", "Always 1; the version is a label.",
                 {{"version", ENTROPYD_VERSION}})
      ->Set(1);
  Series series(metrics);
  series.Gauge(&memory_locked, "entropyd_agent_memory_locked",
               "1 while all secrets are locked in memory.");
  series.Gauge(&reload_failed, "entropyd_agent_config_reload_failed",
               "1 after a reload that failed: the configuration on disk is not the one in use.");
  series.Gauge(
      &waiting_listeners, "entropyd_agent_waiting_listeners",
      "Listeners by which nobody can come in: this machine does not have their address, or "
      "their file is lost and was not made anew.");
  series.Total(
      &lost_sockets, "entropyd_agent_lost_sockets_total",
      "Socket files and pipes that somebody removed or replaced; the agent makes them anew.");
  ExportTurns(turns, &series);
  ExportConnections(connections, &series);
  ExportIdentity(identity, &series);
  ExportKernelFeed(kernel_feed, &series);
  for (const std::unique_ptr<ClassCounters>& c : classes_) {
    ExportBuffer(*c, &series);
    ExportFallback(*c, &series);
    ExportPhases(*c, &series);
    ExportGuests(*c, &series);
  }
  refresher_ = metrics->AddRefresher([series = std::move(series)] { series.Refresh(); });
}

}  // namespace entropyd
