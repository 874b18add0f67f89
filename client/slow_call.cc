#include "client/slow_call.h"

#include <utility>

#include "base/process/thread.h"

namespace entropyd {

SlowCall::SlowCall(const Tell& tell, std::string whom, absl::Duration limit, absl::Duration after) {
  if (tell == nullptr || limit <= after) return;
  auto thread = StartThread([this, &tell, whom = std::move(whom), limit, after] {
    if (!ended_.WaitForNotificationWithTimeout(after)) tell(whom, limit);
  });
  // Without a thread nobody is told. The call itself does not need one.
  if (thread.ok()) thread_ = *std::move(thread);
}

SlowCall::~SlowCall() {
  ended_.Notify();
  if (thread_.joinable()) thread_.join();
}

}  // namespace entropyd
