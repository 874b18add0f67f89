// `entropyctl demo`: certificates, a server, an agent and one EGD socket, for as long as somebody
// looks at them.
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <iostream>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/config/units.h"
#include "base/process/standard_output.h"
#include "base/text/quoting.h"
#include "client/ctl/command_status.h"
#include "client/ctl/commands.h"
#include "client/ctl/interrupt.h"
#include "client/demo/demo_guest.h"
#include "client/demo/demo_plan.h"
#include "client/demo/demo_stack.h"
#include "client/demo/demo_view.h"
#include "client/demo/demo_watch.h"
#include "client/egd_client.h"
#include "client/guest_boot/qemu_reconnect.h"
#include "client/process/scratch_dir.h"
#include "client/show/json_text.h"
#include "client/show/output.h"

namespace entropyd {
namespace {

// From both daemons being up to the agent's class being open: the sources' start-up tests and the
// pool's first seed lie between, at 10 kB/s of a slow generator well below this.
constexpr absl::Duration kReadyLimit = absl::Seconds(60);
// What the demo draws from its own socket before it says that it works.
constexpr uint64_t kSelfCheckBytes = 64 << 10;
constexpr absl::Duration kSelfCheckPatience = absl::Seconds(20);
constexpr absl::Duration kRefresh = absl::Seconds(1);
// Lines in a log rather than on a terminal: often enough to see that it lives.
constexpr int kQuietSeconds = 5;

class Demo {
 public:
  Demo(const DemoOptions& options, bool json, DemoPaths paths)
      : options_(options),
        json_(json),
        live_(!json && isatty(STDOUT_FILENO) == 1),
        paths_(std::move(paths)) {}

  // The whole demo but its directory. OK when everything it promised happened.
  absl::Status Run();
  uint64_t served() const { return last_.delivered(); }
  // `status`, unless the demo ended because nobody could hear it. A reader that goes when it has
  // seen enough is no error.
  absl::Status Judge(const absl::Status& status) const {
    if (!deaf_.has_value() || !(status.ok() || absl::IsCancelled(status))) return status;
    return status.ok() && *deaf_ == EPIPE ? status : StandardOutputError(*deaf_);
  }

 private:
  void Say(absl::string_view text) {
    if (!json_) Write(Lines(text));
  }
  void SayJson(const JsonObject& object) {
    if (json_) Write(object.ToString() + "\n");
  }
  void Write(absl::string_view text) {
    errno = 0;
    std::cout << text << std::flush;
    if (!std::cout && !deaf_.has_value()) deaf_ = errno;
  }

  absl::Status PrepareGuest();
  absl::Status WaitUntilReady();
  void PrintWelcome();
  absl::Status SelfCheck();
  absl::Status Watch();
  // Nobody reads what the demo says any more, or somebody has interrupted it.
  bool Ended(absl::Duration patience = absl::ZeroDuration()) {
    return !std::cout || interrupt_.Wait(patience);
  }
  void Look();
  bool Over(absl::Time start) const;
  void PrintGuest();

