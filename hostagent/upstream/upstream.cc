#include "hostagent/upstream/upstream.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/process/fd.h"
#include "base/process/nanos.h"
#include "base/wire/attach_limits.h"
#include "base/wire/connection_remedy.h"
#include "hostagent/upstream/attachment.h"
#include "hostagent/upstream/attachment_context.h"
#include "hostagent/upstream/backoff.h"
#include "hostagent/upstream/class_reports.h"
#include "hostagent/upstream/rendezvous.h"
#include "hostagent/upstream/server_choice.h"
#include "hostagent/upstream/server_move.h"
#include "hostagent/upstream/stream_news.h"

namespace entropyd {
namespace {

// Messages handled in one turn. Then guests are served.
constexpr int kMessagesPerTurn = 4;
// From the dial to the Welcome. gRPC gives up connecting after 20 s. If it takes longer, the server
// accepts and says nothing.
constexpr int64_t kAttachTimeout = 22 * kSecondNanos;
// From Close to CLOSED, and from CLOSED to the stream's end.
constexpr int64_t kLeaveTimeout = 1 * kSecondNanos;
bool IsTooLate(const Attachment& attachment, int64_t now) {
  return !attachment.welcomed() && now >= attachment.started_nanos() + kAttachTimeout;
}

absl::Status TooLate(const Attachment& attachment) {
  return absl::UnavailableError(
      absl::StrCat("attach to ", attachment.server(), ": ",
                   attachment.connected() ? "connected, but no Welcome within " : kNoConnection,
                   kAttachTimeout / kSecondNanos, " s"));
}

class UpstreamImpl final : public Upstream {
 public:
  UpstreamImpl(const Options& options, const std::vector<FilledClass*>& classes, const Clock* clock,
               Log* log, Metrics* metrics, UniqueFd wake_fd);

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
  // The filler of one class, from its construction to its end. Both others outlive it.
  class Filler final : public ClassFiller {
   public:
    Filler(UpstreamImpl* upstream, const Attachment::Class* of) : upstream_(upstream), of_(*of) {
      of_.filled->SetFiller(this);
    }
    Filler(const Filler&) = delete;
    Filler& operator=(const Filler&) = delete;
    ~Filler() override { of_.filled->SetFiller(nullptr); }
    void OnDemand() override { upstream_->OnDemand(of_); }
    void OnResume() override { upstream_->OnResume(); }

   private:
    UpstreamImpl* const upstream_;
    const Attachment::Class& of_;
  };

  void OnDemand(const Attachment::Class& of);
  void OnResume();
  void DropStreams();
  void Wake() { eventfd_write(wake_fd_.get(), 1); }
  void ClearWake();
  void Receive();
  void ReapEnded(int64_t now);
  void RunTimers(int64_t now);
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
  // The attachment that serves, or nullptr.
  const Attachment* serving() const { return connected() ? current_.get() : nullptr; }

