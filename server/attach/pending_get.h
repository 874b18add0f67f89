// One Get: a member of its class for as long as it waits.
//
// Thread safety: belongs to the dispatcher's owner once kStart has been posted.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "proto/entropy.pb.h"
#include "server/attach/session.h"
#include "server/dispatch/mailbox.h"
#include "server/dispatch/outlet.h"

namespace entropyd {

class PendingGet final : public MailNode, public Demand {
 public:
  static constexpr uint32_t kMaxBytes = 32 * 1024;  // one message's payload

  enum Event : uint32_t {
    kStart = 1 << 0,
    kCancelled = 1 << 1,  // the caller gave up, or its deadline has passed
    kDead = 1 << 2,       // the outlet's last word
  };

  struct Request {
    std::string identity;
    std::string name;  // POOL/CLASS
    uint32_t bytes = 0;
    v1::Quality min_quality = v1::QUALITY_UNSPECIFIED;
  };

  explicit PendingGet(Request asked) : MailNode(Kind::kGet), request(std::move(asked)) {
    get = this;
  }

  const Request request;
  std::unique_ptr<Outlet> outlet;
  uint32_t planned = 0;          // granted by the tree in this pass
  uint32_t filled = 0;           // drawn into `reply` in earlier passes
  uint64_t seed_generation = 0;  // of the newest bytes in it
  MessageBuffer reply;           // made with the first grant
  int64_t deadline_nanos = 0;
  bool done = false;  // answered; only kDead is still to come
  size_t index = 0;   // in the dispatcher's list
};

}  // namespace entropyd
