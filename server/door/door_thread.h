// The thread on which a door works: turn after turn, until it is stopped.
//
//   DoorThread thread(door);
//   absl::Status started = thread.Start([](UniqueFd connection, Door::Id id) { ... });
//   ...
//   thread.Stop();
//
// Errors: of StartThread().
//
// Thread safety: one owner. `receive` runs on the thread.
#pragma once

#include <atomic>
#include <thread>

#include "absl/status/status.h"
#include "server/door/door.h"

namespace entropyd {

class DoorThread {
 public:
  // The door outlives it.
  explicit DoorThread(Door* door) : door_(door) {}
  // Calls Stop().
  ~DoorThread() { Stop(); }

  // REQUIRES: called once.
  absl::Status Start(Door::Receive receive);
  // The door accepts nothing more. Afterwards `receive` does not run.
  void Stop();

 private:
  Door* const door_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace entropyd
