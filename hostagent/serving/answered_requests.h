// The requests that a class has answered in one turn. Their waits are counted together at its end,
// because that costs one reading of the clock.
//
//   session.Fill(…, answered.arrivals(), …);    // a member appends when each request came
//   answered.Were(&waits);                      // and says whose requests these were
//   answered.Observe(clock->NowNanos(), counters);
//
// Errors: none.
//
// Thread safety: none; belongs to the event loop's thread.
#pragma once

#include <cstdint>
#include <vector>

#include "hostagent/serving/class_counters.h"
#include "hostagent/serving/waits.h"

namespace entropyd {

class AnsweredRequests {
 public:
  // A member appends the arrival time of each request that it answered.
  std::vector<int64_t>* arrivals() { return &arrivals_; }
  // Those appended since the last call of this were of one member. `waits` exists until Observe().
  void Were(WaitCounts* waits) { whose_.resize(arrivals_.size(), waits); }
  bool empty() const { return arrivals_.empty(); }
  // All were answered at `now_nanos`: counts how long they waited, by class and by member. Forgets
  // them. REQUIRES: Were() was called for all.
  void Observe(int64_t now_nanos, ClassCounters* counters);

 private:
  std::vector<int64_t> arrivals_;
  // By request: whose it is.
  std::vector<WaitCounts*> whose_;
};

}  // namespace entropyd
