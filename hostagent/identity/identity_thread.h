// Finds out which guests the agent's peers are. It reads libvirt's files and /proc on a thread of
// its own, so that no guest waits for them.
//
//   auto identities = IdentityThread::Start("/run/libvirt/qemu", deliver, &log).value();
//   identities->Ask(
//       {.connection = 7, .pin = PinPeer(socket), .how = config::v1::IDENTIFY_LIBVIRT});
//
// It answers each question once, unless that is withdrawn before. There is at most one question of
// a connection. So questions that wait are no more than there are connections, however fast peers
// come and go. Connections that are held have their answers before those that are served.
//
// It also reports a pid, asked for or not, when the name, uuid or class of its domain changes or
// its status file appears. Then ask again for the guests that have this pid.
//
// Errors: of Start() only. An answer without identity is no error.
//
// Thread safety: Ask() and Withdraw() are safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/optional.h"
#include "base/process/fd.h"
#include "base/telemetry/log.h"
#include "hostagent/identity/guest_identity.h"

namespace entropyd {

struct IdentityQuestion {
  // The id of the connection. It comes back with the answer.
  uint64_t connection = 0;
  PeerPin pin;
  config::v1::Identify how = config::v1::IDENTIFY_NONE;
  // The connection is held until the answer comes.
  bool held = false;
};

struct IdentityNews {
  // The connection that was asked for; 0 = the domain of this pid has changed.
  uint64_t connection = 0;
  int32_t pid = 0;
  // Of an answer: when the peer's process started; 0 = it is gone.
  uint64_t start_ticks = 0;
  // nullopt = the peer could not be identified.
  absl::optional<GuestIdentity> identity;
};

// Answers questions; a fake in unit tests.
class Identifier {
 public:
  // Replaces the connection's question that waits, if there is one.
  virtual void Ask(IdentityQuestion question) = 0;
  // Nobody waits for an answer to this connection's question any more. It may come all the same.
  virtual void Withdraw(uint64_t connection) = 0;

 protected:
  ~Identifier() = default;
};

class IdentityThread final : public Identifier {
 public:
  // This many questions are answered before their answers go out: an answer takes some 100 us, and
  // a guest is held for no more than 200 ms.
  static constexpr size_t kQuestionsPerTurn = 64;
  // This many of them are of connections that are not held, if there are any, however many others
  // connect meanwhile.
  static constexpr size_t kServedPerTurn = 8;

  // Called on this thread, with at least one.
  using Deliver = std::function<void(std::vector<IdentityNews>)>;

  // `log` outlives the thread. Errors: RESOURCE_EXHAUSTED (descriptors, threads).
  static absl::StatusOr<std::unique_ptr<IdentityThread>> Start(const std::string& libvirt_dir,
                                                               Deliver deliver, Log* log);
  // Delivers nothing more.
  ~IdentityThread();

  void Ask(IdentityQuestion question) override;
  void Withdraw(uint64_t connection) override;

 private:
  // The time between two looks while the directory is not there or cannot be watched.
  static constexpr int kLookMillis = 1'000;

  // Questions that wait, in the order in which their connections came. A round goes up to the last
  // connection that waits when it begins. So each has its turn, however many connect meanwhile, and
  // however often earlier ones ask again.
  class Line {
   public:
    bool empty() const { return questions_.empty(); }
    void Put(IdentityQuestion question);
    void Drop(uint64_t connection) { questions_.erase(connection); }
    // REQUIRES: not empty.
    IdentityQuestion Take();

   private:
    // By connection.
    std::map<uint64_t, IdentityQuestion> questions_;
    uint64_t last_taken_ = 0;
    uint64_t round_end_ = 0;
  };

  IdentityThread(const std::string& libvirt_dir, UniqueFd wake, Deliver deliver, Log* log);
  void Run();
  void Wait();
  void Turn();
  std::vector<IdentityQuestion> TakeQuestions();

  const UniqueFd wake_;
  const Deliver deliver_;
  // Only the thread uses it.
  LibvirtDirectory directory_;

  absl::Mutex mutex_;
  // A connection is in one of them at most.
  Line held_ ABSL_GUARDED_BY(mutex_);
  Line served_ ABSL_GUARDED_BY(mutex_);
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace entropyd