  const UniqueFd wake_fd_;  // outlives the streams: their threads write to it
  const Clock* const clock_;
  Log* const log_;
  const StreamDial dial_;
  const Attachment::Context context_;
  ClassReports reports_;
  ServerChoice choice_;
  ServerMove move_;
  StreamNews news_;

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
  bool announced_ = false;  // current_'s Welcome was noted
  int64_t leave_deadline_ = kNever;
  // What the status says while nobody serves.
  struct LastAttempt {
    std::string server;
    absl::Status error;
  } last_;
  // Last: when a class calls, all else is there.
  std::vector<std::unique_ptr<Filler>> fillers_;
};

UpstreamImpl::UpstreamImpl(const Options& options, const std::vector<FilledClass*>& classes,
                           const Clock* clock, Log* log, Metrics* metrics, UniqueFd wake_fd)
    : wake_fd_(std::move(wake_fd)),
      clock_(clock),
      log_(log),
      dial_(options.dial),
      context_(
          NewAttachmentContext(options.host_id, options.uniform, classes, clock, log, metrics)),
      reports_(&context_.classes, clock->NowNanos()),
      choice_(RendezvousOrder(options.host_id, options.servers), options.uniform),
      move_(options.servers.size(), options.uniform, log),
      news_(log, metrics) {
  last_.server = choice_.Pick(clock->NowNanos(), "");
  for (const Attachment::Class& of : context_.classes) {
    fillers_.push_back(std::make_unique<Filler>(this, &of));
  }
}

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
  if (current_ != nullptr) move_.Schedule(*current_, now);
  processing_ = false;
  reports_.Tell(serving());
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
  last_.error = absl::UnavailableError("the machine was resumed: the stream was given up");
  log_->Warning("upstream.dropped",
                {{"server", dropped->server()},
                 {"reason",
                  "the machine was resumed: another copy of it may get the same bytes from this "
                  "stream"},
                 {"remedy", "none needed: a new stream begins at once"}});
}

// Within Process(), SendDue() follows anyway.
void UpstreamImpl::OnDemand(const Attachment::Class& of) {
  deadline_moved_ = true;
  if (processing_ || current_ == nullptr) return;
  current_->SendDue(of);
}

void UpstreamImpl::SendDue() {
  for (Attachment* attachment : {leaving_.get(), current_.get(), next_.get()}) {
    if (attachment == nullptr) continue;
    for (const Attachment::Class& of : context_.classes) {
      attachment->AllowCredit(
          of, attachment == current_.get() && (leaving_ == nullptr || !leaving_->HoldsRoom(of)));
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
  Ended(*std::exchange(next_, nullptr), why, now);
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
  if (current_->welcomed()) reports_.Lost(*current_, clock_->NowNanos());
  news_.Lost();
  announced_ = false;
  move_.Drop();
  return std::move(current_);
}

void UpstreamImpl::CertificateRenewed() {
  choice_.Forgive();
  deadline_moved_ = true;
  Wake();
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
  reports_.Tell(serving());
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
  last_.error = why.ok() ? absl::UnavailableError("the server ended the stream") : why;
  choice_.Ended(server, ending, now - started, penalty, now);
  news_.Ended(server, ending != ServerChoice::Ending::kNotAttached, last_.error,
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
  if (current_ != nullptr) move_.Schedule(*current_, now);
  PromoteNext(now);
  if (DialIsDue(now)) DialOne(now);
}

void UpstreamImpl::PromoteNext(int64_t now) {
  if (next_ != nullptr && next_->welcomed()) {
    leaving_ = std::move(current_);  // the one that is still leaving has had its time
    leaving_->Leave();
    leave_deadline_ = now + kLeaveTimeout;
    current_ = std::move(next_);
    announced_ = false;
    move_.Drop();
  }
  if (!connected() || announced_) return;
  announced_ = true;
  last_.error = absl::OkStatus();
  news_.Attached(current_->server());
}

bool UpstreamImpl::DialIsDue(int64_t now) const {
  if (suspended_ || now < choice_.ready_at()) return false;
  if (current_ == nullptr) return true;
  return next_ == nullptr && now >= move_.due_at();
}

void UpstreamImpl::DialOne(int64_t now) {
  const bool elsewhere = current_ != nullptr && move_.TryElsewhere();
  last_.server = choice_.Pick(now, elsewhere ? current_->server() : "");
  absl::StatusOr<std::unique_ptr<EntropyStream>> stream = dial_(last_.server, [this] { Wake(); });
  if (!stream.ok()) {
    // The server was not asked. The fault is here, e.g. our certificate.
    Ended(last_.server, ServerChoice::Ending::kNotAttached, now, stream.status(), /*penalty=*/false,
          now);
    return;
  }
  auto attachment = std::make_unique<Attachment>(&context_, last_.server, *std::move(stream));
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
  if (current_ != nullptr && next_ == nullptr && move_.due_at() != kNever) {
    next = std::min(next, std::max(move_.due_at(), choice_.ready_at()));
  }
  return next;
}

void UpstreamImpl::FillStatus(v1::GetStatusResponse* status) const {
  status->set_server(connected() ? current_->server() : last_.server);
  status->set_connected(connected());
  status->set_last_error(last_.error.ok() ? "" : last_.error.ToString());
  const int64_t wait = current_ == nullptr ? choice_.ready_at() - clock_->NowNanos() : 0;
  status->set_next_attempt_seconds(static_cast<double>(std::max<int64_t>(0, wait)) / kSecondNanos);
  status->set_reconnects(news_.reconnects());
  reports_.FillStatus(serving(), status);
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
