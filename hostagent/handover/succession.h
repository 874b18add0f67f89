// How this process is succeeded: the socket on which successors reach it, and the successor that it
// starts itself for an upgrade or a reload.
//
//   Succession succession({path, command, linger}, &loop, guests, subject, &log);
//   succession.Open();                                   // from here on successors may come
//   if (succession.CanReplace().ok()) succession.Replace(Purpose::kUpgrade, done);
//   succession.Stop(absl::AbortedError("this agent is stopping"));
//
// A successor is a taker, seen from the process whose guests it takes. It may come although this
// process did not start it (`--take-over` by hand). Nobody asked this process for it, and it gets
// the guests all the same.
//
// Errors: of Open() and CanReplace(). Replace() reports to `done`.
//
// Thread safety: none; belongs to the event loop's thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/process/nanos.h"
#include "base/telemetry/log.h"
#include "hostagent/handover/failure_remedy.h"
#include "hostagent/handover/giver.h"
#include "hostagent/handover/saved_state.h"
#include "hostagent/handover/successor.h"
#include "hostagent/loop/event_loop.h"
#include "hostagent/loop/timer.h"

namespace entropyd {

class Succession final : public HandoverGiver::Subject {
 public:
  using Purpose = HandoverPurpose;

  // A successor that has neither taken over nor ended by then never will. It has 15 s to attach,
  // and it may have waited for another one that came first.
  static constexpr int64_t kReplacePatienceNanos = 60 * kSecondNanos;

  // Called once: with the successor's version when it has the guests, or with the reason why it has
  // not.
  using Done = std::function<void(const absl::Status& status, const std::string& version)>;

  // The rest of the agent.
  class Subject {
   public:
    // A successor of this host is about to attach. Errors: it cannot be now. Then the successor is
    // refused.
    virtual absl::Status LeaveServer() = 0;
    // See HandoverGiver::Subject.
    virtual int http_port() const = 0;
    // The successor failed. LeaveServer() was OK.
    virtual void ReturnToServer() = 0;
    // The successor has the guests.
    virtual void Given() = 0;
    // The successor serves, or is gone.
    virtual void Released() = 0;
    // Replace() has failed. This process serves on.
    virtual void ReplaceFailed(Purpose purpose, const absl::Status& why) = 0;
    // With `linger`: the successor that this process started and gave its guests to has ended.
    virtual void SuccessorEnded(const absl::Status& why) = 0;

   protected:
    ~Subject() = default;
  };

  struct Options {
    // Where successors reach this process.
    std::string path;
    // Starts a successor, program first. Empty = Replace() cannot.
    std::vector<std::string> command;
    // This process stays after its successor begins to serve.
    bool linger = false;
    // The program that runs now. A reload starts it again.
    std::string program = "/proc/self/exe";
  };

  // All outlive it.
  Succession(Options options, EventLoop* loop, SavedState* guests, Subject* subject, Log* log);
  ~Succession();

  // Lets successors come. Errors: of HandoverGiver::Start.
  absl::Status Open();
  // Lets successors come by the socket of a predecessor. Without the socket nobody can take over,
  // and the log says so.
  void Adopt(Listener::HandedOver listener);

  // OK: successors may come. Else why not: since Adopt(), which only a restart can mend, or because
  // the socket file is lost.
  const absl::Status& problem() const {
    return problem_.ok() && giver_ != nullptr ? giver_->lost_problem() : problem_;
  }
  // As HandoverGiver::MakeLostAnew().
  bool MakeLostAnew() { return giver_ != nullptr && giver_->MakeLostAnew(); }
  // Errors: FAILED_PRECONDITION (no command, or problem()), ABORTED (one was started and has not
  // ended).
  absl::Status CanReplace() const;
  // ABORTED: somebody asked for an upgrade or a reload while another one was under way.
  static absl::Status UnderWay();
  // Starts a successor: of the file that the command names as it is now, or, for a reload, of the
  // program that runs now. REQUIRES: CanReplace().
  void Replace(Purpose purpose, Done done);

  // From now on nobody gets the guests. Ends the successor that this process has started: it would
  // start from nothing, and nobody is to serve here. The caller of Replace() gets `why`.
  void Stop(const absl::Status& why);
  // A successor that this process started is there. After it has taken the guests: only with
  // `linger`.
  bool has_successor() const { return successor_ != nullptr; }
  // This process holds nothing any more. REQUIRES: Released() was called.
  void LetGo() { giver_->LetGo(); }

  // --- of the giver ---
  absl::Status LeaveServer() override { return subject_->LeaveServer(); }
  int http_port() const override { return subject_->http_port(); }
  void ReturnToServer(const absl::Status& why) override;
  void Given(const std::string& version) override;
  void Released() override { subject_->Released(); }

 private:
  bool given() const { return giver_ != nullptr && giver_->given(); }
  void Ended(const absl::Status& why);
  void Fail(const absl::Status& why);

  const Options options_;
  EventLoop* const loop_;
  SavedState* const guests_;
  Subject* const subject_;
  Log* const log_;
  std::unique_ptr<HandoverGiver> giver_;
  absl::Status problem_;
  std::unique_ptr<Successor> successor_;
  Timer patience_;  // with `successor_`
  Purpose purpose_ = Purpose::kUpgrade;
  // Why the last handover failed. The successor's exit status tells less.
  absl::Status withdrawn_;
  Done done_;
};

}  // namespace entropyd
