#include "hostagent/upstream/upstream.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/process/fd.h"
#include "base/process/nanos.h"
#include "base/wire/attach_limits.h"
#include "base/wire/connection_remedy.h"
#include "hostagent/upstream/attachment.h"
#include "hostagent/upstream/rendezvous.h"
#include "hostagent/upstream/server_choice.h"
#include "hostagent/upstream/stream_ends.h"

namespace entropyd {
namespace {

// Messages handled in one turn. Then guests are served.
constexpr int kMessagesPerTurn = 4;
// From the dial to the Welcome. gRPC gives up connecting after 20 s. If it takes longer, the server
// accepts and says nothing.
constexpr int64_t kAttachTimeout = 22 * kSecondNanos;
// From Close to CLOSED, and from CLOSED to the stream's end.
constexpr int64_t kLeaveTimeout = 1 * kSecondNanos;
// A server that drains tells all its agents at once. Each agent waits a random part of this time
// before it moves. So the next server sees 10,000 handshakes in 5 s and not in 1 s.
constexpr int64_t kDrainSpread = 5 * kSecondNanos;
// Servers that all drain without a deadline must not pass an agent around in a circle.
constexpr int64_t kShortestStay = 1 * kSecondNanos;

bool IsTooLate(const Attachment& attachment, int64_t now) {
  return !attachment.welcomed() && now >= attachment.started_nanos() + kAttachTimeout;
}

absl::Status TooLate(const Attachment& attachment) {
  return absl::UnavailableError(
      absl::StrCat("attach to ", attachment.server(), ": ",
                   attachment.connected() ? "connected, but no Welcome within " : kNoConnection,
                   kAttachTimeout / kSecondNanos, " s"));
}

// Of a server that did not accept us: says how far we came.
absl::Status WithStep(const absl::Status& why) {
  if (why.ok()) return why;
  return absl::Status(why.code(),
                      absl::StrCat(StepWord(StepOf(why.message())), ": ", why.message()));
}

class UpstreamImpl final : public Upstream {
 public:
  UpstreamImpl(const Options& options, const std::vector<FilledClass*>& classes, const Clock* clock,
               Log* log, Metrics* metrics, UniqueFd wake_fd);
  ~UpstreamImpl() override;

  int wake_fd() const override { return wake_fd_.get(); }
  void Process() override;
  int64_t next_deadline_nanos() const override;
  bool DeadlineMoved() override { return std::exchange(deadline_moved_, false); }
  void Suspend() override;
  void Resume() override;
  void CertificateRenewed() override;
  bool connected() const override { return current_ != nullptr && current_->welcomed(); }
  void FillStatus(v1::GetStatusResponse* status) const override;

 private:
  // What upstream is to one of the classes, whose filler it is.
  class Part final : public ClassFiller {
   public:
    Part(UpstreamImpl* upstream, size_t index) : upstream_(upstream), index_(index) {}
    void OnDemand() override { upstream_->OnDemand(index_); }
    void OnResume() override { upstream_->OnResume(); }

    // What the last attachment said of the class.
    v1::ChannelState last_state;
    absl::optional<UpstreamState> told;

   private:
    UpstreamImpl* const upstream_;
    const size_t index_;
  };

  void OnDemand(size_t i);
  void OnResume();
  void DropStreams();
  void Wake();
  void ClearWake();
  void Receive();
  void ReapEnded(int64_t now);
  void RunTimers(int64_t now);
  void PlanReplacement(int64_t now);
  void PromoteNext(int64_t now);
  void DialOne(int64_t now);
  void Ended(const Attachment& dead, const absl::Status& why, int64_t now);
  void Ended(const std::string& server, ServerChoice::Ending ending, int64_t started,
             const absl::Status& why, bool penalty, int64_t now);
  // Moves current_ out.
  std::unique_ptr<Attachment> ParkCurrent();
  void EndCurrent(const absl::Status& why, int64_t now);
  void EndNext(const absl::Status& why, int64_t now);
  void SendDue();
  bool DialIsDue(int64_t now) const;
  int64_t LostAt(size_t i) const;
  UpstreamState StateOf(size_t i) const;
  void TellState(size_t i);
  void TellStates();

