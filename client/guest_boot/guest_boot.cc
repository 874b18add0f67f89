#include "client/guest_boot/guest_boot.h"

#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "base/process/fd.h"
#include "base/text/quoting.h"
#include "client/guest_boot/initramfs.h"
#include "client/guest_boot/qemu_reconnect.h"
#include "client/process/child_process.h"
#include "client/process/scratch_dir.h"
#include "client/process/whole_file.h"

namespace entropyd {
namespace {

constexpr char kGuestQemu[] = "qemu-system-x86_64";

// A guest under KVM reaches init in about a second. After this time without a word, KVM counts as
// broken; nested KVM may be.
constexpr absl::Duration kKvmSilence = absl::Seconds(12);
constexpr absl::Duration kPoll = absl::Milliseconds(100);

constexpr absl::string_view kFetchHint =
    "fetch one with deploy/fetch-guest-kernel.sh (no root needed), or name a directory that it "
    "filled with --kernel or ENTROPYD_GUEST_KERNEL";

absl::StatusOr<GuestKernel> KernelIn(const std::string& dir) {
  GuestKernel kernel;
  absl::StatusOr<std::string> version = ReadFile(absl::StrCat(dir, "/version"));
  absl::StatusOr<std::string> list = ReadFile(absl::StrCat(dir, "/modules.list"));
  kernel.image = absl::StrCat(dir, "/vmlinuz");
  if (!version.ok() || !list.ok() || access(kernel.image.c_str(), R_OK) != 0) {
    return absl::NotFoundError(absl::StrCat("no guest kernel in ", dir, "; ", kFetchHint));
  }
  kernel.version = std::string(absl::StripAsciiWhitespace(*version));
  for (absl::string_view name : absl::StrSplit(*list, '\n', absl::SkipWhitespace())) {
    kernel.modules.push_back(absl::StrCat(dir, "/modules/", name));
  }
  return kernel;
}

// Why a guest gave no report, with the last words of QEMU and of its console.
absl::Status Failure(absl::StatusCode code, absl::string_view what, const ScratchDir& dir) {
  std::string words;
  for (absl::string_view name : {"qemu.log", "console.log"}) {
    const std::string tail = LastLines(dir.File(name), 5);
    if (!tail.empty()) absl::StrAppend(&words, "\n  ", name, ": ", tail);
  }
  return absl::Status(code, absl::StrCat("boot guest: ", what, words));
}

// Tries one accelerator. UNAVAILABLE: it does not work on this machine.
absl::StatusOr<GuestReport> BootOnce(const GuestBoot& boot, bool kvm, const ScratchDir& dir) {
  const std::string console = dir.File("console.log");
  unlink(console.c_str());
  absl::StatusOr<std::unique_ptr<ChildProcess>> qemu = ChildProcess::Start(
      QemuCommand(boot, kvm ? "kvm" : "tcg", dir.File("initramfs.cpio"), console),
      dir.File("qemu.log"));
  if (!qemu.ok()) {
    return absl::Status(
        qemu.status().code(),
        absl::StrCat(qemu.status().message(), "; install it: apt-get install qemu-system-x86"));
  }
  const absl::Time start = absl::Now();
  for (;;) {
    const absl::optional<std::string> exited = (*qemu)->Exited();
    GuestReport report = ParseGuestConsole(ReadFile(console).value_or(""));
    report.accel = kvm ? "kvm" : "tcg";
    if (report.done && exited.has_value()) return report;
    if (exited.has_value()) {
      return Failure(kvm && !report.init_seconds.has_value() ? absl::StatusCode::kUnavailable
                                                             : absl::StatusCode::kInternal,
                     absl::StrCat("QEMU ", *exited, " before the guest was done"), dir);
    }
    if (boot.cancelled && boot.cancelled()) return absl::CancelledError("boot guest: cancelled");
    const absl::Duration passed = absl::Now() - start;
    if (kvm && !report.init_seconds.has_value() && passed > kKvmSilence) {
      return Failure(
          absl::StatusCode::kUnavailable,
          absl::StrCat("a guest under KVM said nothing for ", absl::FormatDuration(kKvmSilence)),
          dir);
    }
    if (passed > boot.limit) {
      return Failure(absl::StatusCode::kDeadlineExceeded,
                     absl::StrCat("not done after ", absl::FormatDuration(boot.limit)), dir);
    }
    (*qemu)->ExitedBy(absl::Now() + kPoll);
  }
}

}  // namespace

absl::StatusOr<GuestKernel> FindGuestKernel(absl::string_view dir) {
  if (!dir.empty()) return KernelIn(std::string(dir));
  const char* named = getenv("ENTROPYD_GUEST_KERNEL");
  if (named != nullptr && *named != '\0') return KernelIn(named);
  absl::StatusOr<GuestKernel> installed = KernelIn("/usr/share/entropyd/guest");
  if (installed.ok()) return installed;
  const char* cache = getenv("XDG_CACHE_HOME");
  const char* home = getenv("HOME");
  if (cache != nullptr && *cache != '\0') return KernelIn(absl::StrCat(cache, "/entropyd/guest"));
  return KernelIn(absl::StrCat(home != nullptr ? home : "", "/.cache/entropyd/guest"));
}

GuestAccel ParseAccel(absl::string_view word) {
  if (word == "kvm") return GuestAccel::kKvm;
  return word == "tcg" ? GuestAccel::kTcg : GuestAccel::kAuto;
}

absl::StatusOr<std::string> FindGuestInit() {
  const std::string here = OwnDirectory();
  for (absl::string_view dir : {"", "/../lib/entropyd", "/../libexec/entropyd"}) {
    std::string path = absl::StrCat(here, dir, "/entropyd-guest-init");
    if (access(path.c_str(), R_OK) == 0) return path;
  }
  return absl::NotFoundError(absl::StrCat("no entropyd-guest-init beside ", here,
                                          "/entropyctl; build it with the target of that name"));
}

absl::StatusOr<std::string> BuildInitramfs(const GuestKernel& kernel, const std::string& init) {
  Initramfs image;
  absl::StatusOr<std::string> program = ReadFile(init);
  if (!program.ok()) return program.status();
  image.AddDirectory("dev");
  image.AddCharDevice("dev/console", 0600, 5, 1);  // the kernel opens it before init mounts /dev
  image.AddFile("init", 0755, *program);
  image.AddDirectory("modules");
  std::string list;
  for (const std::string& path : kernel.modules) {
    absl::StatusOr<std::string> module = ReadFile(path);
    if (!module.ok()) return module.status();
    const std::string name = path.substr(path.rfind('/') + 1);
    image.AddFile(absl::StrCat("modules/", name), 0644, *module);
    absl::StrAppend(&list, name, "\n");
  }
  image.AddFile("modules.list", 0644, list);
  return std::move(image).Finish();
}

bool KvmUsable() {
  UniqueFd kvm(open("/dev/kvm", O_RDWR | O_CLOEXEC));
  if (!kvm || ioctl(kvm.get(), KVM_GET_API_VERSION, 0) != KVM_API_VERSION) return false;
  const std::string cpu = ReadFile("/proc/cpuinfo").value_or("");
  const size_t flags = cpu.find("\nflags");
  if (flags == std::string::npos) return false;
  const std::string line =
      absl::StrCat(cpu.substr(flags + 1, cpu.find('\n', flags + 1) - flags - 1), " ");
  return absl::StrContains(line, " vmx ") || absl::StrContains(line, " svm ");
}

std::vector<std::string> QemuCommand(const GuestBoot& boot, absl::string_view accel,
                                     absl::string_view initrd, absl::string_view console) {
  // The kernel must not seed itself from the processor or from the seed of QEMU's boot loader: the
  // test shows how it does without them. panic=-1 with -no-reboot ends QEMU.
  std::string append = absl::StrCat(
      "console=ttyS0 quiet panic=-1 random.trust_cpu=0 random.trust_bootloader=0 entropyd.bytes=",
      boot.socket.empty() ? 0 : boot.bytes,
      " entropyd.wait=", absl::ToInt64Seconds(boot.seed_wait));
  if (!boot.dump.empty()) absl::StrAppend(&append, " entropyd.dump=1");
  std::vector<std::string> argv = {kGuestQemu,
                                   "-accel",
                                   std::string(accel),
                                   "-cpu",
                                   "qemu64,-rdrand,-rdseed",
                                   "-m",
                                   "256",
                                   "-nodefaults",
                                   "-no-user-config",
                                   "-no-reboot",
                                   "-display",
                                   "none",
                                   "-kernel",
                                   boot.kernel.image,
                                   "-initrd",
                                   std::string(initrd),
                                   "-append",
                                   append,
                                   "-chardev",
                                   absl::StrCat("file,id=console,path=", QemuValue(console)),
                                   "-serial",
                                   "chardev:console"};
  if (!boot.dump.empty()) {
    argv.insert(argv.end(), {"-chardev", absl::StrCat("file,id=dump,path=", QemuValue(boot.dump)),
                             "-serial", "chardev:dump"});
  }
  if (!boot.socket.empty()) {
    argv.insert(argv.end(),
                {"-chardev",
                 absl::StrCat("socket,id=egd,path=", QemuValue(boot.socket), ",", boot.reconnect),
                 "-object", "rng-egd,id=rng0,chardev=egd", "-device", "virtio-rng-pci,rng=rng0"});
  }
  return argv;
}

absl::StatusOr<GuestReport> BootGuest(const GuestBoot& asked) {
  GuestBoot boot = asked;
  if (!boot.socket.empty()) boot.reconnect = ReconnectOfInstalledQemu({kGuestQemu}).option;
  absl::StatusOr<ScratchDir> dir = ScratchDir::Temporary("entropyd-guest");
  if (!dir.ok()) return dir.status();
  absl::StatusOr<std::string> initramfs = BuildInitramfs(boot.kernel, boot.init);
  if (!initramfs.ok()) return initramfs.status();
  absl::Status written = WriteFile(dir->File("initramfs.cpio"), *initramfs, 0600);
  if (!written.ok()) return written;
  if (!boot.dump.empty()) {  // QEMU would make it readable for everybody
    if (absl::Status made = WriteFile(boot.dump, "", 0600); !made.ok()) return made;
  }

  const bool try_kvm =
      boot.accel == GuestAccel::kKvm || (boot.accel == GuestAccel::kAuto && KvmUsable());
  if (try_kvm) {
    absl::StatusOr<GuestReport> report = BootOnce(boot, true, *dir);
    if (!absl::IsUnavailable(report.status())) return report;
    if (boot.accel == GuestAccel::kKvm) {
      return absl::InternalError(absl::StrCat(report.status().message(), "\n  try --accel tcg"));
    }
  }
  return BootOnce(boot, false, *dir);
}

}  // namespace entropyd
