#include "hostagent/handover/successor.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"

namespace entropyd {

absl::StatusOr<std::unique_ptr<Successor>> Successor::Spawn(
    const std::vector<std::string>& command, EventLoop* loop,
    std::function<void(const absl::Status&)> ended, const std::string& program) {
  std::vector<char*> words;
  words.reserve(command.size() + 1);
  for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  pid_t pid = 0;
  const std::string& file = program.empty() ? command[0] : program;
  auto last_words = LastWords::Create();
  if (!last_words.ok()) return last_words.status();
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  // A copy of a descriptor to itself stays open in the taker.
  posix_spawn_file_actions_adddup2(&actions, last_words->fd(), last_words->fd());
  const int error =
      posix_spawn(&pid, file.c_str(), &actions, nullptr, words.data(), last_words->environment());
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return ErrnoStatus(error, absl::StrCat("start ", file));
  last_words->Started();
  UniqueFd process(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (!process) {
    absl::Status status = ErrnoStatus(errno, "watch the new process");
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    return status;
  }
  std::unique_ptr<Successor> successor(
      new Successor(pid, std::move(process), *std::move(last_words), loop, std::move(ended)));
  if (auto status = successor->watch_.Begin(successor->process_.get(), EPOLLIN); !status.ok()) {
    successor->Kill();
    waitpid(pid, nullptr, 0);
    return status;
  }
  return successor;
}

Successor::Successor(pid_t pid, UniqueFd process, LastWords last_words, EventLoop* loop,
                     std::function<void(const absl::Status&)> ended)
    : pid_(pid),
      process_(std::move(process)),
      last_words_(std::move(last_words)),
      ended_(std::move(ended)),
      watch_(loop, this) {}

void Successor::Kill() { kill(pid_, SIGKILL); }

void Successor::Terminate() { kill(pid_, SIGTERM); }

void Successor::OnEvents(uint32_t) {
  int status = 0;
  if (waitpid(pid_, &status, WNOHANG) != pid_) return;
  watch_.End();
  const auto ended = ended_;  // it may destroy this
  std::string why = WIFSIGNALED(status)
                        ? absl::StrCat("the new process was ended by signal ", WTERMSIG(status))
                        : absl::StrCat("the new process ended with status ", WEXITSTATUS(status));
  if (const std::string last_words = last_words_.Read(); !last_words.empty()) {
    absl::StrAppend(&why, ": ", last_words);
  } else if (WIFEXITED(status)) {
    absl::StrAppend(&why, "; look for its messages in this agent's log");
  }
  // The exit status of the agent for a command line or a configuration that is wrong.
  constexpr int kWrongUsage = 2;
  const bool misconfigured = WIFEXITED(status) && WEXITSTATUS(status) == kWrongUsage;
  ended(misconfigured ? absl::InvalidArgumentError(why) : absl::AbortedError(why));
}

}  // namespace entropyd
