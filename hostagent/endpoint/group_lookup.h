// The numbers of groups, for the event loop, which may not wait for a name service: it may ask a
// directory of the site (LDAP), and that may not answer.
//
//   GroupLookup groups;
//   groups.Know("libvirt-qemu", 107);                    // as somebody has found out before
//   absl::StatusOr<gid_t> id = groups.Find("kvm");       // UNAVAILABLE: ask again in a second
//
// Each name is asked for on a thread of its own, once at a time, and the thread is left behind when
// it hangs. That a name has no number is remembered for a short time: thousands of sockets may have
// the same group.
//
// Errors: of FindGroup(); UNAVAILABLE while there is no answer.
//
// Thread safety: none; belongs to one thread.
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/process/clock.h"
#include "base/process/nanos.h"

namespace entropyd {

// The id of a group, which is a name or a number. Nobody is asked for a number: the groups of a
// host and of a container on it differ. It may take long for a name.
// Errors, with the remedy: NOT_FOUND; INVALID_ARGUMENT when it can be neither.
absl::StatusOr<gid_t> FindGroup(const std::string& name);

class GroupLookup {
 public:
  using Ask = std::function<absl::StatusOr<gid_t>(const std::string& name)>;

  // By then somebody may have made the group.
  static constexpr int64_t kErrorNanos = 10 * kSecondNanos;

  // `ask` runs on another thread, and may do so after the lookup has gone. Without a clock an error
  // counts as long as the lookup lives.
  explicit GroupLookup(Ask ask = FindGroup, const Clock* clock = nullptr)
      : ask_(std::move(ask)), clock_(clock) {}
  GroupLookup(const GroupLookup&) = delete;
  GroupLookup& operator=(const GroupLookup&) = delete;

  // Waits for at most `patience`, and only when it begins to ask: names of this host are in a file,
  // so that the answer is there at once.
  absl::StatusOr<gid_t> Find(const std::string& name,
                             absl::Duration patience = absl::ZeroDuration());
  void Know(const std::string& name, gid_t id) { known_[name] = id; }

 private:
  struct Question;
  struct Failed {
    absl::Status why;
    int64_t until;
  };

  int64_t Now() const { return clock_ == nullptr ? 0 : clock_->NowNanos(); }

  const Ask ask_;
  const Clock* const clock_;
  std::map<std::string, gid_t> known_;
  std::map<std::string, Failed> failed_;
  // Under way, or not looked at yet.
  std::map<std::string, std::shared_ptr<Question>> questions_;
};

}  // namespace entropyd
