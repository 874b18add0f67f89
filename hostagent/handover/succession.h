// How this process is succeeded: the socket on which successors reach it, and the successor that it
// starts itself for an upgrade or a reload.
//
//   Succession succession({path, command, linger}, &loop, guests, subject, &log);
//   succession.Open();                                   // from here on successors may come
//   if (succession.CanReplace().ok()) succession.Replace(Purpose::kUpgrade, done);
//   succession.Stop(absl::AbortedError("this agent is stopping"));
//
// A successor may come without being started here (`--take-over` by hand): then nobody asked this
// process for it, and it is given the guests all the same.
//
// Thread safety: none; belongs to the event loop's thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/process/fd.h"
#include "base/process/log.h"
#include "base/process/nanos.h"
#include "hostagent/handover/giver.h"
#include "hostagent/handover/saved_state.h"
#include "hostagent/handover/successor.h"
#include "hostagent/loop/event_loop.h"
#include "hostagent/loop/timer.h"

namespace entropyd {

class Succession final : public HandoverGiver::Subject {
 public:
  enum class Purpose { kUpgrade, kReload };

  // A successor that has neither taken over nor ended by then never will: it has 15 s to attach,
  // and it may have waited for another that came first.
  static constexpr int64_t kReplacePatienceNanos = 60 * kSecondNanos;

  // Called once: with the successor's version when it has the guests, or with why it has not.
  using Done = std::function<void(const absl::Status& status, const std::string& version)>;

  // The rest of the agent.
  class Subject {
   public:
    virtual void LeaveServer() = 0;     // a successor of this host is about to attach
    virtual void ReturnToServer() = 0;  // it failed
    virtual void Given() = 0;           // it has the guests
    virtual void Released() = 0;        // it serves, or is gone
    // Replace() came to nothing; this process serves on.
    virtual void ReplaceFailed(Purpose purpose, const absl::Status& why) = 0;
    // With `linger`: the successor that this process started and gave its guests to has ended.
    virtual void SuccessorEnded(const absl::Status& why) = 0;

   protected:
    ~Subject() = default;
  };

  struct Options {
    std::string path;  // where successors reach this process
    std::vector<std::string>
        command;          // starts a successor, program first; empty = Replace() cannot
    bool linger = false;  // this process outlives its successor's first turn
    // The very program that runs, which a reload starts again.
    std::string program = "/proc/self/exe";
  };

  // All outlive it.
  Succession(Options options, EventLoop* loop, SavedState* guests, Subject* subject, Log* log);
  ~Succession();

  // Lets successors come. Errors: of HandoverGiver::Start.
  absl::Status Open();
  // The same by the socket of a predecessor. Without it nobody can take over: that is logged.
  void Adopt(UniqueFd listener);

  // Errors: FAILED_PRECONDITION (no command), ABORTED (one was started and has not ended).
  absl::Status CanReplace() const;
  // REQUIRES: CanReplace(). Starts a successor: of the file that the command names as it is now, or
  // for a reload of the very program that runs.
  void Replace(Purpose purpose, Done done);

  // Gives the guests to nobody any more, and ends the successor that this process has started: it
  // would start afresh where nobody is to serve. Whoever waits for Replace() is told `why`.
  void Stop(const absl::Status& why);
  // A successor that this process started is there; when it has the guests, only with `linger`.
  bool has_successor() const { return successor_ != nullptr; }
  // REQUIRES: Released() was called. This process holds nothing any more.
  void LetGo() { giver_->LetGo(); }

  // --- of the giver ---
  void LeaveServer() override { subject_->LeaveServer(); }
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
  std::unique_ptr<Successor> successor_;
  Timer patience_;  // with `successor_`
  Purpose purpose_ = Purpose::kUpgrade;
  absl::Status withdrawn_;  // why the last handover failed: the successor's exit status tells less
  Done done_;
};

}  // namespace entropyd
