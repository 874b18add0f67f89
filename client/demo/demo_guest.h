// The demo's test guest, in the background: booted once with virtio-rng on the demo's socket and
// once without any generator.
//
// Errors: of each run, in its result: those of BootGuest(), and of StartThread().
//
// Thread safety: safe; the guests run on a thread of their own.
#pragma once

#include <atomic>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/optional.h"
#include "client/guest_boot/guest_boot.h"

namespace entropyd {

class DemoGuest {
 public:
  // `boot` says what the guest with the device does; the other one differs only in having none.
  explicit DemoGuest(GuestBoot boot);
  ~DemoGuest();  // cancels, and waits for QEMU's end

  // Its current step, in a few words.
  std::string Progress() const;
  bool finished() const;
  // Each as soon as it is there.
  absl::optional<absl::StatusOr<GuestReport>> with_device() const;
  absl::optional<absl::StatusOr<GuestReport>> without_device() const;
  // OK when both guests came to their end, the one read what it should, and it was seeded.
  // REQUIRES: finished().
  absl::Status Verdict() const;

 private:
  void Run(GuestBoot boot);

  const uint64_t bytes_;
  std::atomic<bool> cancelled_{false};
  mutable absl::Mutex mutex_;
  absl::optional<absl::StatusOr<GuestReport>> with_ ABSL_GUARDED_BY(mutex_);
  absl::optional<absl::StatusOr<GuestReport>> without_ ABSL_GUARDED_BY(mutex_);
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

// What the guest with the device read, or why it did not; one line, ended.
std::string DescribeDemoGuestRead(const absl::StatusOr<GuestReport>& with_device);
// The question that the demo answers, on one screen: how long the guest's kernel took to be seeded
// with the device and without. Several lines, each ended; empty when there was no guest to speak
// of.
std::string DescribeDemoGuestSeeding(const DemoGuest& guest);

}  // namespace entropyd
