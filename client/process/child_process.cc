#include "client/process/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <ctime>
#include <fstream>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "base/process/await_ready.h"

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif

namespace entropyd {
namespace {

// How long programs have for an orderly end when nobody waits for it any more. Longer than the
// host agent and the server need (5 s).
constexpr time_t kOrphansGrace = 8;

// What the new process needs to become the program.
struct Plan {
  char* const* argv;
  int null_fd;
  int output_fd;
  int log_fd;
  int error_fd;  // takes the errno of an exec that failed
};

// Between fork and exec only async-signal-safe calls are allowed: another thread of the parent may
// have held any lock. This holds for all of the functions down to RunKeeper().

[[noreturn]] void BecomeProgram(const Plan& plan) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGPIPE, SIG_DFL);
  dup2(plan.null_fd, STDIN_FILENO);
  dup2(plan.output_fd, STDOUT_FILENO);
  dup2(plan.log_fd, STDERR_FILENO);
  close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
  execvp(plan.argv[0], plan.argv);
  const int error = errno;
  (void)!write(plan.error_fd, &error, sizeof(error));
  _exit(127);
}

void EndWith(pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) _exit(127);  // the parent died before the line above
}

// Ends this process as `status` says that another one ended.
[[noreturn]] void EndAs(int status) {
  if (WIFSIGNALED(status)) {
    prctl(PR_SET_DUMPABLE, 0);  // the other one has dumped its core, if it was to
    const int number = WTERMSIG(status);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, number);
    signal(number, SIG_DFL);
    sigprocmask(SIG_UNBLOCK, &set, nullptr);
    raise(number);
  }
  _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 127);
}

// Waits for all processes of this group that are children of this one, and for those that become
// so when their parents end. `last` is how the last one ended. False: some live.
bool ReapGroup(int* last) {
  while (true) {
    int status = 0;
    const pid_t pid = waitpid(0, &status, WNOHANG);
    if (pid == 0) return false;
    if (pid < 0 && errno == EINTR) continue;
    if (pid < 0) return true;
    *last = status;
    if (status != 0) return true;  // what it leaves behind is nobody's successor
  }
}

// The keeper of a program. It stays until the program and all who succeed it have ended.
[[noreturn]] void RunKeeper(const Plan& plan, pid_t parent) {
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  sigset_t awaited;
  sigemptyset(&awaited);
  sigaddset(&awaited, SIGCHLD);
  sigaddset(&awaited, SIGTERM);
  sigprocmask(SIG_BLOCK, &awaited, nullptr);
  signal(SIGCHLD, SIG_DFL);  // were it ignored, nobody could be waited for
  const pid_t self = getpid();
  const pid_t program = _Fork();  // fork() would run the handlers of libraries
  if (program == 0) {
    EndWith(self);
    BecomeProgram(plan);
  }
  if (program < 0) {
    const int error = errno;
    (void)!write(plan.error_fd, &error, sizeof(error));
    _exit(127);
  }
  close_range(0, ~0U, 0);  // nobody shall wait for the end of a pipe that only the keeper holds

  int last = 0;
  bool asked = false;
  const timespec patience{kOrphansGrace, 0};
  while (!ReapGroup(&last)) {
    const bool orphaned = getppid() != parent;
    const int number = orphaned && asked ? sigtimedwait(&awaited, nullptr, &patience)
                                         : sigwaitinfo(&awaited, nullptr);
    if (number < 0 && errno == EAGAIN) kill(0, SIGKILL);  // this process, too
    if (number == SIGTERM && !asked) {
      asked = true;
      kill(0, SIGTERM);  // this process blocks it
    }
  }
  if (last != 0) kill(0, SIGTERM);  // all that are left
  EndAs(last);
}

absl::StatusOr<UniqueFd> OpenToAppend(const std::string& path) {
  UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!fd) return ErrnoStatus(errno, absl::StrCat("open ", path));
  return fd;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ChildProcess>> ChildProcess::Start(
    const std::vector<std::string>& argv, const std::string& log_path,
    const std::string& output_path) {
  return Launch(argv, log_path, output_path, Kind::kProgram);
}

absl::StatusOr<std::unique_ptr<ChildProcess>> ChildProcess::StartFollowed(
    const std::vector<std::string>& argv, const std::string& log_path) {
  return Launch(argv, log_path, "", Kind::kKeeper);
}

