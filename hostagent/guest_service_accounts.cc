// What the guests of an agent have had.
#include <map>
#include <utility>

#include "hostagent/guest_service.h"

namespace entropyd {
namespace {

double Seconds(int64_t nanos) { return static_cast<double>(nanos) / 1e9; }

}  // namespace

GuestAccounts::Key GuestService::KeyOf(const Connection& guest) {
  return {guest.identity().name, guest.identity().uuid, guest.class_index()};
}

void GuestService::MeasureRates() {
  const double seconds = Seconds(loop_->now_nanos() - rated_at_);
  if (seconds <= 0) return;
  rated_at_ = loop_->now_nanos();
  for (const auto& [id, guest] : guests_) guest->MeasureRate(seconds);
  for (const std::unique_ptr<Feed>& feed : feeds_) feed->MeasureRate(seconds);
  for (const std::unique_ptr<ServedClass>& c : classes_) {
    const uint64_t bytes = c->counters->delivered_bytes.Get();
    c->rate = AverageRate(c->rate, bytes - c->rated_bytes, seconds);
    c->rated_bytes = bytes;
  }
}

void GuestService::FillGuests(v1::ListGuestsResponse* response) const {
  for (const auto& [id, guest] : guests_) {
    const Connection::Options& options = guest->options();
    const GuestIdentity& identity = guest->identity();
    const GuestTotals totals = guest->totals();
    v1::Guest* out = response->add_guest();
    out->set_id(id);
    out->set_name(identity.name.empty() ? options.peer.program : identity.name);
    out->set_uuid(identity.uuid);
    out->set_identified_by(std::string(IdentitySourceName(identity.source)));
    out->set_program(options.peer.program);
    out->set_pid(options.peer.pid);
    out->set_class_(settings_.classes[guest->class_index()].name);
    out->set_listener(settings_.listeners[options.listener].path);
    out->set_connected_seconds(Seconds(loop_->now_nanos() - guest->connected_at_nanos()));
    out->set_delivered(totals.delivered);
    out->set_requests(totals.requests);
    out->set_owed(guest->session().owed());
    out->set_primed(totals.primed);
    out->set_qemu(options.peer.qemu);
    out->set_rate(guest->rate());
    out->set_wait_p50_seconds(WaitQuantile(totals.waits, 0.5));
    out->set_wait_p99_seconds(WaitQuantile(totals.waits, 0.99));
    out->set_throttled_seconds(Seconds(totals.throttled_nanos));
    out->set_class_refused(ClassRefused(*guest));
  }
  for (const std::unique_ptr<Feed>& feed : feeds_) {
    if (feed->id() == 0) continue;  // not started
    const GuestTotals totals = feed->totals();
    v1::Guest* out = response->add_guest();
    out->set_id(feed->id());
    out->set_name(feed->name());
    out->set_class_(settings_.classes[feed->class_index()].name);
    out->set_listener(feed->name());
    out->set_connected_seconds(Seconds(loop_->now_nanos() - feed->started_at_nanos()));
    out->set_delivered(totals.delivered);
    out->set_owed(feed->owed());
    out->set_rate(feed->rate());
    out->set_throttled_seconds(Seconds(totals.throttled_nanos));
  }
}

std::vector<GuestSeries> GuestService::Series() const {
  std::map<GuestAccounts::Key, GuestSeries> by_key;
  for (const auto& [key, account] : accounts_.all()) {
    GuestSeries& series = by_key[key];
    series.name = key.name;
    series.uuid = key.uuid;
    series.class_name = settings_.classes[key.class_index].name;
    series.connections = account.connections;
    series.totals = account.departed;
  }
  for (const auto& [id, guest] : guests_) {
    GuestSeries& series = by_key[KeyOf(*guest)];
    series.owed += guest->session().owed();
    series.totals += guest->totals_here();
  }
  for (const std::unique_ptr<Feed>& feed : feeds_) {
    if (feed->id() == 0) continue;
    GuestSeries& series = by_key[KeyOf(*feed)];
    series.owed += feed->owed();
    series.totals += feed->totals();
  }
  std::vector<GuestSeries> all;
  for (auto& [key, series] : by_key) all.push_back(std::move(series));
  return all;
}

}  // namespace entropyd
