#include "hostagent/guest/connection.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace entropyd {

Connection::Connection(Options options, UniqueFd socket, ConnectionHost* host,
                       ServedClass* served_class)
    : options_(std::move(options)),
      host_(host),
      socket_(host->loop, this, std::move(socket)),
      place_(host->guests, served_class),
      hold_timer_(host->loop, [this] { host_->unidentified(this); }),
      first_bytes_timer_(host->loop, [this] { place_.Touch(); }),
      prime_timer_(host->loop, [this] { CheckPrime(); }),
      end_timer_(host->loop, [this] { LookAtEnd(); }),
      who_(options_.peer.start_ticks),
      session_(getpid()),
      pending_(&host->pending),
      primer_(options_.prime) {}

Connection::~Connection() { Close("agent stopped"); }

absl::Status Connection::Join(const handover::v1::Connection& saved) {
  if (auto status = socket_.Begin(/*reads=*/!half_close_.input_over()); !status.ok()) return status;
  absl::optional<int64_t> tokens;
  if (saved.has_ceil_tokens()) tokens = saved.ceil_tokens();
  if (saved.has_guest_tokens()) tokens = saved.guest_tokens();
  TakePlace(tokens);
  return absl::OkStatus();
}

void Connection::TakePlace(absl::optional<int64_t> nano_tokens) {
  place_.Join(this, guest(), nano_tokens, host_->loop->now_nanos());
  pending_.Join(place_.joined_as(), session_.capacity());
}

void Connection::LeavePlace() {
  pending_.Leave();
  place_.Leave(host_->loop->now_nanos());
}

absl::Status Connection::Start() {
  if (auto status = Join({}); !status.ok()) return status;
  host_->log->Debug("guest.connected", {{"guest", options_.id},
                                        {"class", counters()->class_name},
                                        {"pid", options_.peer.pid},
                                        {"program", options_.peer.program},
                                        {"prime", options_.prime}});
  OnReadable(0);
  return absl::OkStatus();
}

ConnectionTotals::SoFar Connection::so_far() const {
  return {.taken = session_.taken(),
          .requests = session_.commands_total(),
          .throttled_nanos = place_.throttled_nanos(host_->loop->now_nanos())};
}

GuestAccounts::Key Connection::account() const {
  return {guest().account(), served_class()->name()};
}

void Connection::Hold() {
  who_.Hold();
  // This turn may have begun long ago: after a handover it is the one that adopts all others.
  hold_timer_.Set(host_->loop->clock()->NowNanos() + kHoldNanos);
}

void Connection::Release() {
  if (!who_.Release()) return;
  hold_timer_.Set(kNever);
  for (size_t i = 0; i < EgdSession::kCommands; ++i) {
    counters()->requests[i].Add(session_.commands()[i]);
  }
  place_.Touch();
}

void Connection::Identify(GuestIdentity identity, uint64_t start_ticks) {
  who_.Know(std::move(identity), start_ticks);
  if (!place_.joined() || guest() == place_.joined_as()) return;
  LeavePlace();
  TakePlace(absl::nullopt);
}

void Connection::MoveTo(ServedClass* served_class) {
  LeavePlace();
  place_.SetClass(served_class);
  TakePlace(absl::nullopt);
}

void Connection::Close(absl::string_view reason) {
  if (socket_.closed()) return;
  host_->log->Debug("guest.disconnected", {{"guest", options_.id}, {"reason", reason}});
  for (Timer* timer : {&hold_timer_, &first_bytes_timer_, &prime_timer_, &end_timer_}) {
    timer->Set(kNever);
  }
  if (place_.joined()) LeavePlace();
  socket_.Close();
  host_->closed(this);
}

void Connection::OnEvents(uint32_t events) {
  if (events & EPOLLOUT) OnWritable();
  if (!socket_.closed() && (events & ~EPOLLOUT)) OnReadable(events);
}

