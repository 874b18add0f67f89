#include "server/rpc/open_calls.h"

#include <algorithm>
#include <utility>

namespace entropyd {
namespace {

absl::Status MayGoOn(const Gate& gate, const OpenCalls::Caller& caller) {
  absl::Status status = gate.Recheck(*caller.certificate, caller.call, caller.roles);
  if (status.ok() && caller.also != nullptr) status = caller.also();
  return status;
}

}  // namespace

void OpenCalls::Add(const Gate& gate, const Caller& caller, const std::shared_ptr<OpenCall>& call) {
  {
    absl::MutexLock lock(&mutex_);
    if (entries_.size() >= sweep_at_) {
      entries_.erase(std::remove_if(entries_.begin(), entries_.end(),
                                    [](const Entry& entry) { return entry.call.expired(); }),
                     entries_.end());
      sweep_at_ = std::max(kFewestSwept, 2 * entries_.size());
    }
    entries_.push_back({caller, call});
  }
  const absl::Status status = MayGoOn(gate, caller);
  if (!status.ok()) call->ShutOut(status);
}

void OpenCalls::Recheck(const Gate& gate) {
  std::vector<Entry> entries;
  {
    absl::MutexLock lock(&mutex_);
    entries = entries_;
  }
  for (const Entry& entry : entries) {
    const absl::Status status = MayGoOn(gate, entry.caller);
    if (status.ok()) continue;
    const std::shared_ptr<OpenCall> call = entry.call.lock();
    if (call != nullptr) call->ShutOut(status);
  }
}

}  // namespace entropyd
