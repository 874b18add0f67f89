// Boots a test guest under QEMU, and reports what it read and when the generator of its kernel was
// seeded. The guest has Debian's cloud kernel, an initramfs with one program
// (client/guest_boot/guest_init.c), a processor without RDRAND, and virtio-rng on an EGD socket or
// no generator at all.
//
//   GuestBoot boot;
//   boot.kernel = FindGuestKernel("").value();
//   boot.socket = "/run/entropyd/egd.sock";
//   boot.bytes = 65536;
//   GuestReport report = BootGuest(boot).value();
//
// Thread safety: functions without state; several guests may run at once, each in its own thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/guest_boot/guest_report.h"

namespace entropyd {

// What deploy/fetch-guest-kernel.sh leaves in a directory.
struct GuestKernel {
  std::string image;                 // path
  std::vector<std::string> modules;  // paths, in the order in which they load
  std::string version;
};

// Looks in `dir` if it is not empty; else in $ENTROPYD_GUEST_KERNEL if it is set; else in
// /usr/share/entropyd/guest and then in ${XDG_CACHE_HOME:-~/.cache}/entropyd/guest.
// Errors: NOT_FOUND with the command that fetches a kernel.
absl::StatusOr<GuestKernel> FindGuestKernel(absl::string_view dir);

// Finds the init of the guest: beside this program, or in ../lib/entropyd. Errors: NOT_FOUND.
absl::StatusOr<std::string> FindGuestInit();

// Makes the initramfs of the guest: the modules, and `init` (a path) as its only program. Errors:
// as ReadFile.
absl::StatusOr<std::string> BuildInitramfs(const GuestKernel& kernel, const std::string& init);

enum class GuestAccel {
  kAuto,  // KVM when it works here, else TCG
  kKvm,
  kTcg,
};
// "kvm", "tcg"; any other word leaves it to this machine.
GuestAccel ParseAccel(absl::string_view word);

// What to boot.
struct GuestBoot {
  GuestKernel kernel;
  std::string init;    // path of the guest's init program
  std::string socket;  // EGD socket; empty: a guest without any generator
  uint64_t bytes = 0;  // to read from /dev/hwrng, at most 64 MiB; needs a socket
  // QemuReconnect::option (client/guest_boot/qemu_reconnect.h). BootGuest() asks the QEMU that is
  // installed.
  std::string reconnect;
  std::string dump;  // file for the bytes read; empty = none
  GuestAccel accel = GuestAccel::kAuto;
  // How long the guest waits for its generator to be seeded before it goes on.
  absl::Duration seed_wait = absl::Seconds(25);
  // For the whole run. The boot takes 2-4 s under TCG on an idle machine; the rest is for busy
  // ones.
  absl::Duration limit = absl::Seconds(180);
  // Called about ten times a second; true ends the guest.
  std::function<bool()> cancelled;
};

// The command line of QEMU for one accelerator.
std::vector<std::string> QemuCommand(const GuestBoot& boot, absl::string_view accel,
                                     absl::string_view initrd, absl::string_view console);

// Boots the guest and waits for its end. Errors: NOT_FOUND (no QEMU), INTERNAL (QEMU or the guest
// failed; has their last words), DEADLINE_EXCEEDED, CANCELLED.
absl::StatusOr<GuestReport> BootGuest(const GuestBoot& boot);

// True when this machine's /dev/kvm can run the guest: it opens, speaks API version 12, and the
// processor has VMX or SVM.
bool KvmUsable();

}  // namespace entropyd