void Connection::OnReadable(uint32_t events) {
  // Nobody is left to read replies, even if there is still something to read.
  if (events & (EPOLLHUP | EPOLLERR)) return Close("peer closed");
  if (half_close_.input_over()) return;
  const size_t room = session_.Room(pending_.most());
  if (room == 0) {
    if (events & EPOLLRDHUP) BoundHalfClose();
    return LeaveUnread();
  }
  size_t* const left = &host_->loop->left()->input;
  const size_t most =
      std::min(std::max(std::min(host_->input.size(), *left), kMinInputBytes), room);
  const ssize_t n = socket_.Receive(host_->input.first(most));
  const int error = errno;
  if (n > 0) *left -= std::min(static_cast<size_t>(n), *left);
  // The kernel does not report again what was not read, or the end after what was read. A new
  // request for events makes it report both.
  const bool more = n == static_cast<ssize_t>(most) || (n > 0 && (events & EPOLLRDHUP)) ||
                    (n < 0 && error == EINTR);
  if (more) WatchAnew();
  if (n > 0) return OnInput(host_->input.first(static_cast<size_t>(n)));
  if (n < 0) {
    if (error == EAGAIN || error == EINTR) return;
    return Close(strerror(error));
  }
  half_close_.OnInputOver();
  WatchAnew();
  BoundHalfClose();
  place_.Touch();
}

void Connection::BoundHalfClose() {
  if (options_.peer.address.empty()) return;
  half_close_.Bound(host_->loop->now_nanos());
  end_timer_.Set(half_close_.next_look_nanos());
}

void Connection::OnInput(absl::Span<const uint8_t> bytes) {
  if (!session_.started()) {
    primer_.OnCommand();
    prime_timer_.Set(kNever);
  }
  switch (TakeCommands(bytes)) {
    case EgdSession::Input::kOk:
      if (!place_.ServeAtOnce(host_->loop->now_nanos())) place_.Touch();
      return;
    case EgdSession::Input::kUnknownCommand:
      counters()->closed_unknown.Add(1);
      if (const LineCount count = ToTell("unknown_command"); count > 0) {
        host_->log->Warning("guest.unknown_command",
                            {{"guest", options_.id},
                             {"class", counters()->class_name},
                             {"pid", options_.peer.pid},
                             {"program", options_.peer.program},
                             {"command", absl::StrFormat("0x%02x", session_.unknown_command())},
                             {"remedy",
                              "its connection was closed: let only clients that speak EGD connect "
                              "there, as QEMU's rng-egd does"},
                             {count.key(), count.events}});
      }
      return Close("unknown command");
  }
}

void Connection::LeaveUnread() {
  // While it is held nobody has told whose class it is.
  if (!pending_.LeaveUnread() || held()) return;
  counters()->left_unread.Add(1);
  const LineCount count = ToTell("too_many_pending");
  if (count == 0) return;
  host_->log->Warning("guest.too_many_pending",
                      {{"guest", options_.id},
                       {"class", counters()->class_name},
                       {"pid", options_.peer.pid},
                       {"program", options_.peer.program},
                       {"runs", session_.runs()},
                       {"remedy",
                        "read replies before sending more; what the peer sends stays unread until "
                        "then"},
                       {count.key(), count.events}});
}

EgdSession::Input Connection::TakeCommands(absl::Span<const uint8_t> bytes) {
  const std::array<uint64_t, EgdSession::kCommands> before = session_.commands();
  const EgdSession::Input input =
      session_.OnInput(bytes, host_->loop->now_nanos(), pending_.most());
  pending_.Hold(session_.capacity());
  for (size_t i = 0; i < before.size(); ++i) {
    const uint64_t n = session_.commands()[i] - before[i];
    if (n > 0 && !held()) counters()->requests[i].Add(n);
  }
  return input;
}

LineCount Connection::ToTell(absl::string_view what) {
  return host_->lines.Ask(absl::StrCat(what, " ", options_.endpoint, " ", who_.identity().name),
                          host_->loop->now_nanos());
}

