#include "hostagent/guest_service.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace entropyd {
namespace {

// Refused connections come in crowds, and one line tells as much as a thousand.
constexpr int64_t kRefusalLogNanos = 10'000'000'000;

// A DRBG that fails its known answers is not to serve anybody: the agent does not start with it.
absl::StatusOr<std::shared_ptr<const SeedProvider>> TestedProvider() {
  auto provider = SeedProvider::Create();
  if (!provider.ok()) return provider.status();
  if (auto status = CtrDrbg::SelfTest(provider->get()); !status.ok()) return status;
  return std::shared_ptr<const SeedProvider>(*std::move(provider));
}

}  // namespace

size_t GuestService::ArenaBytes(const AgentSettings& settings) {
  // The staging area, and for every guest what a full socket may leave behind.
  size_t bytes = (size_t{settings.max_guests} + 1) * Connection::kStagingBytes;
  for (const AgentSettings::Class& c : settings.classes)
    bytes += ClassBuffer::ArenaBytes(c.buffer_bytes) + LocalFallback::kArenaBytes;
  // Twice what is asked for, against fragmentation: it is address space, and locked only when used.
  return 2 * bytes;
}

absl::StatusOr<std::unique_ptr<GuestService>> GuestService::Create(const AgentSettings& settings,
                                                                   EventLoop* loop,
                                                                   SecretArena* arena, Log* log,
                                                                   AgentMetrics* metrics) {
  auto staging = arena->Allocate(Connection::kStagingBytes);
  if (!staging.ok()) return staging.status();
  std::unique_ptr<GuestService> service(
      new GuestService(settings, loop, arena, log, metrics, *std::move(staging)));
  std::shared_ptr<const SeedProvider> provider;
  for (size_t i = 0; i < settings.classes.size(); ++i) {
    const AgentSettings::Class& config = settings.classes[i];
    auto inner = ClassBuffer::Create({config.name, config.buffer_bytes, config.max_age_nanos},
                                     arena, loop->clock());
    if (!inner.ok()) return inner.status();
    LocalFallback::Options survival;
    survival.local = config.on_upstream_loss == "local";
    if (survival.local && provider == nullptr) {
      auto created = TestedProvider();
      if (!created.ok()) return created.status();
      provider = *std::move(created);
    }
    survival.provider = provider;
    auto buffer =
        LocalFallback::Create(*std::move(inner), std::move(survival), arena, loop->clock(), log);
    if (!buffer.ok()) return buffer.status();
    auto c = std::make_unique<ServedClass>();
    c->buffer = *std::move(buffer);
    c->tree = std::make_unique<FairQueue>(c->buffer.get(), config.guest_ceil);
    c->counters = metrics->of_class(i);
    c->counters->buffer_size.Set(c->buffer->size());
    service->classes_.push_back(std::move(c));
  }
  return service;
}

GuestService::GuestService(const AgentSettings& settings, EventLoop* loop, SecretArena* arena,
                           Log* log, AgentMetrics* metrics, SecretBytes staging)
    : settings_(settings),
      loop_(loop),
      log_(log),
      metrics_(metrics),
      staging_(std::move(staging)),
      input_(Connection::kInputBytes),
      rated_at_(loop->now_nanos()),
      connections_(settings.listeners.size(), 0),
      refusal_logged_at_(loop->now_nanos() - kRefusalLogNanos) {
  host_.loop = loop;
  host_.arena = arena;
  host_.log = log;
  host_.staging = staging_.span();
  host_.input = absl::MakeSpan(input_);
  host_.replies = &replies_;
  host_.closed = [this](Connection* guest) { Closed(guest); };
  host_.unidentified = [this](Connection* guest) {
    metrics_->identity_timeouts.Add(1);
    Unidentified(guest);
  };
}

GuestService::~GuestService() {
  host_.closed = [](Connection*) {};
  guests_.clear();
  feeds_.clear();
  for (const std::unique_ptr<ServedClass>& c : classes_) loop_->CancelTimer(c->timer);
}