  const UniqueFd wake_fd_;  // outlives the streams: their threads write to it
  const Clock* const clock_;
  Log* const log_;
  const StreamDial dial_;
  const size_t server_count_;
  // Its classes and parts_ have the same order.
  Attachment::Context context_;
  std::vector<Part> parts_;
  ServerChoice choice_;
  StreamEnds ends_;

  // current_ serves (or is being attached when there is nothing to serve from); next_ is being
  // attached to replace it; leaving_ was replaced and closes its channels.
  std::unique_ptr<Attachment> current_;
  std::unique_ptr<Attachment> next_;
  std::unique_ptr<Attachment> leaving_;

  bool processing_ = false;
  bool suspended_ = false;
  // The streams have to go.
  bool resumed_ = false;
  bool deadline_moved_ = true;
  bool announced_ = false;       // current_'s Welcome was noted
  int64_t replace_at_ = kNever;  // kNever = current_ stays
  size_t replace_attempts_ = 0;
  int64_t leave_deadline_ = kNever;
  uint64_t attached_ = 0;  // streams that were welcomed, ever
  int64_t lost_at_;        // when there last was a welcomed stream, or could have been
  std::string server_;     // dialled last
  absl::Status last_error_;

  Gauge* const connected_gauge_;
  Counter* const reconnects_;
};

std::vector<Attachment::Class> ClassesOf(const std::vector<FilledClass*>& filled,
                                         Metrics* metrics) {
  std::vector<Attachment::Class> classes;
  classes.reserve(filled.size());
  for (FilledClass* one : filled) {
    ClassBuffer* const buffer = one->buffer();
    classes.push_back(
        {one, buffer,
         metrics->AddCounter("entropyd_agent_upstream_received_bytes_total",
                             "Bytes that servers sent.", {{"class", buffer->class_name()}})});
  }
  return classes;
}

Counter* RefusedCounter(Metrics* metrics, const char* reason) {
  return metrics->AddCounter("entropyd_agent_upstream_refused_messages_total",
                             "Server messages refused as no correct server sends them.",
                             {{"reason", reason}});
}

UpstreamImpl::UpstreamImpl(const Options& options, const std::vector<FilledClass*>& classes,
                           const Clock* clock, Log* log, Metrics* metrics, UniqueFd wake_fd)
    : wake_fd_(std::move(wake_fd)),
      clock_(clock),
      log_(log),
      dial_(options.dial),
      server_count_(options.servers.size()),
      choice_(RendezvousOrder(options.host_id, options.servers), options.uniform),
      ends_(log, metrics),
      lost_at_(clock->NowNanos()),
      connected_gauge_(metrics->AddGauge("entropyd_agent_upstream_connected",
                                         "1 while the agent is attached to a server.")),
      reconnects_(metrics->AddCounter("entropyd_agent_upstream_reconnects_total",
                                      "Streams attached after the first.")) {
  context_.host_id = options.host_id;
  context_.uniform = options.uniform;
  context_.clock = clock;
  context_.log = log;
  context_.classes = ClassesOf(classes, metrics);
  context_.credit_lines = metrics->AddCounter("entropyd_agent_upstream_credit_lines_total",
                                              "Credit lines sent, bare acks included.");
  context_.refused_gap = RefusedCounter(metrics, "gap");
  context_.refused_excess = RefusedCounter(metrics, "excess");
  context_.refused_malformed = RefusedCounter(metrics, "malformed");
  server_ = choice_.Pick(clock->NowNanos(), "");
  parts_.reserve(classes.size());
  for (size_t i = 0; i < classes.size(); ++i) {
    parts_.emplace_back(this, i);
    classes[i]->SetFiller(&parts_[i]);
  }
}

UpstreamImpl::~UpstreamImpl() {
  for (const Attachment::Class& of : context_.classes) of.filled->SetFiller(nullptr);
}

void UpstreamImpl::Wake() { eventfd_write(wake_fd_.get(), 1); }

void UpstreamImpl::ClearWake() {
  eventfd_t ignored;
  eventfd_read(wake_fd_.get(), &ignored);
}

void UpstreamImpl::Process() {
  if (processing_) return;
  processing_ = true;
  deadline_moved_ = true;
  ClearWake();
  if (std::exchange(resumed_, false)) DropStreams();
  Receive();
  const int64_t now = clock_->NowNanos();
  ReapEnded(now);
  RunTimers(now);
  SendDue();
  // Asking again for a class may have used up the stream's channels.
  PlanReplacement(now);
  processing_ = false;
  TellStates();
}

void UpstreamImpl::Receive() {
  bool more = false;
  for (Attachment* attachment : {leaving_.get(), current_.get(), next_.get()}) {
    if (attachment != nullptr) more |= attachment->Receive(kMessagesPerTurn);
  }
  if (more) Wake();
}

// The next Process() handles it before it receives anything.
void UpstreamImpl::OnResume() {
  resumed_ = true;
  deadline_moved_ = true;
  Wake();
}

// What the server has sent, and nobody has read yet, may be in another copy of this process, too,
// and so is the key of the connection. The server counts as lost what we have not acknowledged. A
// new stream has nothing in common with that of the copy.
void UpstreamImpl::DropStreams() {
  leaving_.reset();
  leave_deadline_ = kNever;
  next_.reset();
  if (current_ == nullptr) return;
  const std::unique_ptr<Attachment> dropped = ParkCurrent();
  last_error_ = absl::UnavailableError("the machine was resumed: the stream was given up");
  log_->Warning("upstream.dropped",
                {{"server", dropped->server()},
                 {"reason",
                  "the machine was resumed: another copy of it may get the same bytes from this "
                  "stream"},
                 {"remedy", "none needed: a new stream begins at once"}});
}

// Within Process(), SendDue() follows anyway.
void UpstreamImpl::OnDemand(size_t i) {
  deadline_moved_ = true;
  if (processing_ || current_ == nullptr) return;
  current_->SendDue(i);
}

void UpstreamImpl::SendDue() {
  for (Attachment* attachment : {leaving_.get(), current_.get(), next_.get()}) {
    if (attachment == nullptr) continue;
    for (size_t i = 0; i < parts_.size(); ++i) {
      attachment->AllowCredit(
          i, attachment == current_.get() && (leaving_ == nullptr || !leaving_->HoldsRoom(i)));
    }
    attachment->SendDue();
  }
}

// When a stream dies, its promises are void.
void UpstreamImpl::ReapEnded(int64_t now) {
  if (leaving_ != nullptr && leaving_->ended().has_value()) leaving_.reset();
  if (next_ != nullptr && next_->ended().has_value()) EndNext(*next_->ended(), now);
  if (current_ != nullptr && current_->ended().has_value()) EndCurrent(*current_->ended(), now);
}

void UpstreamImpl::EndNext(const absl::Status& why, int64_t now) {
  const std::unique_ptr<Attachment> dead = std::move(next_);
  Ended(*dead, why, now);
}

void UpstreamImpl::EndCurrent(const absl::Status& why, int64_t now) {
  const std::unique_ptr<Attachment> dead = ParkCurrent();
  if (next_ != nullptr) {
    // It was leaving, so its end is no news. This is also so when the server ended it because our
    // own next stream replaced it.
    current_ = std::move(next_);
    return;
  }
  Ended(*dead, why, now);
}

std::unique_ptr<Attachment> UpstreamImpl::ParkCurrent() {
  for (size_t i = 0; current_->welcomed() && i < parts_.size(); ++i) {
    parts_[i].last_state = current_->state(i);
  }
  if (current_->welcomed()) lost_at_ = clock_->NowNanos();
  connected_gauge_->Set(0);
  announced_ = false;
  replace_at_ = kNever;
  return std::move(current_);
}

void UpstreamImpl::CertificateRenewed() {
  choice_.Forgive();
  deadline_moved_ = true;
  Wake();
}

int64_t UpstreamImpl::LostAt(size_t i) const {
  if (!connected()) return lost_at_ + kGonePatienceNanos;
  if (const int64_t since = current_->suspended_since(i); since != kNever) {
    return since + kGonePatienceNanos;
  }
  return current_->silent_since();
}

UpstreamState UpstreamImpl::StateOf(size_t i) const {
  UpstreamState state;
  state.lost_at = LostAt(i);
  if (!connected()) return state;
  const v1::ChannelState& said = current_->state(i);
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

void UpstreamImpl::TellState(size_t i) {
  const UpstreamState state = StateOf(i);
  if (parts_[i].told == state) return;
  parts_[i].told = state;
  context_.classes[i].filled->OnUpstream(state);
}

void UpstreamImpl::TellStates() {
  for (size_t i = 0; i < parts_.size(); ++i) TellState(i);
}

void UpstreamImpl::Suspend() {
  suspended_ = true;
  deadline_moved_ = true;
  next_.reset();
  if (current_ != nullptr) {
    leaving_ = ParkCurrent();
    if (leaving_->welcomed()) {
      leaving_->Leave();
      leave_deadline_ = clock_->NowNanos() + kLeaveTimeout;
    } else {
      leaving_.reset();
    }
  }
  TellStates();
}

void UpstreamImpl::Resume() {
  suspended_ = false;
  deadline_moved_ = true;
  Wake();
}

void UpstreamImpl::Ended(const Attachment& dead, const absl::Status& why, int64_t now) {
  ServerChoice::Ending ending = ServerChoice::Ending::kNotAttached;
  if (dead.welcomed()) {
    // gRPC ends the streams of a peer that does not answer its pings. An idle stream says nothing.
    const bool silent = why.code() == absl::StatusCode::kUnavailable &&
                        now - dead.heard_nanos() >= Attachment::kSilencePatienceNanos;
    ending = silent ? ServerChoice::Ending::kSilent : ServerChoice::Ending::kAttached;
  }
  Ended(dead.server(), ending, dead.started_nanos(), dead.welcomed() ? why : WithStep(why),
        DeservesPenalty(why.code()), now);
}

void UpstreamImpl::Ended(const std::string& server, ServerChoice::Ending ending, int64_t started,
                         const absl::Status& why, bool penalty, int64_t now) {
  last_error_ = why.ok() ? absl::UnavailableError("the server ended the stream") : why;
  choice_.Ended(server, ending, now - started, penalty, now);
  ends_.Tell(server, ending != ServerChoice::Ending::kNotAttached, last_error_,
             choice_.ready_at() - now);
}

void UpstreamImpl::RunTimers(int64_t now) {
  if (now >= leave_deadline_) {
    leaving_.reset();
    leave_deadline_ = kNever;
  }
  if (next_ != nullptr && IsTooLate(*next_, now)) EndNext(TooLate(*next_), now);
  if (current_ != nullptr && IsTooLate(*current_, now)) EndCurrent(TooLate(*current_), now);
  if (current_ != nullptr) current_->NoteSilence(now);
  PlanReplacement(now);
  PromoteNext(now);
  if (DialIsDue(now)) DialOne(now);
}

void UpstreamImpl::PlanReplacement(int64_t now) {
  if (current_ == nullptr || !current_->wants_replacement() || replace_at_ != kNever) return;
  int64_t spread = kDrainSpread;
  if (current_->drain().has_value()) {
    // A quarter of the time that is left, so that a failed attempt can be repeated.
    const uint64_t deadline_ms = std::min<uint64_t>(current_->drain()->deadline_ms(), 3'600'000);
    spread = std::min(spread, static_cast<int64_t>(deadline_ms) * 1'000'000 / 4);
    log_->Info("upstream.drain", {{"server", current_->server()},
                                  {"reason", current_->drain()->reason()},
                                  {"deadline_ms", deadline_ms}});
  }
  replace_at_ =
      std::max(now + static_cast<int64_t>(context_.uniform() * static_cast<double>(spread)),
               current_->started_nanos() + kShortestStay);
  replace_attempts_ = 0;
}

void UpstreamImpl::PromoteNext(int64_t now) {
  if (next_ != nullptr && next_->welcomed()) {
    leaving_ = std::move(current_);  // the one that is still leaving has had its time
    leaving_->Leave();
    leave_deadline_ = now + kLeaveTimeout;
    current_ = std::move(next_);
    announced_ = false;
    replace_at_ = kNever;
  }
  if (!connected() || announced_) return;
  announced_ = true;
  if (attached_++ > 0) reconnects_->Increment();
  connected_gauge_->Set(1);
  last_error_ = absl::OkStatus();
  log_->Info("upstream.attached", {{"server", current_->server()}});
}

bool UpstreamImpl::DialIsDue(int64_t now) const {
  if (suspended_ || now < choice_.ready_at()) return false;
  if (current_ == nullptr) return true;
  return next_ == nullptr && now >= replace_at_;
}

void UpstreamImpl::DialOne(int64_t now) {
  // Another server first. The one that sent us away serves when no other does.
  const bool elsewhere = current_ != nullptr && replace_attempts_ + 1 < server_count_;
  if (current_ != nullptr) ++replace_attempts_;
  server_ = choice_.Pick(now, elsewhere ? current_->server() : "");
  absl::StatusOr<std::unique_ptr<EntropyStream>> stream = dial_(server_, [this] { Wake(); });
  if (!stream.ok()) {
    // The server was not asked. The fault is here, e.g. our certificate.
    Ended(server_, ServerChoice::Ending::kNotAttached, now, stream.status(), /*penalty=*/false,
          now);
    return;
  }
  auto attachment = std::make_unique<Attachment>(&context_, server_, *std::move(stream));
  (current_ == nullptr ? current_ : next_) = std::move(attachment);
}

int64_t UpstreamImpl::next_deadline_nanos() const {
  int64_t next = leave_deadline_;
  for (const Attachment* attachment : {leaving_.get(), current_.get(), next_.get()}) {
    if (attachment == nullptr) continue;
    next = std::min(next, attachment->next_deadline_nanos());
    if (!attachment->welcomed())
      next = std::min(next, attachment->started_nanos() + kAttachTimeout);
  }
  if (current_ == nullptr && !suspended_) next = std::min(next, choice_.ready_at());
  if (current_ != nullptr && next_ == nullptr && replace_at_ != kNever) {
    next = std::min(next, std::max(replace_at_, choice_.ready_at()));
  }
  return next;
}

void UpstreamImpl::FillStatus(v1::GetStatusResponse* status) const {
  status->set_server(connected() ? current_->server() : server_);
  status->set_connected(connected());
  status->set_last_error(last_error_.ok() ? "" : last_error_.ToString());
  const int64_t wait = current_ == nullptr ? choice_.ready_at() - clock_->NowNanos() : 0;
  status->set_next_attempt_seconds(static_cast<double>(std::max<int64_t>(0, wait)) / kSecondNanos);
  status->set_reconnects(attached_ > 0 ? attached_ - 1 : 0);
  for (size_t i = 0; i < parts_.size(); ++i) {
    const bool live = connected();
    const v1::ChannelState& state = live ? current_->state(i) : parts_[i].last_state;
    while (static_cast<size_t>(status->class__size()) <= i) status->add_class_();
    v1::GetStatusResponse::ClassStatus* of = status->mutable_class_(static_cast<int>(i));
    of->set_phase(live ? state.phase() : v1::PHASE_UNSPECIFIED);
    of->set_reason(live ? state.reason() : "not attached");
    if (live) of->set_remedy(current_->remedy(i));
    of->set_quality(state.quality());
    of->set_degraded(live && state.degraded());
    of->set_received(static_cast<uint64_t>(context_.classes[i].received_bytes->Value()));
    of->set_rate(state.rate());
    of->set_ceil(state.ceil());
  }
}

std::function<double()> RandomUniform() {
  std::random_device seed;
  auto engine = std::make_shared<std::mt19937_64>(uint64_t{seed()} << 32 | seed());
  return [engine] { return std::uniform_real_distribution<double>(0, 1)(*engine); };
}

}  // namespace

absl::StatusOr<std::unique_ptr<Upstream>> Upstream::Create(const Options& options,
                                                           const std::vector<FilledClass*>& classes,
                                                           const Clock* clock, Log* log,
                                                           Metrics* metrics) {
  if (options.servers.empty()) {
    return absl::InvalidArgumentError("create upstream: no server; name one HOST:PORT at least");
  }
  if (options.host_id.size() != kHostIdBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "create upstream: host_id has ", options.host_id.size(), " bytes, not ", kHostIdBytes));
  }
  if (classes.size() > kMaxChannels) {
    return absl::InvalidArgumentError(absl::StrCat("create upstream: ", classes.size(),
                                                   " classes; one stream carries ", kMaxChannels,
                                                   ", so name fewer classes on this host"));
  }
  UniqueFd wake_fd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!wake_fd) return ErrnoStatus(errno, "create upstream: eventfd");
  Options complete = options;
  if (!complete.dial) complete.dial = GrpcDial(options.tls, clock);
  if (!complete.uniform) complete.uniform = RandomUniform();
  return std::make_unique<UpstreamImpl>(complete, classes, clock, log, metrics, std::move(wake_fd));
}

}  // namespace entropyd
