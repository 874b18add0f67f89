// The two sides of a handover: the running agent gives, its successor takes.
//
//   successor                             running agent
//   Begin (formats, version)         ->   checks; Offer, or Refusal and all is as it was
//                                         leaves its server, serves on from its buffers
//   attaches, fills its buffers
//   Request                          ->   touches no guest from here on
//                                    <-   Numbers with the listeners; Connections, in batches
//   adopts all, touches none
//   Prepared                         ->   Go: the point of no return
//   serves                           <-
//   Serving                          ->   exits, or with --linger ends the channel and waits
//
// Until Go has been sent the running agent has given up nothing but its stream: whatever fails, it
// returns to its server and serves on, and the successor exits without having touched a guest. Once
// Go has been sent it never touches a guest again; a successor that dies then takes the guests with
// it, like any agent that dies. Go is never in doubt: a successor that gives up waiting first
// closes its receiving side, so that either it has Go, or sending it fails.
//
// Between Request and Go the running agent's loop stands still: nobody reads or writes a guest's
// socket. That time is bounded by kGivePatience.
//
// Thread safety: none; belongs to the event loop's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/process/log.h"
#include "hostagent/endpoint/listener.h"
#include "hostagent/handover/handover_link.h"
#include "hostagent/handover/saved_state.h"
#include "hostagent/loop/event_loop.h"

namespace entropyd {

// What this program writes, and all it can read.
inline constexpr uint32_t kHandoverFormat = 1;

// The socket beside the control socket.
std::string HandoverPath(const std::string& control_socket);

class HandoverGiver final : public EventLoop::Handler {
 public:
  // From Offer to Request: a new TLS connection, a Welcome, and the first bytes.
  static constexpr int64_t kFillPatienceNanos = 20'000'000'000;
  // From Begin to the end of the first message: it is there at once, or it is no successor.
  static constexpr int64_t kBeginPatienceNanos = 2'000'000'000;
  // From Request to Prepared, while guests wait.
  static constexpr absl::Duration kGivePatience = absl::Seconds(2);
  // From Go to Serving.
  static constexpr int64_t kServingPatienceNanos = 5'000'000'000;

  // The rest of the agent.
  class Subject {
   public:
    virtual void LeaveServer() = 0;  // a successor of this host is about to attach
    virtual void ReturnToServer(const absl::Status& why) = 0;  // it failed
    virtual void Given(const std::string& version) = 0;        // Go was sent
    virtual void Released() = 0;  // the successor serves, or is gone: time to exit

   protected:
    ~Subject() = default;
  };

  // All outlive the giver. Errors: of Listener::Create.
  static absl::StatusOr<std::unique_ptr<HandoverGiver>> Start(const std::string& path,
                                                              EventLoop* loop, SavedState* guests,
                                                              Subject* subject, Log* log);
  // With the socket that a predecessor listened on.
  static absl::StatusOr<std::unique_ptr<HandoverGiver>> Adopt(const std::string& path,
                                                              UniqueFd socket, EventLoop* loop,
                                                              SavedState* guests, Subject* subject,
                                                              Log* log);
  ~HandoverGiver();

  bool given() const { return step_ == Step::kGiven; }
  // The process that takes over, or did; 0 = it is of another pid namespace, or there is none.
  int32_t taker() const { return channel_ == nullptr ? 0 : channel_->peer_pid(); }
  // REQUIRES: Released() was called. Tells the successor that this process holds nothing any more,
  // as the end of the process would.
  void LetGo() { channel_.reset(); }

  void OnEvents(uint32_t events) override;

 private:
  enum class Step { kIdle, kBegin, kOffered, kGiven };

  HandoverGiver(EventLoop* loop, SavedState* guests, Subject* subject, Log* log)
      : loop_(loop), guests_(guests), subject_(subject), log_(log) {}
  Listener::Accept AcceptPeer();
  void Accepted(UniqueFd socket);
  void Handle(const handover::v1::Message& message);
  void OnBegin(const handover::v1::Begin& begin);
  void OnRequest();
  absl::Status Give();
  void Withdraw(const absl::Status& why);
  void Release();
  void SetDeadline(int64_t nanos_from_now);
  void CloseChannel();

  EventLoop* const loop_;
  SavedState* const guests_;
  Subject* const subject_;
  Log* const log_;
  std::unique_ptr<Listener> listener_;
  std::unique_ptr<HandoverLink> channel_;
  EventLoop::WatchId watch_ = 0;
  EventLoop::TimerId timer_ = EventLoop::kNoTimer;
  Step step_ = Step::kIdle;
  std::string version_;  // of the successor
};

// What a successor has after Go.
struct Taken {
  std::unique_ptr<HandoverLink> channel;  // Serving is to be sent; its end is the other's exit
  UniqueFd listener;                      // for HandoverGiver::Adopt
  std::string version;                    // of the process that gave
  uint32_t connections = 0;
  absl::Duration pause;  // from Request to Go
};

// Takes over from the agent at the other end of `channel`; returns after Go. `fill` attaches to a
// server and returns when the buffers hold what the offer asks for. After an error this process
// must exit without turning its loop again. Errors: FAILED_PRECONDITION when the other one refuses,
// of `fill`, UNAVAILABLE, DEADLINE_EXCEEDED.
absl::StatusOr<Taken> TakeOver(std::unique_ptr<HandoverLink> channel, SavedState* guests,
                               const std::function<absl::Status(const handover::v1::Offer&)>& fill);

}  // namespace entropyd