std::vector<LocalFallback*> GuestService::local_fallbacks() const {
  std::vector<LocalFallback*> buffers;
  for (const std::unique_ptr<ServedClass>& c : classes_) buffers.push_back(c->buffer.get());
  return buffers;
}

std::vector<ClassBuffer*> GuestService::buffers() const {
  std::vector<ClassBuffer*> buffers;
  for (const std::unique_ptr<ServedClass>& c : classes_) buffers.push_back(c->buffer.get());
  return buffers;
}

absl::Status GuestService::Inherit(std::vector<UniqueFd> sockets) {
  listeners_.resize(settings_.listeners.size());
  for (UniqueFd& socket : sockets) {
    auto path = SocketPath(socket.get());
    if (!path.ok()) return path.status();
    if (std::none_of(settings_.listeners.begin(), settings_.listeners.end(),
                     [&](const auto& one) { return one.path == *path; })) {
      return absl::InvalidArgumentError(
          absl::StrCat("inherit ", *path,
                       ": no listener of the configuration has this path; add one, or remove "
                       "ListenStream=",
                       *path, " from the socket unit"));
    }
    activated_.insert(*path);
    if (auto status = AdoptListener(*path, std::move(socket)); !status.ok()) return status;
    log_->Info("listener.inherited", {{"path", *path}});
  }
  return absl::OkStatus();
}

absl::Status GuestService::Listen() {
  absl::Status status = OpenListeners();
  if (status.ok()) status = OpenFeeds();
  for (size_t i = 0; i < feeds_.size() && status.ok(); ++i) status = StartFeed(feeds_[i].get());
  if (!status.ok()) StopListening();
  return status;
}

absl::Status GuestService::OpenListeners() {
  listeners_.resize(settings_.listeners.size());
  for (size_t i = 0; i < settings_.listeners.size(); ++i) {
    const AgentSettings::Socket& place = settings_.listeners[i];
    if (listeners_[i] != nullptr || place.path.empty() || !place.fifo.empty()) continue;
    if (auto status = OpenListener(i); !status.ok()) {
      if (!settings_.listeners[i].guest.empty()) {  // one guest's trouble is not everybody's
        log_->Error("guest_socket.closed", {{"guest", settings_.listeners[i].guest},
                                            {"reason", status},
                                            {"remedy", "remove it and add it anew"}});
        continue;
      }
      return status;
    }
  }
  return absl::OkStatus();
}

absl::Status GuestService::OpenListener(size_t index) {
  const AgentSettings::Socket& socket = settings_.listeners[index];
  const auto failed = [this](const absl::Status& why) { AcceptFailed(why); };
  auto listener = socket.tcp ? Listener::CreateTcp(socket.path, loop_, AcceptOn(index), failed)
                             : Listener::Create({socket.path, socket.mode, socket.group}, loop_,
                                                AcceptOn(index), failed);
  if (!listener.ok()) return listener.status();
  listeners_[index] = *std::move(listener);
  log_->Info("listener.opened", {{"path", socket.path},
                                 {"class", settings_.classes[socket.class_index].name},
                                 {"clients", socket.clients_name}});
  return absl::OkStatus();
}

