#include "hostagent/identity/identity_thread.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <utility>

#include "base/process/thread.h"

namespace entropyd {

absl::StatusOr<std::unique_ptr<IdentityThread>> IdentityThread::Start(
    const std::string& libvirt_dir, Deliver deliver, Log* log) {
  UniqueFd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake) return ErrnoStatus(errno, "create eventfd");
  std::unique_ptr<IdentityThread> made(
      new IdentityThread(libvirt_dir, std::move(wake), std::move(deliver), log));
  auto thread = StartThread([raw = made.get()] { raw->Run(); });
  if (!thread.ok()) return thread.status();
  made->thread_ = *std::move(thread);
  return made;
}

IdentityThread::IdentityThread(const std::string& libvirt_dir, UniqueFd wake, Deliver deliver,
                               Log* log)
    : wake_(std::move(wake)), deliver_(std::move(deliver)), directory_(libvirt_dir, log) {}

IdentityThread::~IdentityThread() {
  {
    absl::MutexLock lock(&mutex_);
    stop_ = true;
  }
  eventfd_write(wake_.get(), 1);
  if (thread_.joinable()) thread_.join();
}

void IdentityThread::Ask(IdentityQuestion question) {
  bool first;
  {
    absl::MutexLock lock(&mutex_);
    first = held_.empty() && served_.empty();
    (question.held ? served_ : held_).Drop(question.connection);
    (question.held ? held_ : served_).Put(std::move(question));
  }
  if (first) eventfd_write(wake_.get(), 1);
}

void IdentityThread::Withdraw(uint64_t connection) {
  absl::MutexLock lock(&mutex_);
  held_.Drop(connection);
  served_.Drop(connection);
}

void IdentityThread::Run() {
  while (true) {
    Turn();
    {
      absl::MutexLock lock(&mutex_);
      if (stop_) return;
      if (!held_.empty() || !served_.empty()) continue;
    }
    Wait();
  }
}

void IdentityThread::Wait() {
  pollfd fds[] = {{wake_.get(), POLLIN, 0}, {directory_.fd(), POLLIN, 0}};
  poll(fds, 2, directory_.fd() >= 0 ? -1 : kLookMillis);
  eventfd_t ignored;
  eventfd_read(wake_.get(), &ignored);
}

void IdentityThread::Line::Put(IdentityQuestion question) {
  const uint64_t connection = question.connection;
  questions_.insert_or_assign(connection, std::move(question));
}

IdentityQuestion IdentityThread::Line::Take() {
  auto next = questions_.upper_bound(last_taken_);
  if (next == questions_.end() || next->first > round_end_) {
    next = questions_.begin();
    round_end_ = questions_.rbegin()->first;
  }
  last_taken_ = next->first;
  IdentityQuestion taken = std::move(next->second);
  questions_.erase(next);
  return taken;
}

std::vector<IdentityQuestion> IdentityThread::TakeQuestions() {
  std::vector<IdentityQuestion> taken;
  absl::MutexLock lock(&mutex_);
  const size_t most_held = kQuestionsPerTurn - (served_.empty() ? 0 : kServedPerTurn);
  while (taken.size() < most_held && !held_.empty()) taken.push_back(held_.Take());
  while (taken.size() < kQuestionsPerTurn && !served_.empty()) taken.push_back(served_.Take());
  return taken;
}

void IdentityThread::Turn() {
  std::vector<IdentityQuestion> questions = TakeQuestions();
  // After taking the questions: so it knows all that libvirt wrote before those peers connected.
  std::vector<int32_t> changed;
  directory_.Refresh(&changed);
  std::vector<IdentityNews> news;
  for (IdentityQuestion& question : questions) {
    IdentityNews answer;
    answer.connection = question.connection;
    answer.pid = question.pin.pid;
    answer.identity = FindIdentity(&question.pin, question.how, directory_);
    answer.start_ticks = question.pin.start_ticks;
    news.push_back(std::move(answer));
  }
  for (int32_t pid : changed) {
    IdentityNews change;
    change.pid = pid;
    news.push_back(std::move(change));
  }
  if (!news.empty()) deliver_(std::move(news));
}

}  // namespace entropyd
