#include "client/process/child_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "base/process/fd.h"

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif

namespace entropyd {
namespace {

// Runs between fork and exec: async-signal-safe calls only.
[[noreturn]] void BecomeChild(char* const* argv, int null_fd, int output_fd, int log_fd,
                              int error_fd, pid_t parent) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) _exit(127);  // the parent died before the line above
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGPIPE, SIG_DFL);
  dup2(null_fd, STDIN_FILENO);
  dup2(output_fd, STDOUT_FILENO);
  dup2(log_fd, STDERR_FILENO);
  close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
  execvp(argv[0], argv);
  const int error = errno;
  (void)!write(error_fd, &error, sizeof(error));
  _exit(127);
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
  std::vector<char*> raw;
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

  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) return ErrnoStatus(errno, absl::StrCat("start ", argv[0]));
  if (pid == 0) {
    BecomeChild(raw.data(), null_fd.get(), output_fd->get(), log_fd->get(), write_end.get(),
                parent);
  }
  write_end.reset();

  // The pipe closes at exec. If exec fails, the reason comes through the pipe.
  int error = 0;
  ssize_t got;
  do {
    got = read(read_end.get(), &error, sizeof(error));
  } while (got < 0 && errno == EINTR);
  std::unique_ptr<ChildProcess> child(new ChildProcess(pid, argv[0]));
  if (got == sizeof(error)) return ErrnoStatus(error, absl::StrCat("start ", argv[0]));
  return child;
}

ChildProcess::~ChildProcess() { Stop(absl::Seconds(1)); }

absl::optional<std::string> ChildProcess::Exited() {
  if (!wait_status_.has_value()) {
    int status = 0;
    const pid_t got = waitpid(pid_, &status, WNOHANG);
    if (got == 0 || (got < 0 && errno == EINTR)) return absl::nullopt;
    wait_status_ = got == pid_ ? status : 0;
  }
  if (WIFSIGNALED(*wait_status_)) {
    return absl::StrCat("killed by signal ", WTERMSIG(*wait_status_));
  }
  return absl::StrCat("exited with status ", WEXITSTATUS(*wait_status_));
}

bool ChildProcess::Succeeded() {
  Exited();
  return wait_status_.has_value() && WIFEXITED(*wait_status_) && WEXITSTATUS(*wait_status_) == 0;
}

void ChildProcess::Stop(absl::Duration grace) {
  if (Exited().has_value()) return;
  kill(pid_, SIGTERM);
  const absl::Time deadline = absl::Now() + grace;
  while (absl::Now() < deadline) {
    if (Exited().has_value()) return;
    absl::SleepFor(absl::Milliseconds(5));
  }
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
