// Connections from within this process, to see that somebody answers at the door. They take no
// place, and nobody else can make one, so that neither strangers nor users of this machine can make
// a server that works look dead.
//
//   absl::StatusOr<UniqueFd> client = knocks.Add();      // the one who asks
//   for (UniqueFd& server : knocks.Take()) ...           // the door gives it away as any other
//
// Errors: RESOURCE_EXHAUSTED when kMaxOpen are open; as ErrnoStatus.
//
// Thread safety: safe.
#pragma once

#include <cstddef>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "base/process/fd.h"
#include "server/door/given_socket.h"

namespace entropyd {

class Knocks {
 public:
  // Those that are open at the same time.
  static constexpr size_t kMaxOpen = 8;

  // A new one: the client's end.
  absl::StatusOr<UniqueFd> Add();
  // The server's ends of those that nobody has taken. The caller has to close them.
  std::vector<UniqueFd> Take();

 private:
  absl::Mutex mutex_;
  std::vector<UniqueFd> waiting_ ABSL_GUARDED_BY(mutex_);
  std::vector<GivenSocket> taken_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace entropyd
