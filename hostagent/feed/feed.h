// A member of a class without a connection: a named pipe, or the kernel of this host. It wants as
// many bytes as it has room for, and puts there what its class gives. The class is charged, and
// guest_ceil applies, as with any guest. This class knows how to be a FairQueue::Member. A subclass
// knows where the bytes go.
//
//   class Bucket final : public Feed {
//     uint64_t Room() const override { return size_ - level_; }  // Touch() when it has grown
//     void Put(absl::Span<uint8_t> bytes) override { … }         // wiped when it returns
//   };
//
// Errors: the subclass's, from Start().
//
// Thread safety: none; belongs to the event loop's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "hostagent/guest/connection.h"
#include "hostagent/guest/guest_accounts.h"
#include "hostagent/guest/guest_totals.h"
#include "hostagent/serving/fair_queue.h"
#include "hostagent/serving/rate_meter.h"
#include "hostagent/serving/served_class.h"

namespace entropyd {

class Feed : public FairQueue::Member {
 public:
  // The subclass may write to this room in front of the bytes of Put(). It is for the header of a
  // system call, so that no secret is copied to follow one.
  static constexpr size_t kHeadroom = 8;
  static constexpr size_t kMaxPut = Connection::kStagingBytes - kHeadroom;

  // Accounts and `entropyctl guests` show `name`. Host and class outlive the feed.
  Feed(std::string name, ConnectionHost* host, ServedClass* served_class);
  // Leaves its class. Not within a pass of FairQueue.
  virtual ~Feed();

  // Joins the class. Until then others can see at most that the feed made a file. Errors: the
  // subclass's.
  virtual absl::Status Start() = 0;

  uint64_t Want() override { return Room() - planned_; }
  uint32_t Plan(uint32_t bytes) override;
  FairQueue::After Deliver() override;

  const std::string& name() const { return name_; }
  ServedClass* served_class() const { return class_; }
  // The key of its figures.
  GuestAccounts::Key account() const { return {GuestKey::Named(name_), class_->name()}; }
  // Among connections.
  uint64_t id() const { return id_; }
  void set_id(uint64_t id) { id_ = id; }
  int64_t started_at_nanos() const { return started_at_; }
  uint64_t owed() const { return started_ ? Room() - planned_ : 0; }
  GuestTotals totals() const;
  // The tokens of its ceiling, in nano-bytes; absent where it has none, and before Start(). Another
  // process starts it with this many.
  absl::optional<int64_t> nano_tokens() const;
  void StartWith(int64_t nano_tokens) { carried_tokens_ = nano_tokens; }
  // Call it about once a second: measures the bytes per second of the last few seconds.
  void MeasureRate(double seconds) { rate_.Measure(delivered_, seconds); }
  double rate() const { return rate_.rate(); }

 protected:
  // The bytes that it would take now, kMaxPut at most.
  virtual uint64_t Room() const = 0;
  // Gets bytes that it has room for. They are wiped when it returns.
  virtual void Put(absl::Span<uint8_t> bytes) = 0;

  void Join();
  // Room() has changed, other than by Put().
  void Touch();
  ConnectionHost* host() const { return host_; }

 private:
  const std::string name_;
  ConnectionHost* const host_;
  ServedClass* const class_;
  uint64_t id_ = 0;
  FairQueue::Id member_ = 0;
  bool started_ = false;
  int64_t started_at_ = 0;
  absl::optional<int64_t> carried_tokens_;
  uint32_t planned_ = 0;
  uint64_t delivered_ = 0;
  RateMeter rate_;
};

}  // namespace entropyd