  const DemoOptions& options_;
  const bool json_;
  const bool live_;
  const DemoPaths paths_;
  absl::optional<int> deaf_;  // why the standard output takes no more
  Interrupt interrupt_;       // before anything that starts a thread
  DemoSources sources_;
  absl::optional<GuestBoot> boot_;
  std::unique_ptr<DemoStack> stack_;
  std::unique_ptr<DemoWatch> watch_;
  std::unique_ptr<DemoGuest> guest_;
  bool read_told_ = false;
  bool guest_told_ = false;
  LiveScreen screen_;
  absl::Time start_;
  DemoSnapshot last_;
  double rate_ = 0;
};

absl::Status Demo::PrepareGuest() {
  absl::StatusOr<GuestKernel> kernel = FindGuestKernel(options_.kernel);
  if (!kernel.ok()) return kernel.status();
  absl::StatusOr<std::string> init = FindGuestInit();
  if (!init.ok()) return init.status();
  boot_.emplace();
  boot_->kernel = *std::move(kernel);
  boot_->init = *std::move(init);
  boot_->socket = paths_.socket;
  boot_->bytes = options_.guest_bytes;
  boot_->accel = ParseAccel(options_.accel);
  return absl::OkStatus();
}

absl::Status Demo::WaitUntilReady() {
  const absl::Time deadline = absl::Now() + kReadyLimit;
  std::string state = "the agent does not answer";
  while (absl::Now() < deadline) {
    if (absl::Status alive = stack_->Check(); !alive.ok()) return alive;
    const DemoSnapshot now = watch_->Look();
    if (now.agent.has_value() && !now.agent->class_().empty()) {
      const auto& status = now.agent->class_(0);
      if (status.phase() == v1::PHASE_OPEN) return absl::OkStatus();
      state = absl::StrCat(status.class_(), " is not open: ", status.reason(), " ",
                           now.agent->last_error());
    }
    if (Ended(absl::Milliseconds(50))) return absl::CancelledError("interrupted");
  }
  return absl::DeadlineExceededError(
      absl::StrCat("not ready after ", absl::FormatDuration(kReadyLimit), ": ", state));
}

void Demo::PrintWelcome() {
  const std::string server = absl::StrCat("http://127.0.0.1:", stack_->server_http_port());
  const std::string agent = absl::StrCat("http://127.0.0.1:", stack_->agent_http_port());
  const std::string program = std::filesystem::read_symlink("/proc/self/exe").string();
  const std::string command =
      absl::StrCat(ShellWord(program), " --config ", ShellWord(paths_.client_yaml));
  const QemuReconnect reconnect = ReconnectOfInstalledQemu();
  SayJson(JsonObject()
              .Set("event", "ready")
              .Set("dir", paths_.dir)
              .Set("socket", paths_.socket)
              .Set("control", paths_.control)
              .Set("client_config", paths_.client_yaml)
              .Set("server", absl::StrCat("127.0.0.1:", stack_->server_grpc_port()))
              .Set("server_metrics", server + "/metrics")
              .Set("agent_metrics", agent + "/metrics")
              .Set("qemu", QemuOptions(paths_.socket, reconnect.option))
              .Set("qemu_note", reconnect.note)
              .Set("hwrng", sources_.hwrng)
              .Set("rdrand", sources_.rdrand)
              .Set("software_only", sources_.software_only()));
  Say(absl::StrCat(
      "EGD socket   ", paths_.socket, "\n\n", "QEMU         add to a guest's command line:\n",
      QemuOptions(paths_.socket, reconnect.option), "\n             (", reconnect.note, ")\n\n",
      "libvirt      add to a domain's <devices>:\n", LibvirtXml(paths_.socket),
      "             (its QEMU runs as another user: first chmod 711 ", ShellWord(paths_.dir), "\n",
      "             and chmod 666 ", ShellWord(paths_.socket), ")\n\n", "metrics      ", server,
      "/metrics  (entropyd)\n             ", agent, "/metrics  (entropyd-hostagent)\n\n",
      "try          ", command, " status\n             ", command, " get --bytes 32\n\n"));
}

absl::Status Demo::SelfCheck() {
  const absl::StatusOr<EgdDraw> draw =
      DrawFromEgd(paths_.socket, kSelfCheckBytes, kSelfCheckPatience);
  if (!draw.ok()) {
    return absl::Status(draw.status().code(),
                        absl::StrCat("self-check: ", draw.status().message()));
  }
  SayJson(JsonObject()
              .Set("event", "self_check")
              .Set("bytes", draw->bytes)
              .Set("seconds", draw->seconds)
              .Set("bytes_per_second", draw->bytes_per_second()));
  Say(absl::StrCat("self-check   ", FormatSize(static_cast<double>(draw->bytes)),
                   " read from the socket as an EGD client does: ",
                   FormatRate(draw->bytes_per_second()), "\n\n"));
  return absl::OkStatus();
}

void Demo::Look() {
  DemoSnapshot now = watch_->Look();
  now.seconds = absl::ToDoubleSeconds(absl::Now() - start_);
  if (guest_ != nullptr && !guest_->finished()) now.guest = guest_->Progress();
  rate_ = DeliveredRate(last_, now);
  if (!now.agent.has_value()) now.agent = last_.agent;  // what was served stays served
  last_ = std::move(now);
}

bool Demo::Over(absl::Time start) const {
  return options_.seconds > 0 && absl::Now() - start >= absl::Seconds(options_.seconds) &&
         (guest_ == nullptr || guest_->finished());
}

// Tells each part as soon as it is known.
void Demo::PrintGuest() {
  if (guest_ == nullptr || guest_told_) return;
  const auto with = guest_->with_device();
  if (with.has_value() && !read_told_) {
    if (live_) screen_.Clear();
    Say(DescribeDemoGuestRead(*with) + "\n");
    read_told_ = true;
  }
  if (!guest_->finished()) return;
  guest_told_ = true;
  if (live_) screen_.Clear();
  Say(DescribeDemoGuestSeeding(*guest_) + "\n");
  const auto without = guest_->without_device();
  JsonObject json;
  json.Set("event", "guest");
  if (with.has_value() && with->ok()) json.SetRaw("with_device", GuestReportJson(**with));
  if (without.has_value() && without->ok())
    json.SetRaw("without_device", GuestReportJson(**without));
  SayJson(json);
}

absl::Status Demo::Watch() {
  for (int tick = 0;; ++tick) {
    if (absl::Status alive = stack_->Check(); !alive.ok()) return alive;
    Look();
    PrintGuest();
    if (live_) screen_.Show(DemoLines(last_, rate_, TerminalColumns()));
    if (json_) Write(DemoTickJson(last_, rate_) + "\n");
    if (!json_ && !live_ && tick % kQuietSeconds == 0) Say(DemoLine(last_, rate_) + "\n");
    if (Over(start_)) break;
    const absl::Duration next = start_ + kRefresh * (tick + 1) - absl::Now();
    if (Ended(std::max(absl::ZeroDuration(), next))) break;
  }
  if (guest_ == nullptr) return absl::OkStatus();
  if (guest_->finished()) return guest_->Verdict();
  Say("guest: interrupted\n");
  return absl::OkStatus();
}

absl::Status Demo::Run() {
  if (options_.guest) {
    if (absl::Status found = PrepareGuest(); !found.ok()) return found;
  }
  sources_ = ProbeDemoSources();
  Say(absl::StrCat("entropyd demo in ", paths_.dir, " (the demo removes it at the end)\n\n",
                   DescribeDemoSources(sources_), "\n"));
  absl::StatusOr<std::unique_ptr<DemoStack>> stack =
      DemoStack::Start(paths_, sources_, [this] { return Ended(); });
  if (!stack.ok()) return stack.status();
  stack_ = *std::move(stack);
  absl::StatusOr<std::unique_ptr<DemoWatch>> watch = DemoWatch::Create(paths_);
  if (!watch.ok()) return watch.status();
  watch_ = *std::move(watch);

  absl::Status status = WaitUntilReady();
  if (absl::IsDeadlineExceeded(status)) {
    status = absl::DeadlineExceededError(absl::StrCat(status.message(), stack_->LastWords()));
  }
  if (status.ok()) {
    PrintWelcome();
    status = SelfCheck();
  }
  if (status.ok()) {
    start_ = absl::Now();
    if (boot_.has_value()) guest_ = std::make_unique<DemoGuest>(*boot_);
    status = Watch();
    guest_.reset();  // its QEMU goes before the socket does
    if (stack_->Check().ok()) Look();
  }
  const absl::Status stopped = stack_->Stop();
  return status.ok() ? stopped : status;
}

// The daemons and the printed lines are to work from any directory.
DemoPaths PathsIn(const std::string& dir) {
  return DemoPaths(std::filesystem::absolute(dir).lexically_normal().string());
}

}  // namespace

int RunDemo(const DemoOptions& options, bool json) {
  // A demo whose output is closed shall end in order. Its daemons do not inherit this.
  signal(SIGPIPE, SIG_IGN);
  if (!options.dir.empty()) {
    const DemoPaths asked = PathsIn(options.dir);
    if (absl::Status status = asked.Check(); !status.ok()) return Fail(status);
    if (absl::Status status = asked.CheckPlace(); !status.ok()) return Fail(status);
  }
  absl::StatusOr<ScratchDir> dir =
      options.dir.empty() ? ScratchDir::Temporary("entropyd-demo") : ScratchDir::At(options.dir);
  if (!dir.ok()) return Fail(dir.status());
  DemoPaths paths = PathsIn(dir->path());
  absl::Status status = paths.Check();
  uint64_t served = 0;
  if (status.ok()) {
    Demo demo(options, json, std::move(paths));
    status = demo.Judge(demo.Run());
    served = demo.served();
  }
  const absl::Status removed = dir->Remove();
  if (status.ok()) status = removed;
  // Ended on request before there was anything to serve: neither well nor wrong.
  const bool interrupted = absl::IsCancelled(status);
  if (json) {
    JsonObject end;
    end.Set("event", "end").Set("ok", status.ok()).Set("served_bytes", served);
    if (!status.ok())
      end.Set("error", absl::string_view(status.message().data(), status.message().size()));
    std::cout << end.ToString() << std::endl;
  } else if (status.ok()) {
    std::cout << "demo: OK, " << served << " bytes served" << std::endl;
  } else {
    std::cout << "demo: " << (interrupted ? "interrupted" : "FAILED") << std::endl;
  }
  return status.ok() ? kExitOk : Fail(status);
}

}  // namespace entropyd
