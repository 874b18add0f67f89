// One class as this host serves it: the buffer, the queue of its members, the local fallback, and
// the counters. Bytes age here and nowhere else.
//
//   auto gold = ServedClass::Create(settings, nullptr, &counters, &arena, &clock, &log).value();
//   gold->queue()->Add(&member);           // guests and feeds
//   gold->buffer()->Append(bytes);         // upstream; then
//   gold->OnArrival();
//   gold->OnUpstream(state);               // whenever it has changed
//   gold->Serve(now);                      // after each turn's events
//   timer.Set(gold->next_nanos());
//
// Errors: of Create() only.
//
// Thread safety: none; belongs to the event loop's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "base/class_tree/class_tree.h"
#include "base/crypto/secret_bytes.h"
#include "base/crypto/seed_provider.h"
#include "base/process/clock.h"
#include "base/process/nanos.h"
#include "base/telemetry/log.h"
#include "hostagent/serving/answered_requests.h"
#include "hostagent/serving/class_buffer.h"
#include "hostagent/serving/class_counters.h"
#include "hostagent/serving/class_filler.h"
#include "hostagent/serving/clone_guard.h"
#include "hostagent/serving/fair_queue.h"
#include "hostagent/serving/filler_news.h"
#include "hostagent/serving/guarded_buffer.h"
#include "hostagent/serving/local_fallback.h"
#include "hostagent/serving/rate_meter.h"
#include "hostagent/serving/upstream_state.h"

namespace entropyd {

class ServedClass;

struct ClassSettings {
  // POOL/CLASS.
  std::string name;
  size_t buffer_bytes = 0;
  int64_t max_age_nanos = 0;
  // In bytes/s; ClassTree::kUnlimited = none.
  uint64_t guest_ceil = 0;
  OnUpstreamLoss on_upstream_loss = OnUpstreamLoss::kBlock;

  // The most that such a class uses of its arena.
  size_t ArenaBytes() const;
};

// Wants to know which classes a server refuses. The guests of these may be served elsewhere.
class RefusalWatcher {
 public:
  virtual ~RefusalWatcher() = default;

  // A server has spoken of the class. `why`: it refuses it; empty = it does not. It may be what the
  // server had said before. REQUIRES: not within a pass of FairQueue.
  virtual void OnServerSaid(const ServedClass& served, const std::string& why) = 0;
};

class ServedClass final : public FilledClass {
 public:
  // OnUpstreamLoss::kLocal needs `provider`. All pointers outlive the class. Errors:
  // RESOURCE_EXHAUSTED (arena), INTERNAL (the DRBG).
  static absl::StatusOr<std::unique_ptr<ServedClass>> Create(
      const ClassSettings& settings, std::shared_ptr<const SeedProvider> provider,
      ClassCounters* counters, SecretArena* arena, const Clock* clock, Log* log);
  ServedClass(const ServedClass&) = delete;
  ServedClass& operator=(const ServedClass&) = delete;

  const std::string& name() const { return settings_.name; }
  const ClassSettings& settings() const { return settings_; }
  FairQueue* queue() { return &queue_; }
  const FairQueue& queue() const { return queue_; }
  // What fills and judges the buffer uses it. Members take by Take().
  ClassBuffer* buffer() override { return fallback_.get(); }
  // Moves out up to out.size() bytes for a member, and returns how many. Two copies of this process
  // move out different bytes (CloneGuard).
  size_t Take(absl::Span<uint8_t> out);
  const LocalFallback& fallback() const { return *fallback_; }
  ClassCounters* counters() const { return counters_; }
  // Bytes/s delivered, over a few seconds.
  double rate() const { return rate_.rate(); }

  // Down, from upstream; see FilledClass.
  void OnArrival() override;
  void OnUpstream(const UpstreamState& state) override;
  void SetFiller(ClassFiller* filler) override { news_.SetFiller(filler); }
  // Sets who is told which servers refuse the class; nullptr = nobody. OnUpstream() tells it last.
  void SetRefusalWatcher(RefusalWatcher* watcher) { refusal_watcher_ = watcher; }

  // From now on the class's bytes leave through `guard`, which outlives the class; nullptr = as
  // they came.
  void SetCloneGuard(CloneGuard* guard) { way_out_.SetGuard(guard); }

  // Serves every member that can be served. Then it tells its filler, if the buffer may want more
  // or the number of guests has changed. While members wait for the next turn only, it tells it
  // when the buffer is down to a quarter. As many classes as `sharers` share what one turn may do.
  void Serve(int64_t now_nanos, uint32_t sharers = 1);
  // Serve() has members to serve, or may have them, because it finds out that upstream is lost.
  bool HasWork(int64_t now_nanos) const { return MembersWait(now_nanos) || LossIsDue(now_nanos); }
  // When to call Serve() although no event came: a ceiling allows the next bytes, or upstream
  // counts as lost. kNever = at no time. After Serve(), HasWork() asks for another turn at once.
  int64_t next_nanos() const;
  // Drops what another copy of this process may have, if the machine was resumed, and tells the
  // filler. Take() and Tick() look, too.
  void LookForResume();
  // Call it about once a second: bytes age, and the buffer's target shrinks.
  void Tick(int64_t now_nanos);

  // Where a member tells which requests it has answered. Observed in the next Serve().
  AnsweredRequests* answered() { return &answered_; }

  // This many guests are about to come from another process, and want this many bytes to be there:
  // the buffer is filled as if they were here. Zeros: they have come.
  void Expect(uint32_t guests, uint64_t bytes);
  // The buffer is filled to low water for what is expected.
  bool filled() const { return fallback_->level() >= expected_bytes_ / 2; }
  // How long all guests that ever were here waited for their ceilings only, exactly.
  int64_t throttled_nanos(int64_t now_nanos) const;
  // The counters were set to those of an earlier process, whose guests waited so long.
  void GoOnFrom(int64_t throttled_nanos);

 private:
  ServedClass(const ClassSettings& settings, std::unique_ptr<LocalFallback> fallback,
              ClassCounters* counters, const Clock* clock, Log* log);
  void Pass(int64_t now_nanos, uint32_t sharers);
  bool MembersWait(int64_t now_nanos) const {
    return due_ || queue_.pending() || now_nanos >= ceiling_at_;
  }
  bool LossIsDue(int64_t now_nanos) const;
  // Serves guests whom the loss of upstream, or its end, lets have bytes. Without sharers the class
  // has had its part of this turn, and serves them in the next one.
  void Judge(int64_t now_nanos, uint32_t sharers);
  bool Concerned() const;
  void ObserveWaits() { answered_.Observe(clock_->NowNanos(), counters_); }

  const ClassSettings settings_;
  ClassCounters* const counters_;
  const Clock* const clock_;
  const std::unique_ptr<LocalFallback> fallback_;
  GuardedBuffer way_out_;
  FairQueue queue_;
  FillerNews news_;
  RefusalWatcher* refusal_watcher_ = nullptr;
  // In this turn.
  AnsweredRequests answered_;
  UpstreamState upstream_;
  // A pass is due, although no guest was touched.
  bool due_ = false;
  // Upstream's state has changed, or upstream has sent bytes.
  bool judge_ = true;
  int64_t served_at_ = 0;
  // When a ceiling allows the next bytes: a guest's, or in a loss that of the class.
  int64_t ceiling_at_ = kNever;
  // See Expect().
  uint32_t expected_guests_ = 0;
  uint64_t expected_bytes_ = 0;
  // In an earlier process.
  uint64_t throttled_before_ = 0;
  RateMeter rate_;
  int64_t rated_at_;
};

}  // namespace entropyd
