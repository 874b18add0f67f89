// Tells which guests the agent's peers are, on a thread of its own: libvirt's files and /proc are
// read without holding up a guest.
//
//   auto identities = IdentityThread::Start("/run/libvirt/qemu", deliver, &log).value();
//   identities->Ask({.guest = 7, .pin = PinPeer(socket), .how = config::v1::IDENTIFY_LIBVIRT});
//
// Each question is answered once. Besides, whenever a domain's name, uuid or class changes, or its
// status file appears, its pid is told, asked for or not: ask again for the guests that have it.
//
// Thread safety: Ask() is safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "base/process/fd.h"
#include "base/process/log.h"
#include "hostagent/identity/guest_identity.h"

namespace entropyd {

struct IdentityQuestion {
  uint64_t guest = 0;
  PeerPin pin;
  config::v1::Identify how = config::v1::IDENTIFY_NONE;
};

struct IdentityNews {
  uint64_t guest = 0;  // who was asked for; 0 = something has changed of this pid's domain
  int32_t pid = 0;
  uint64_t start_ticks = 0;  // of an answer: when the peer's process started; 0 = it is gone
  std::optional<GuestIdentity> identity;  // nullopt = nobody knows
};

// Who answers questions; a fake in unit tests.
class Identifier {
 public:
  virtual void Ask(IdentityQuestion question) = 0;

 protected:
  ~Identifier() = default;
};

class IdentityThread final : public Identifier {
 public:
  // Called on this thread, with at least one.
  using Deliver = std::function<void(std::vector<IdentityNews>)>;

  // `log` outlives the thread. Errors: RESOURCE_EXHAUSTED (descriptors).
  static absl::StatusOr<std::unique_ptr<IdentityThread>> Start(const std::string& libvirt_dir,
                                                               Deliver deliver, Log* log);
  ~IdentityThread();  // delivers nothing more

  void Ask(IdentityQuestion question) override;

 private:
  // While the directory is not there, or cannot be watched: how often to look.
  static constexpr int kLookMillis = 1'000;

  IdentityThread(const std::string& libvirt_dir, UniqueFd wake, Deliver deliver, Log* log);
  void Run();
  void Wait();
  void Turn();

  const UniqueFd wake_;
  const Deliver deliver_;
  LibvirtDirectory directory_;  // the thread's own

  absl::Mutex mutex_;
  std::vector<IdentityQuestion> questions_ ABSL_GUARDED_BY(mutex_);
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace entropyd