uint64_t Connection::Want() {
  // A peer that does not read must not make the class buffer grow.
  if (socket_.holds_back() || half_close_.lingering() || held()) return 0;
  return session_.started() ? session_.Want() : primer_.want();
}

uint32_t Connection::Plan(uint32_t bytes) {
  if (socket_.holds_back() || half_close_.lingering()) return 0;
  const uint32_t planned = session_.granted() + primer_.granted();
  const uint32_t taken = std::min<uint32_t>(bytes, kStagingBytes - planned);
  if (taken == 0) {
    plan_full_ = true;
  } else if (session_.started()) {
    session_.Grant(taken);
  } else {
    primer_.Grant(taken);
  }
  return taken;
}

FairQueue::After Connection::Deliver() {
  if (held()) return FairQueue::After::kDone;
  // Replies without entropy, such as those to 0x00, may be as many as the peer likes to read. So
  // they take turns with others' replies, too.
  bool more = false;
  for (size_t written = 0; !socket_.holds_back() && !more;) {
    const size_t staged = Stage();
    if (staged == 0 || !Write(host_->staging.first(staged))) break;
    if (session_.idle()) break;
    written += staged;
    more = written >= kStagingBytes || host_->replies->size() >= EgdSession::kMaxReplies;
  }
  if (socket_.closed()) return FairQueue::After::kDone;
  if (pending_.unread() && pending_.ReadsOn(session_.Room(pending_.most()))) WatchAnew();
  const bool again = more || plan_full_ || session_.needs_pass();
  session_.Forfeit();
  primer_.TakeGranted();
  plan_full_ = false;
  if (socket_.holds_back()) return FairQueue::After::kBlocked;
  SchedulePrimeCheck();
  if (AwaitsFirstBytes() && !first_bytes_timer_.set()) {
    first_bytes_timer_.Set(session_.non_blocking_since() + kFirstBytesNanos);
  }
  if (half_close_.input_over() && session_.idle() && !half_close_.lingering()) {
    half_close_.Linger(host_->loop->now_nanos());
    LookAtEnd();
    return FairQueue::After::kDone;
  }
  return again ? FairQueue::After::kAgain : FairQueue::After::kDone;
}

size_t Connection::TakeFromBuffer(absl::Span<uint8_t> out) {
  const size_t taken = served_class()->Take(out);
  counters()->delivered_bytes.Add(taken);
  return taken;
}

size_t Connection::Stage() {
  host_->replies->clear();
  auto take = [this](absl::Span<uint8_t> out) { return TakeFromBuffer(out); };
  if (!session_.started()) {
    const uint32_t granted = primer_.TakeGranted();
    if (granted == 0) return 0;
    const size_t pushed = take(host_->staging.first(granted));
    totals_.Primed(pushed);
    counters()->primed_bytes.Add(pushed);
    primer_.OnPushed(static_cast<uint32_t>(pushed), host_->loop->now_nanos());
    host_->replies->push_back({egd::CommandType::kReadBlocking, static_cast<uint32_t>(pushed)});
    return pushed;
  }
  if (session_.idle()) return 0;
  auto available = [this] { return served_class()->buffer()->available(); };
  AnsweredRequests* const answered = served_class()->answered();
  const bool settle = !plan_full_ && !AwaitsFirstBytes();
  const size_t staged = session_.Fill(host_->staging, {take, available, settle},
                                      answered->arrivals(), host_->replies);
  pending_.Hold(session_.capacity());
  answered->Were(totals_.waits());
  return staged;
}

bool Connection::AwaitsFirstBytes() const {
  const int64_t since = session_.non_blocking_since();
  return since != kNever && host_->loop->now_nanos() - since < kFirstBytesNanos &&
         (served_class()->buffer()->available() == 0 || place_.OthersWait());
}

