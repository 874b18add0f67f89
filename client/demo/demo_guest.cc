#include "client/demo/demo_guest.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/process/thread.h"

namespace entropyd {
namespace {

std::string SeedingText(const absl::optional<absl::StatusOr<GuestReport>>& report) {
  if (!report.has_value()) return "not booted";
  if (!report->ok()) return std::string(report->status().message());
  return DescribeGuestSeeding(**report);
}

}  // namespace

DemoGuest::DemoGuest(GuestBoot boot) : bytes_(boot.bytes) {
  boot.cancelled = [this] { return cancelled_.load(); };
  absl::StatusOr<std::thread> thread = StartThread([this, boot = std::move(boot)] { Run(boot); });
  if (thread.ok()) {
    thread_ = *std::move(thread);
  } else {
    absl::MutexLock lock(&mutex_);
    with_ = thread.status();
    finished_ = true;
  }
}

DemoGuest::~DemoGuest() {
  cancelled_ = true;
  if (thread_.joinable()) thread_.join();
}

void DemoGuest::Run(GuestBoot boot) {
  absl::StatusOr<GuestReport> with = BootGuest(boot);
  const bool go_on = with.ok();
  if (with.ok()) {  // do not try a KVM twice that did not work
    boot.accel = ParseAccel(with->accel);
  }
  {
    absl::MutexLock lock(&mutex_);
    with_ = std::move(with);
  }
  absl::optional<absl::StatusOr<GuestReport>> without;
  if (go_on) {
    boot.socket.clear();
    without = BootGuest(boot);
  }
  absl::MutexLock lock(&mutex_);
  without_ = std::move(without);
  finished_ = true;
}

std::string DemoGuest::Progress() const {
  absl::MutexLock lock(&mutex_);
  if (finished_) return "done";
  return with_.has_value() ? "waiting for one without a device to be seeded"
                           : "booting with virtio-rng";
}

bool DemoGuest::finished() const {
  absl::MutexLock lock(&mutex_);
  return finished_;
}

absl::optional<absl::StatusOr<GuestReport>> DemoGuest::with_device() const {
  absl::MutexLock lock(&mutex_);
  return with_;
}

absl::optional<absl::StatusOr<GuestReport>> DemoGuest::without_device() const {
  absl::MutexLock lock(&mutex_);
  return without_;
}

absl::Status DemoGuest::Verdict() const {
  absl::MutexLock lock(&mutex_);
  if (!with_.has_value()) return absl::CancelledError("guest: interrupted");
  if (!with_->ok()) return with_->status();
  const GuestReport& report = **with_;
  if (!report.error.empty()) return absl::InternalError(absl::StrCat("guest: ", report.error));
  if (report.bytes != bytes_ || report.sha256.empty()) {
    return absl::DataLossError(
        absl::StrCat("guest: read ", report.bytes, " of ", bytes_, " bytes from /dev/hwrng"));
  }
  if (!report.crng_seconds.has_value()) {
    return absl::InternalError(
        "guest: its kernel was not seeded, although the guest had the device");
  }
  if (!without_.has_value()) return absl::CancelledError("guest: interrupted");
  return without_->status();
}

std::string DescribeDemoGuestRead(const absl::StatusOr<GuestReport>& with_device) {
  return absl::StrCat("guest: ",
                      with_device.ok() ? DescribeGuestRead(*with_device)
                                       : std::string(with_device.status().message()),
                      "\n");
}

std::string DescribeDemoGuestSeeding(const DemoGuest& guest) {
  const auto with = guest.with_device();
  if (!with.has_value() || !with->ok()) return "";
  return absl::StrCat("guest: Linux ", (*with)->kernel, " under QEMU (", (*with)->accel,
                      "), no RDRAND; its kernel's generator\n", "         with virtio-rng     ",
                      SeedingText(with), "\n", "         without any device  ",
                      SeedingText(guest.without_device()), "\n");
}

}  // namespace entropyd
