#include "hostagent/control/status.h"

#include <array>
#include <map>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/process/nanos.h"
#include "hostagent/guest/guest_key.h"

namespace entropyd {

namespace {

// A peer that came by TCP, or is in another pid namespace, has no program that can be seen.
std::string ShownName(const GuestIdentity& identity, const Peer& peer) {
  if (identity.name.empty() && !peer.program.empty()) return peer.program;
  return GuestKey::Of(identity, peer).text();
}

}  // namespace

void AgentStatus::Fill(v1::GetStatusResponse* status) const {
  for (const ServedClass* served : parts_.classes) FillClass(*served, status->add_class_());
  for (Endpoints::Id id : parts_.endpoints->ids()) {
    const EndpointSettings& endpoint = parts_.endpoints->settings(id);
    v1::GetStatusResponse::ListenerStatus* out = status->add_listener();
    out->set_path(endpoint.path);
    out->set_class_(parts_.classes[endpoint.class_index]->name());
    out->set_clients(ClientsWord(endpoint.clients));
    out->set_connections(parts_.connections->count(id));
    out->set_guest(endpoint.guest);
    out->set_identify(IdentifyWord(endpoint.identify));
    const absl::Status problem = endpoint.fifo.empty() ? parts_.endpoints->problem(id)
                                                       : parts_.feeds->problem(endpoint.fifo);
    out->set_problem(std::string(problem.message()));
  }
}

void AgentStatus::FillClass(const ServedClass& served,
                            v1::GetStatusResponse::ClassStatus* out) const {
  const ClassCounters& counters = *served.counters();
  const LocalFallback& fallback = served.fallback();
  const LocalFallback::Report report = fallback.report();
  uint64_t requests = 0;
  for (const LoopNumber& n : counters.requests) requests += n.Get();
  std::array<uint64_t, kWaitBuckets> waits;
  for (size_t b = 0; b < waits.size(); ++b) waits[b] = counters.waits[b].Get();
  out->set_class_(served.name());
  out->set_buffer_level(fallback.level());
  out->set_buffer_target(fallback.target());
  out->set_buffer_size(fallback.size());
  out->set_guests(served.queue().connections());
  out->set_owed(served.queue().owed());
  out->set_delivered(counters.delivered_bytes.Get());
  out->set_requests(requests);
  out->set_delivered_rate(served.rate());
  out->set_wait_p50_seconds(WaitQuantile(waits, 0.5));
  out->set_wait_p99_seconds(WaitQuantile(waits, 0.99));
  out->set_throttled_seconds(ToSeconds(static_cast<int64_t>(counters.throttled_nanos.Get())));
  out->set_on_upstream_loss(OnUpstreamLossWord(served.settings().on_upstream_loss));
  out->set_mode(std::string(ClassModeName(fallback.mode())));
  out->set_mode_seconds(ToSeconds(parts_.loop->clock()->NowNanos() - report.mode_since_nanos));
  out->set_local_bytes(report.local_bytes);
  out->set_local_ready(report.local_ready);
  out->set_local_refused(report.local_refused);
}

void AgentStatus::FillGuests(v1::ListGuestsResponse* response) const {
  for (const auto& [id, connection] : parts_.connections->all()) {
    FillConnection(*connection, response->add_guest());
  }
  for (const Feed* const feed : parts_.feeds->all()) {
    if (feed->id() != 0) FillFeed(*feed, response->add_guest());  // else it has not started
  }
}

void AgentStatus::FillConnection(const Connection& connection, v1::Guest* out) const {
  const Connection::Options& options = connection.options();
  const GuestIdentity& identity = connection.who().identity();
  const GuestTotals totals = connection.totals();
  const ServedClass& served = *connection.served_class();
  out->set_id(options.id);
  out->set_name(ShownName(identity, options.peer));
  out->set_uuid(identity.uuid);
  out->set_identified_by(std::string(IdentitySourceName(identity.source)));
  out->set_program(options.peer.program);
  out->set_pid(options.peer.pid);
  out->set_class_(served.name());
  out->set_class_mode(std::string(ClassModeName(served.fallback().mode())));
  out->set_listener(parts_.endpoints->settings(options.endpoint).path);
  out->set_connected_seconds(ToSeconds(parts_.loop->now_nanos() - options.connected_at_nanos));
  out->set_delivered(totals.delivered);
  out->set_requests(totals.requests);
  out->set_owed(connection.session().owed());
  out->set_primed(totals.primed);
  out->set_qemu(options.peer.qemu);
  out->set_rate(connection.rate());
  out->set_wait_p50_seconds(WaitQuantile(totals.waits, 0.5));
  out->set_wait_p99_seconds(WaitQuantile(totals.waits, 0.99));
  out->set_throttled_seconds(ToSeconds(totals.throttled_nanos));
  out->set_class_refused(ClassAssignment::NotGiven(identity, served.name()));
}

void AgentStatus::FillFeed(const Feed& feed, v1::Guest* out) const {
  const GuestTotals totals = feed.totals();
  out->set_id(feed.id());
  out->set_name(feed.name());
  out->set_class_(feed.served_class()->name());
  out->set_class_mode(std::string(ClassModeName(feed.served_class()->fallback().mode())));
  out->set_listener(feed.name());
  out->set_connected_seconds(ToSeconds(parts_.loop->now_nanos() - feed.started_at_nanos()));
  out->set_delivered(totals.delivered);
  out->set_owed(feed.owed());
  out->set_rate(feed.rate());
  out->set_throttled_seconds(ToSeconds(totals.throttled_nanos));
}

std::string AgentStatus::Modes() const {
  std::string text;
  for (const ServedClass* served : parts_.classes) {
    const LocalFallback::Mode mode = served->fallback().mode();
    if (mode == LocalFallback::Mode::kUpstream) continue;
    absl::StrAppend(&text, "; ", served->name(), " ", ClassModeName(mode));
  }
  return text;
}

std::vector<GuestSeries> AgentStatus::Series() const {
  std::map<GuestAccounts::Key, GuestSeries> by_key;
  for (const auto& [key, account] : parts_.accounts->all()) {
    GuestSeries& series = by_key[key];
    series.name = key.guest.name;
    series.uuid = key.guest.uuid;
    series.class_name = key.class_name;
    series.connections = account.connections;
    series.totals = account.departed;
  }
  for (const auto& [id, connection] : parts_.connections->all()) {
    GuestSeries& series = by_key[connection->account()];
    series.owed += connection->session().owed();
    series.totals += connection->totals_here();
  }
  for (const Feed* const feed : parts_.feeds->all()) {
    if (feed->id() == 0) continue;
    GuestSeries& series = by_key[feed->account()];
    series.owed += feed->owed();
    series.totals += feed->totals();
  }
  std::vector<GuestSeries> all;
  all.reserve(by_key.size());
  for (auto& [key, series] : by_key) all.push_back(std::move(series));
  return all;
}

}  // namespace entropyd
