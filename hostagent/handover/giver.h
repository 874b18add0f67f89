// The giver of a handover: the agent that runs (hostagent/handover/protocol.h).
//
//   auto giver = HandoverGiver::Start(HandoverPath(control), &loop, guests, subject, &log).value();
//   …                                                  // calls `subject` as takers come
//   giver->Refuse(absl::AbortedError("the agent is stopping"));  // no handover from here on
//
// A taker that fails, hangs or sends nonsense does no harm: the handover ends, the subject is told,
// and the next taker may come.
//
// Errors: of Start() and Adopt(). Later ones go to the subject and the log.
//
// Thread safety: none; belongs to the event loop's thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/process/nanos.h"
#include "base/telemetry/log.h"
#include "hostagent/endpoint/listener.h"
#include "hostagent/handover/handover_link.h"
#include "hostagent/handover/saved_state.h"
#include "hostagent/loop/event_loop.h"
#include "hostagent/loop/fd_watch.h"
#include "hostagent/loop/timer.h"

namespace entropyd {

class HandoverGiver final : public EventLoop::Handler {
 public:
  // From Offer to Request: a new TLS connection, a Welcome, and the first bytes.
  static constexpr int64_t kFillPatienceNanos = 20 * kSecondNanos;
  // From the connection to the end of Begin. A taker sends Begin at once.
  static constexpr int64_t kBeginPatienceNanos = 2 * kSecondNanos;
  // From Request to Prepared, while guests wait.
  static constexpr absl::Duration kGivePatience = absl::Seconds(2);
  // From Go to Serving.
  static constexpr int64_t kServingPatienceNanos = 5 * kSecondNanos;

  // The rest of the agent.
  class Subject {
   public:
    // A taker is about to attach. Errors: it cannot be now. Then the taker is refused, and gets no
    // offer.
    virtual absl::Status LeaveServer() = 0;
    // Where this process answers HTTP until Given(); 0 = nowhere.
    virtual int http_port() const = 0;
    // The taker failed. LeaveServer() was OK.
    virtual void ReturnToServer(const absl::Status& why) = 0;
    // Go was sent.
    virtual void Given(const std::string& version) = 0;
    // The taker serves, or is gone: time to exit.
    virtual void Released() = 0;

   protected:
    ~Subject() = default;
  };

  // All outlive the giver. Errors: of Listener::Create.
  static absl::StatusOr<std::unique_ptr<HandoverGiver>> Start(const std::string& path,
                                                              EventLoop* loop, SavedState* guests,
                                                              Subject* subject, Log* log);
  // Starts with the socket that this process, as a taker, has got. Errors: of Listener::Adopt.
  static absl::StatusOr<std::unique_ptr<HandoverGiver>> Adopt(const std::string& path,
                                                              Listener::HandedOver socket,
                                                              EventLoop* loop, SavedState* guests,
                                                              Subject* subject, Log* log);
  ~HandoverGiver();

  bool given() const { return step_ == Step::kGiven; }
  // The process that takes over, or did; 0 = it is in another pid namespace, or there is none.
  int32_t taker() const { return link_ == nullptr ? 0 : link_->peer_pid(); }

  // Gives the guests to nobody any more. Ends a handover that has begun: its taker learns `why`,
  // and the subject is not called. After Go this does nothing: the guests are another process's.
  void Refuse(const absl::Status& why);
  // Makes the socket file again when somebody has removed or replaced it, unless a handover is
  // under way; as Endpoints::MakeLostAnew(). True = it was not lost before.
  bool MakeLostAnew();
  // Why the file is lost; OK = it is not.
  const absl::Status& lost_problem() const { return lost_problem_; }

  // Tells the taker that this process holds nothing any more, as the end of the process would.
  // REQUIRES: Released() was called.
  void LetGo() { link_.reset(); }

  void OnEvents(uint32_t events) override;

 private:
  enum class Step { kIdle, kBegin, kOffered, kGiven };

  HandoverGiver(EventLoop* loop, SavedState* guests, Subject* subject, Log* log);
  Listener::Accept AcceptPeer();
  void Accepted(UniqueFd socket);
  void Handle(const handover::v1::Message& message);
  void OnBegin(const handover::v1::Begin& begin);
  void RefuseTaker(const absl::Status& why);
  void OnRequest();
  void OnDeadline();
  absl::Status Give();
  void Withdraw(const absl::Status& why);
  void Release();
  void SetDeadline(int64_t nanos_from_now);
  void CloseLink();

  EventLoop* const loop_;
  SavedState* const guests_;
  Subject* const subject_;
  Log* const log_;
  std::unique_ptr<Listener> listener_;
  std::unique_ptr<HandoverLink> link_;
  FdWatch watch_;
  Timer deadline_;
  Step step_ = Step::kIdle;
  // The taker's.
  std::string version_;
  // See Refuse().
  absl::Status refused_;
  absl::Status lost_problem_;
};

}  // namespace entropyd
