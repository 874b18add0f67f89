// Tells that a call takes long, while its caller waits for it.
//
//   SlowCall slow(tell_, server_, timeout);   // tells after kSlowAfter, unless it has ended then
//   status = stub->Get(&context, request, &response);
//
// Without somebody to tell, it does nothing. Otherwise it has a thread of its own until it ends,
// because gRPC's calls have no time to look at a clock.
//
// Errors: none; without a thread nobody is told.
//
// Thread safety: made and destroyed by one thread; `tell` runs on another one.
#pragma once

#include <functional>
#include <string>
#include <thread>

#include "absl/strings/string_view.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"

namespace entropyd {

class SlowCall {
 public:
  // A person begins to wonder then.
  static constexpr absl::Duration kSlowAfter = absl::Seconds(2);

  // `whom`: who has not answered yet. `limit`: how long the caller waits for it in all.
  using Tell = std::function<void(absl::string_view whom, absl::Duration limit)>;

  // `tell` outlives it; an empty one is nobody. A `limit` that is no longer than `after` tells
  // nothing: its error comes as soon.
  SlowCall(const Tell& tell, std::string whom, absl::Duration limit,
           absl::Duration after = kSlowAfter);
  ~SlowCall();

 private:
  absl::Notification ended_;
  std::thread thread_;
};

}  // namespace entropyd
