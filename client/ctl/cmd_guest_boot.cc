#include <cstdio>

#include "absl/strings/str_cat.h"
#include "client/ctl/command_status.h"
#include "client/ctl/commands.h"
#include "client/ctl/interrupt.h"
#include "client/guest_boot/guest_boot.h"
#include "client/process/whole_file.h"
#include "client/show/output.h"

namespace entropyd {
namespace {

int WriteInitramfs(const GuestKernel& kernel, const std::string& init, const std::string& file) {
  const absl::StatusOr<std::string> image = BuildInitramfs(kernel, init);
  if (!image.ok()) return Fail(image.status());
  const absl::Status written = WriteFile(file, *image, 0644);
  return written.ok() ? kExitOk : Fail(written);
}

}  // namespace

int RunGuestBoot(const GuestBootOptions& options, bool json) {
  Interrupt interrupt;
  absl::StatusOr<GuestKernel> kernel = FindGuestKernel(options.kernel);
  if (!kernel.ok()) return Fail(kernel.status());
  absl::StatusOr<std::string> init = FindGuestInit();
  if (!init.ok()) return Fail(init.status());
  if (!options.initramfs.empty()) return WriteInitramfs(*kernel, *init, options.initramfs);

  GuestBoot boot;
  boot.kernel = *std::move(kernel);
  boot.init = *std::move(init);
  boot.socket = options.socket;
  boot.bytes = options.bytes;
  boot.dump = options.dump;
  boot.accel = ParseAccel(options.accel);
  boot.seed_wait = absl::Seconds(options.seed_wait_seconds);
  boot.limit = absl::Seconds(options.limit_seconds);
  boot.cancelled = [&interrupt] { return interrupt.Raised(); };

  absl::StatusOr<GuestReport> report = BootGuest(boot);
  if (!report.ok()) return Fail(report.status());
  if (json) {
    PrintJson(GuestReportJson(*report));
  } else {
    if (!options.socket.empty()) Print(OneLine("guest: " + DescribeGuestRead(*report)) + "\n");
    Print(OneLine(absl::StrCat("guest: kernel ", report->kernel, " (", report->accel,
                               "): ", DescribeGuestSeeding(*report))) +
          "\n");
  }
  const bool read_all = options.socket.empty() || report->bytes == options.bytes;
  return report->error.empty() && read_all ? kExitOk : kExitRuntime;
}

}  // namespace entropyd
