#include "hostagent/served_host.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/crypto/drbg.h"
#include "base/crypto/seed_provider.h"
#include "base/process/nanos.h"

namespace entropyd {
namespace {

// A DRBG that fails its known answers must not serve anybody. The agent does not start with it.
absl::StatusOr<std::shared_ptr<const SeedProvider>> TestedProvider() {
  auto provider = SeedProvider::Create();
  if (!provider.ok()) return provider.status();
  if (auto status = CtrDrbg::SelfTest(provider->get()); !status.ok()) return status;
  return std::shared_ptr<const SeedProvider>(*std::move(provider));
}

std::vector<std::string> ClassNames(const AgentSettings& settings) {
  std::vector<std::string> names;
  for (const ClassSettings& c : settings.classes) names.push_back(c.name);
  return names;
}

Feeds::Options FeedsOf(const AgentSettings& settings, AgentMetrics* metrics) {
  Feeds::Options feeds;
  for (const EndpointSettings& socket : settings.listeners) {
    if (socket.fifo.empty()) continue;
    const std::string group =
        socket.group_id.has_value() ? absl::StrCat(*socket.group_id) : socket.group;
    feeds.pipes.push_back({{socket.fifo, socket.mode, group}, socket.class_index});
  }
  if (!settings.kernel_feed.has_value()) return feeds;
  const AgentSettings::KernelFeed& wanted = *settings.kernel_feed;
  Feeds::Options::Kernel& kernel = feeds.kernel.emplace();
  kernel.feed.bytes = wanted.bytes;
  kernel.feed.every_nanos = wanted.every_nanos;
  kernel.feed.credit_bits = wanted.credit_bits;
  kernel.class_index = wanted.class_index;
  kernel.counters = &metrics->kernel_feed;
  return feeds;
}

}  // namespace

size_t ServedHost::ArenaBytes(const AgentSettings& settings) {
  size_t bytes = Connections::ArenaBytes(settings.max_guests);
  for (const ClassSettings& c : settings.classes) bytes += c.ArenaBytes();
  // Twice what is needed, because of fragmentation. It is address space, which is locked only when
  // used.
  return 2 * bytes;
}

absl::StatusOr<std::unique_ptr<ServedHost>> ServedHost::Create(const AgentSettings& settings,
                                                               EventLoop* loop, SecretArena* arena,
                                                               Log* log, AgentMetrics* metrics) {
  std::unique_ptr<ServedHost> host(new ServedHost(settings, loop, log, metrics));
  if (auto status = host->MakeClasses(settings, arena, log, metrics); !status.ok()) return status;
  Connections::Parts parts;
  parts.classes = host->classes();
  parts.endpoints = host->endpoints_.get();
  parts.assignment = &host->assignment_;
  parts.accounts = &host->accounts_;
  parts.counters = &metrics->connections;
  parts.loop = loop;
  parts.arena = arena;
  parts.log = log;
  auto connections =
      Connections::Create(parts, settings.max_guests, settings.max_connections_per_guest);
  if (!connections.ok()) return connections.status();
  host->connections_ = *std::move(connections);
  host->PutTogether(settings, metrics);
  return host;
}

ServedHost::ServedHost(const AgentSettings& settings, EventLoop* loop, Log* log,
                       AgentMetrics* metrics)
    : loop_(loop),
      log_(log),
      metrics_(metrics),
      assignment_(ClassNames(settings), log, &metrics->identity),
      next_(loop, [] {}),
      look_(loop, [this] { LookForLost(); }),
      rated_at_(loop->now_nanos()) {
  Endpoints::Options options;
  options.configured = settings.listeners;
  options.classes = ClassNames(settings);
  options.guest_socket_dir = settings.guest_socket_dir;
  options.most_guest_sockets = settings.max_guests;
  endpoints_ = std::make_unique<Endpoints>(
      std::move(options), loop, log,
      [this](Endpoints::Id endpoint, UniqueFd socket) {
        connections_->Accept(endpoint, std::move(socket));
      },
      [this](const absl::Status& why) { connections_->AcceptFailed(why); });
}

absl::Status ServedHost::StartIdentities(const AgentSettings& settings,
                                         const std::string& libvirt_dir) {
  const bool wanted = std::any_of(
      settings.listeners.begin(), settings.listeners.end(),
      [](const auto& listener) { return listener.identify != config::v1::IDENTIFY_NONE; });
  if (!wanted) return absl::OkStatus();
  news_wanted_ = std::make_shared<const bool>(true);
  auto identities = IdentityThread::Start(
      libvirt_dir,
      [this,
       wanted_still = std::weak_ptr<const bool>(news_wanted_)](std::vector<IdentityNews> news) {
        loop_->Post([this, wanted_still, news = std::move(news)] {
          if (!wanted_still.expired()) connections_->OnIdentities(news);
        });
      },
      log_);
  if (!identities.ok()) return identities.status();
  identities_ = *std::move(identities);
  assignment_.SetIdentifier(identities_.get());
  return absl::OkStatus();
}

void ServedHost::StopIdentities() {
  assignment_.SetIdentifier(nullptr);
  identities_.reset();
  news_wanted_.reset();
}

absl::Status ServedHost::MakeClasses(const AgentSettings& settings, SecretArena* arena, Log* log,
                                     AgentMetrics* metrics) {
  std::shared_ptr<const SeedProvider> provider;
  for (const ClassSettings& wanted : settings.classes) {
    if (wanted.on_upstream_loss == OnUpstreamLoss::kLocal && provider == nullptr) {
      auto tested = TestedProvider();
      if (!tested.ok()) return tested.status();
      provider = *std::move(tested);
    }
    auto served = ServedClass::Create(wanted, provider, metrics->of_class(wanted.name), arena,
                                      loop_->clock(), log);
    if (!served.ok()) return served.status();
    classes_.push_back(*std::move(served));
  }
  return absl::OkStatus();
}

void ServedHost::PutTogether(const AgentSettings& settings, AgentMetrics* metrics) {
  feeds_ = std::make_unique<Feeds>(connections_.get(), classes(), &accounts_);
  feeds_wanted_ = FeedsOf(settings, metrics);
  SavedState::Parts saved;
  saved.classes = classes();
  saved.endpoints = endpoints_.get();
  saved.connections = connections_.get();
  saved.feeds = feeds_.get();
  saved.feeds_wanted = feeds_wanted_;
  saved.accounts = &accounts_;
  saved.assignment = &assignment_;
  saved.counters = &metrics->connections;
  saved.loop = loop_;
  state_.emplace(std::move(saved));
  AgentStatus::Parts asked;
  asked.classes = classes();
  asked.endpoints = endpoints_.get();
  asked.connections = connections_.get();
  asked.feeds = feeds_.get();
  asked.accounts = &accounts_;
  asked.assignment = &assignment_;
  asked.loop = loop_;
  status_.emplace(std::move(asked));
}

std::vector<ServedClass*> ServedHost::classes() const {
  std::vector<ServedClass*> classes;
  for (const std::unique_ptr<ServedClass>& served : classes_) classes.push_back(served.get());
  return classes;
}

std::vector<FilledClass*> ServedHost::filled() const {
  std::vector<FilledClass*> filled;
  for (const std::unique_ptr<ServedClass>& served : classes_) filled.push_back(served.get());
  return filled;
}

absl::Status ServedHost::Listen() {
  absl::Status status = endpoints_->OpenOrWait();
  if (status.ok()) status = feeds_->OpenOrWait(feeds_wanted_);
  if (status.ok()) status = feeds_->Start();
  CountWaiting();
  if (!status.ok()) StopListening();
  return status;
}

void ServedHost::StopListening() {
  endpoints_->Close();
  feeds_->Close();
}

void ServedHost::SetCloneGuard(std::unique_ptr<CloneGuard> guard) {
  for (const std::unique_ptr<ServedClass>& served : classes_) served->SetCloneGuard(guard.get());
  guard_ = std::move(guard);
  resumes_ = guard_ == nullptr ? 0 : guard_->known_resumes();
}

void ServedHost::Serve() {
  const int64_t now = loop_->now_nanos();
  uint32_t busy = 0;
  for (const std::unique_ptr<ServedClass>& served : classes_) busy += served->HasWork(now);
  for (const std::unique_ptr<ServedClass>& served : classes_) {
    served->Serve(now, std::max(busy, 1u));
  }
  connections_->DestroyClosed();
  int64_t next = kNever;
  for (const std::unique_ptr<ServedClass>& served : classes_) {
    next = std::min(next, served->next_nanos());
    if (served->queue()->unfinished() || served->HasWork(now)) loop_->TurnAgain();
  }
  next_.Set(next);
  EndTurn();
}

// What one class has seen all classes see in the same turn: upstream begins one new stream, and not
// one for each of them, which would drop what the one before has brought.
void ServedHost::EndTurn() {
  if (guard_ == nullptr) return;
  if (guard_->known_resumes() != resumes_) {
    resumes_ = guard_->known_resumes();
    for (const std::unique_ptr<ServedClass>& served : classes_) served->LookForResume();
  }
  guard_->EndTurn();
}

void ServedHost::Tick() {
  const int64_t now = loop_->now_nanos();
  for (const std::unique_ptr<ServedClass>& served : classes_) served->Tick(now);
  const double seconds = ToSeconds(now - rated_at_);
  rated_at_ = now;
  connections_->MeasureRates(seconds);
  connections_->ForgetGuests(now);
  accounts_.Forget(now);
  feeds_->MeasureRates(seconds);
  endpoints_->OpenWaiting();
  feeds_->OpenWaiting();
  metrics_->lost_sockets.Add(feeds_->MakeLostAnew());
  LookForLost();
}

void ServedHost::CountWaiting() {
  metrics_->waiting_listeners.Set(endpoints_->waiting() + feeds_->waiting());
}

void ServedHost::LookForLost() {
  metrics_->lost_sockets.Add(endpoints_->MakeLostAnew());
  CountWaiting();
  if (endpoints_->more_to_look_at()) look_.Set(loop_->now_nanos() + kMillisecondNanos);
}

absl::StatusOr<config::v1::GuestSocket> ServedHost::RemoveGuestSocket(const std::string& name) {
  auto removed = endpoints_->Remove(name);
  if (!removed.ok()) return removed.status();
  connections_->CloseFrom(removed->id, "its socket was removed");
  return removed->socket;
}

}  // namespace entropyd
