#include "server/source/leaving_sources.h"

#include <utility>

namespace entropyd {

void LeavingSources::Add(std::vector<std::shared_ptr<SourceThread>> threads) {
  for (const auto& thread : threads) thread->BeginStop();
  const absl::Time deadline = absl::Now() + kGrace;
  for (const auto& thread : threads) {
    if (!thread->AwaitEnd(deadline)) thread->source()->Abandon();
  }
  const int64_t now = clock_->NowNanos();
  absl::MutexLock lock(&mutex_);
  for (auto& thread : threads) leaving_.push_back({std::move(thread), now});
}

void LeavingSources::Reap() {
  const absl::Time end = absl::Now() + kReapTime;
  while (ReapOne() && absl::Now() < end) {
  }
}

bool LeavingSources::ReapOne() {
  std::list<Leaving> ended;  // goes after the lock: that may take time
  absl::MutexLock lock(&mutex_);
  for (auto it = leaving_.begin(); it != leaving_.end();) {
    const auto one = it++;
    if (!one->thread->ended()) {
      Tell(&*one);
    } else if (ended.empty()) {
      ended.splice(ended.begin(), leaving_, one);
    }
  }
  if (!ended.empty() && ended.front().told) {
    log_->Info("source.ended", {{"source", ended.front().thread->source()->spec().name}});
  }
  return !ended.empty();
}

void LeavingSources::Tell(Leaving* one) const {
  if (one->told || clock_->NowNanos() - one->since_nanos < kPatienceNanos) return;
  one->told = true;
  log_->Warning("source.hangs",
                {{"source", one->thread->source()->spec().name},
                 {"reason",
                  "it was changed or taken out of the configuration, and its device keeps its "
                  "thread in a call"},
                 {"remedy",
                  "reset or unplug the device; until the call returns, the device may "
                  "stay open, and nobody else may be able to open it; if it never "
                  "returns, restart the server"}});
}

bool LeavingSources::Stop(std::vector<std::shared_ptr<SourceThread>> others, absl::Time deadline) {
  std::list<Leaving> all;
  {
    absl::MutexLock lock(&mutex_);
    all.swap(leaving_);
  }
  for (auto& thread : others) all.push_back({std::move(thread), clock_->NowNanos()});
  for (const Leaving& one : all) one.thread->source()->SetSinks({});
  for (const Leaving& one : all) one.thread->BeginStop();
  for (auto it = all.begin(); it != all.end();) {
    SourceThread* const thread = it->thread.get();
    if (thread->AwaitEnd(deadline)) {
      thread->Stop();
      it = all.erase(it);
      continue;
    }
    thread->source()->Abandon();
    log_->Warning(
        "source.hangs",
        {{"source", thread->source()->spec().name},
         {"reason", "a call into its device does not return; the server stops without it"},
         {"remedy", "reset or unplug the device"}});
    ++it;
  }
  const bool ended = all.empty();
  absl::MutexLock lock(&mutex_);
  leaving_.splice(leaving_.end(), all);
  return ended;
}

size_t LeavingSources::size() const {
  absl::MutexLock lock(&mutex_);
  return leaving_.size();
}

}  // namespace entropyd