// False when the socket did not take it all, or is closed now.
bool Connection::Write(absl::Span<uint8_t> staged) {
  const PeerSocket::Sent sent =
      socket_.Send(staged, *host_->replies, host_->arena, host_->loop->now_nanos());
  const int error = errno;
  Wipe(staged);
  switch (sent) {
    case PeerSocket::Sent::kAll:
      return true;
    case PeerSocket::Sent::kSome:
      WatchAnew();
      return false;
    case PeerSocket::Sent::kFailed:
      Close(strerror(error));
      return false;
    case PeerSocket::Sent::kNoMemory:
      break;
  }
  if (const LineCount count = ToTell("closed"); count > 0) {
    host_->log->Error("guest.closed",
                      {{"guest", options_.id},
                       {"class", counters()->class_name},
                       {"reason", "no locked memory left for replies the peer does not read"},
                       {count.key(), count.events}});
  }
  Close("out of locked memory");
  return false;
}

void Connection::OnWritable() {
  if (!socket_.holds_back()) return;
  const PeerSocket::Sent sent = socket_.SendRest(host_->loop->now_nanos());
  if (sent == PeerSocket::Sent::kFailed) return Close(strerror(errno));
  if (sent != PeerSocket::Sent::kAll) return;
  WatchAnew();
  place_.Resume();
}

bool Connection::undelivered() const {
  if (socket_.holds_back()) return true;
  // Bytes that stay unread for longer are primed ones, for which nobody waits, or a stalled peer's.
  return session_.started() && !socket_.AllRead() &&
         host_->loop->now_nanos() - socket_.wrote_at_nanos() < HalfClose::kLingerNanos;
}

void Connection::SchedulePrimeCheck() {
  if (!session_.started()) prime_timer_.Set(primer_.next_check_nanos());
}

void Connection::CheckPrime() {
  primer_.OnCheck(socket_.AllRead(), host_->loop->now_nanos());
  if (primer_.want() > 0) place_.Touch();
  SchedulePrimeCheck();
}

void Connection::Save(handover::v1::Connection* saved) const {
  const int64_t now = host_->loop->now_nanos();
  saved->set_id(options_.id);
  saved->set_pid(options_.peer.pid);
  saved->set_uid(options_.peer.uid);
  saved->set_program(options_.peer.program);
  saved->set_qemu(options_.peer.qemu);
  saved->set_age_nanos(now - options_.connected_at_nanos);
  saved->set_input_over(half_close_.input_over());
  who_.Save(saved);
  totals_.Save(so_far(), saved);
  if (served_class()->queue()->has_ceil()) {
    saved->set_guest_tokens(place_.nano_tokens(now));
    // For programs in which each connection has a ceiling of its own.
    saved->set_ceil_tokens(place_.own_nano_tokens(now));
  }
  Unsent unsent = socket_.unsent();
  if (!session_.started()) {
    // The next process pushes unasked bytes again that the socket refused, in the step they belong
    // to.
    if (primer_.active()) {
      primer_.Save(static_cast<uint32_t>(unsent.bytes.size()), now, saved->mutable_primer());
    }
    unsent = {};
  }
  session_.Save(unsent, now, saved->mutable_session());
}

absl::Status Connection::Resume(const handover::v1::Connection& saved) {
  const int64_t now = host_->loop->now_nanos();
  if (auto status = session_.Restore(saved.session(), now); !status.ok()) {
    socket_.Close();
    return status;
  }
  primer_ = Primer(false);
  if (saved.has_primer() && !session_.started()) primer_.Restore(saved.primer(), now);
  if (saved.input_over()) {
    half_close_.OnInputOver();
    BoundHalfClose();
  }
  socket_.WroteAt(now);
  totals_.Restore(saved, session_.taken());
  who_.Restore(saved);
  if (held()) Hold();
  if (auto status = Join(saved); !status.ok()) return status;
  SchedulePrimeCheck();
  return absl::OkStatus();
}

void Connection::LookAtEnd() {
  if (half_close_.Over(socket_.AllRead(), host_->loop->now_nanos())) {
    return Close("peer has sent all it will");
  }
  end_timer_.Set(half_close_.next_look_nanos());
}

}  // namespace entropyd