Listener::Accept GuestService::AcceptOn(size_t listener) {
  return [this, listener](UniqueFd connection) {
    if (settings_.listeners[listener].tcp) {
      // Replies are whole; nothing is gained by holding one back for the next.
      const int on = 1;
      setsockopt(connection.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    Accept(listener, std::move(connection));
  };
}

void GuestService::StopListening() {
  listeners_.clear();
  for (const std::unique_ptr<Feed>& feed : feeds_) {
    if (feed->id() != 0) accounts_.Leave(KeyOf(*feed), feed->totals());
  }
  feeds_.clear();
}

void GuestService::Accept(size_t listener, UniqueFd socket) {
  if (guests_.size() >= settings_.max_guests) {
    metrics_->refused_guests.Add(1);
    if (loop_->now_nanos() - refusal_logged_at_ >= kRefusalLogNanos) {
      refusal_logged_at_ = loop_->now_nanos();
      log_->Warning("guest.refused", {{"listener", settings_.listeners[listener].path},
                                      {"max_guests", settings_.max_guests},
                                      {"remedy", "raise max_guests"}});
    }
    return;
  }
  auto peer = IdentifyPeer(socket.get());
  const AgentSettings::Socket& from = settings_.listeners[listener];
  Connection::Options options;
  options.id = next_guest_++;
  options.listener = listener;
  if (peer.ok()) options.peer = *peer;
  options.prime = from.clients == config::v1::CLIENTS_QEMU ||
                  (from.clients == config::v1::CLIENTS_AUTO && options.peer.qemu);
  const bool ask = Identifies(listener);
  PeerPin pin;
  if (ask) pin = PinPeer(socket.get());
  auto owned = MakeGuest(options, std::move(socket), from.class_index);
  Connection* const guest = owned.get();
  if (ask) guest->Hold();
  if (!from.guest.empty()) guest->Identify({IdentitySource::kSocket, from.guest, "", "", ""}, 0);
  guests_.emplace(options.id, std::move(owned));
  ++connections_[listener];
  accounts_.Join(KeyOf(*guest));
  // Start() may close it already; then it waits in closed_ to be destroyed.
  if (auto status = guest->Start(); !status.ok()) {
    AcceptFailed(status);
    Closed(guest);
  } else if (ask && !guest->closed()) {
    Ask(*guest, std::move(pin));
  }
}

GuestClass GuestService::ClassOf(size_t class_index) {
  ServedClass& c = *classes_[class_index];
  return {class_index, c.tree.get(), c.counters, &c.completed, &c.completed_by};
}

std::unique_ptr<Connection> GuestService::MakeGuest(Connection::Options options, UniqueFd socket,
                                                    size_t class_index) {
  return std::make_unique<Connection>(std::move(options), std::move(socket), &host_,
                                      ClassOf(class_index));
}

void GuestService::Closed(Connection* guest) {
  auto found = guests_.find(guest->options().id);
  if (found == guests_.end()) return;
  --connections_[guest->options().listener];
  accounts_.Leave(KeyOf(*guest), guest->totals_here());
  closed_.push_back(std::move(found->second));
  guests_.erase(found);
}

void GuestService::AcceptFailed(const absl::Status& why) {
  metrics_->accept_failures.Add(1);
  log_->Error("listener.paused", {{"reason", why}, {"remedy", "raise LimitNOFILE or max_guests"}});
}

void GuestService::ServeClasses() {
  for (size_t i = 0; i < classes_.size(); ++i) {
    ServedClass& c = *classes_[i];
    if (c.due || c.tree->pending()) {
      Serve(i);
    } else if (!c.completed.empty()) {  // served at once
      ObserveWaits(&c);
      c.counters->buffer_level.Set(c.buffer->level());
    }
  }
  closed_.clear();
}

void GuestService::Serve(size_t class_index) {
  ServedClass& c = *classes_[class_index];
  c.due = false;
  c.tree->Serve(loop_->now_nanos());
  ObserveWaits(&c);
  const uint32_t guests = c.tree->guests() + c.expected_guests;
  const uint32_t waiting = c.tree->waiting_guests() + c.expected_guests;
  c.buffer->SetDemand({.guests = guests,
                       .owed = c.tree->owed() + c.expected_bytes,
                       .waiting_guests = waiting,
                       .held_back = c.tree->held_back()});
  c.counters->guests.Set(c.tree->guests());
  c.counters->owed_bytes.Set(c.tree->owed());
  c.counters->buffer_level.Set(c.buffer->level());
  c.counters->throttled_nanos.Set(c.throttled_before +
                                  static_cast<uint64_t>(c.tree->throttled_nanos()));
  if (demand_changed_ &&
      (!c.buffer->Spares(0) || guests != c.guests_told || waiting != c.waiting_told)) {
    c.guests_told = guests;
    c.waiting_told = waiting;
    demand_changed_(class_index);
  }
  c.counters->buffer_target.Set(c.buffer->target());
  ScheduleCeiling(class_index);
}

void GuestService::ObserveWaits(ServedClass* c) {
  if (c->completed.empty()) return;
  const int64_t now = loop_->clock()->NowNanos();
  for (size_t i = 0; i < c->completed.size(); ++i) {
    const int64_t wait = now - c->completed[i];
    const size_t bucket = WaitBucket(wait);
    c->counters->waits[bucket].Add(1);
    c->counters->wait_sum_nanos.Add(static_cast<uint64_t>(wait));
    c->completed_by[i]->ObserveWait(bucket, wait);
  }
  c->completed.clear();
  c->completed_by.clear();
}

void GuestService::ScheduleCeiling(size_t class_index) {
  ServedClass& c = *classes_[class_index];
  if (!c.tree->has_ceil()) return;
  const absl::optional<int64_t> next = c.tree->NextEventNanos();
  // What is due already waits for bytes, not for tokens: an arrival serves it.
  const int64_t at = next.has_value() && *next > loop_->now_nanos() ? *next : 0;
  if (c.timer.first == at) return;
  loop_->CancelTimer(c.timer);
  c.timer = EventLoop::kNoTimer;
  if (at == 0) return;
  c.timer = loop_->AddTimer(at, [this, class_index] {
    classes_[class_index]->timer = EventLoop::kNoTimer;
    classes_[class_index]->due = true;
  });
}

void GuestService::Tick() {
  for (const std::unique_ptr<ServedClass>& c : classes_) {
    c->buffer->Tick();
    c->due = true;
  }
  MeasureRates();
}

bool GuestService::undelivered() const {
  return std::any_of(guests_.begin(), guests_.end(),
                     [](const auto& entry) { return entry.second->undelivered(); });
}

void GuestService::FillStatus(v1::GetStatusResponse* status) const {
  for (size_t i = 0; i < classes_.size(); ++i) {
    const ServedClass& c = *classes_[i];
    v1::GetStatusResponse::ClassStatus* out = status->add_class_();
    uint64_t requests = 0;
    for (const LoopNumber& n : c.counters->requests) requests += n.Get();
    out->set_class_(c.buffer->class_name());
    out->set_buffer_level(c.buffer->level());
    out->set_buffer_target(c.buffer->target());
    out->set_buffer_size(c.buffer->size());
    out->set_guests(c.tree->guests());
    out->set_owed(c.tree->owed());
    out->set_delivered(c.counters->delivered_bytes.Get());
    out->set_requests(requests);
    std::array<uint64_t, kWaitBuckets> waits;
    for (size_t b = 0; b < waits.size(); ++b) waits[b] = c.counters->waits[b].Get();
    out->set_delivered_rate(c.rate);
    out->set_wait_p50_seconds(WaitQuantile(waits, 0.5));
    out->set_wait_p99_seconds(WaitQuantile(waits, 0.99));
    out->set_throttled_seconds(static_cast<double>(c.counters->throttled_nanos.Get()) / 1e9);
    out->set_on_upstream_loss(settings_.classes[i].on_upstream_loss);
  }
  for (size_t i = 0; i < settings_.listeners.size(); ++i) {
    if (settings_.listeners[i].path.empty()) continue;
    v1::GetStatusResponse::ListenerStatus* out = status->add_listener();
    out->set_path(settings_.listeners[i].path);
    out->set_class_(settings_.classes[settings_.listeners[i].class_index].name);
    out->set_clients(settings_.listeners[i].clients_name);
    out->set_connections(connections_[i]);
    out->set_guest(settings_.listeners[i].guest);
    out->set_identify(settings_.listeners[i].identify_name);
  }
}

}  // namespace entropyd
