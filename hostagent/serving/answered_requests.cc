#include "hostagent/serving/answered_requests.h"

namespace entropyd {

void AnsweredRequests::Observe(int64_t now_nanos, ClassCounters* counters) {
  for (size_t i = 0; i < arrivals_.size(); ++i) {
    const int64_t wait = now_nanos - arrivals_[i];
    const size_t bucket = WaitBucket(wait);
    counters->waits[bucket].Add(1);
    counters->wait_sum_nanos.Add(static_cast<uint64_t>(wait));
    whose_[i]->Observe(bucket, wait);
  }
  arrivals_.clear();
  whose_.clear();
}

}  // namespace entropyd
