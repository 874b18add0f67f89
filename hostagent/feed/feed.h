// A member of a class that nobody connects to: a named pipe, the kernel of this host. What it has
// room for it wants, and what its class allots to it is put there, charged to the class and within
// its guest_ceil as with any guest. Knows how to be a FairQueue::Member; where bytes go is a
// subclass's.
//
//   class Bucket final : public Feed {
//     uint64_t Room() const override { return size_ - level_; }  // Touch() when it has grown
//     void Put(absl::Span<uint8_t> bytes) override { … }         // wiped when it returns
//   };
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
  // Room in front of the bytes of Put() that is the subclass's to write to: the header of a system
  // call, so that no secret is copied to stand behind one.
  static constexpr size_t kHeadroom = 8;
  static constexpr size_t kMaxPut = Connection::kStagingBytes - kHeadroom;

  // `name` is what accounts and `entropyctl guests` call it. The host outlives it, its class, too.
  Feed(std::string name, ConnectionHost* host, ServedClass* served_class);
  virtual ~Feed();  // leaves its class; not within a pass of FairQueue

  // Joins the class; until then the feed has done nothing that others could see but to make a file.
  // Errors: the subclass's.
  virtual absl::Status Start() = 0;

  uint64_t Want() override { return Room() - planned_; }
  uint32_t Plan(uint32_t bytes) override;
  FairQueue::After Deliver() override;

  const std::string& name() const { return name_; }
  ServedClass* served_class() const { return class_; }
  // What its figures are kept under.
  GuestAccounts::Key account() const { return {{name_, "", 0}, class_->index()}; }
  uint64_t id() const { return id_; }  // among guests
  void set_id(uint64_t id) { id_ = id; }
  int64_t started_at_nanos() const { return started_at_; }
  uint64_t owed() const { return started_ ? Room() - planned_ : 0; }
  GuestTotals totals() const;
  // What it may have at once of its ceiling, in nano-bytes; absent where it has none, and before
  // Start(). Another process starts it with so many.
  absl::optional<int64_t> nano_tokens() const;
  void StartWith(int64_t nano_tokens) { carried_tokens_ = nano_tokens; }
  // About once a second: the bytes per second that it got in the last few.
  void MeasureRate(double seconds) { rate_.Measure(delivered_, seconds); }
  double rate() const { return rate_.rate(); }

 protected:
  // Bytes that it would take now, kMaxPut at most.
  virtual uint64_t Room() const = 0;
  virtual void Put(absl::Span<uint8_t> bytes) = 0;

  void Join();
  void Touch();  // Room() has changed other than by Put()
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