absl::StatusOr<std::unique_ptr<ChildProcess>> ChildProcess::Launch(
    const std::vector<std::string>& argv, const std::string& log_path,
    const std::string& output_path, Kind kind) {
  std::vector<char*> raw;
  raw.reserve(argv.size() + 1);
  for (const std::string& argument : argv) raw.push_back(const_cast<char*>(argument.c_str()));
  raw.push_back(nullptr);

  UniqueFd null_fd(open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (!null_fd) return ErrnoStatus(errno, "open /dev/null");
  absl::StatusOr<UniqueFd> log_fd = OpenToAppend(log_path);
  if (!log_fd.ok()) return log_fd.status();
  absl::StatusOr<UniqueFd> output_fd = OpenToAppend(output_path.empty() ? log_path : output_path);
  if (!output_fd.ok()) return output_fd.status();
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return ErrnoStatus(errno, "pipe");
  UniqueFd read_end(ends[0]);
  UniqueFd write_end(ends[1]);

  // Where it is ignored, as a parent may leave it, the kernel forgets a child that has ended.
  signal(SIGCHLD, SIG_DFL);
  const Plan plan{raw.data(), null_fd.get(), output_fd->get(), log_fd->get(), write_end.get()};
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) return ErrnoStatus(errno, absl::StrCat("start ", argv[0]));
  if (pid == 0) {
    setpgid(0, 0);
    EndWith(parent);
    if (kind == Kind::kKeeper) RunKeeper(plan, parent);
    BecomeProgram(plan);
  }
  write_end.reset();

  // The pipe closes at exec. If exec fails, the reason comes through the pipe.
  int error = 0;
  ssize_t got;
  do {
    got = read(read_end.get(), &error, sizeof(error));
  } while (got < 0 && errno == EINTR);
  UniqueFd end(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  const int no_end = end ? 0 : errno;
  std::unique_ptr<ChildProcess> child(new ChildProcess(pid, std::move(end), kind));
  if (got == sizeof(error)) return ErrnoStatus(error, absl::StrCat("start ", argv[0]));
  if (no_end != 0) return ErrnoStatus(no_end, absl::StrCat("watch ", argv[0]));
  return child;
}

ChildProcess::~ChildProcess() { Stop(absl::Seconds(1)); }

// A keeper ends last, unless somebody has killed it. Its number stands for its group, and for no
// other one, until it has been waited for.
void ChildProcess::EndTheGroup() const {
  if (kind_ == Kind::kKeeper) kill(-pid_, SIGKILL);
}

absl::optional<std::string> ChildProcess::Exited() {
  if (!wait_status_.has_value()) {
    siginfo_t info{};
    if (waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0) {
      if (info.si_pid == 0) return absl::nullopt;
      EndTheGroup();
    } else if (errno == EINTR) {
      return absl::nullopt;
    }
    int status = 0;
    wait_status_ = waitpid(pid_, &status, 0) == pid_ ? status : 0;
  }
  if (WIFSIGNALED(*wait_status_)) {
    return absl::StrCat("killed by signal ", WTERMSIG(*wait_status_));
  }
  return absl::StrCat("exited with status ", WEXITSTATUS(*wait_status_));
}

absl::optional<std::string> ChildProcess::ExitedBy(absl::Time deadline) {
  AwaitReady(end_.get(), POLLIN, deadline);
  return Exited();
}

bool ChildProcess::Succeeded() {
  Exited();
  return wait_status_.has_value() && WIFEXITED(*wait_status_) && WEXITSTATUS(*wait_status_) == 0;
}

void ChildProcess::Stop(absl::Duration grace) {
  if (Exited().has_value()) return;
  kill(pid_, SIGTERM);
  if (ExitedBy(absl::Now() + grace).has_value()) return;
  EndTheGroup();
  kill(pid_, SIGKILL);
  int status = 0;
  pid_t got;
  do {
    got = waitpid(pid_, &status, 0);
  } while (got < 0 && errno == EINTR);
  wait_status_ = status;
}

std::string LastLines(const std::string& path, int lines) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  std::vector<std::string> all = absl::StrSplit(text.str(), '\n', absl::SkipWhitespace());
  const size_t skip = all.size() > static_cast<size_t>(lines) ? all.size() - lines : 0;
  return absl::StrJoin(all.begin() + static_cast<std::ptrdiff_t>(skip), all.end(), "\n");
}

std::string OwnDirectory() {
  char path[PATH_MAX];
  const ssize_t length = readlink("/proc/self/exe", path, sizeof(path));
  if (length <= 0) return ".";
  const std::string whole(path, static_cast<size_t>(length));
  return whole.substr(0, whole.rfind('/'));
}

}  // namespace entropyd
