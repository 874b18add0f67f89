#include "base/telemetry/log_writer.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <deque>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "base/process/bounded_write.h"
#include "base/process/fd.h"

namespace entropyd {
namespace {

// The thread only polls and writes. The rest is for thread-local data of libraries, which glibc
// takes from the stack.
constexpr size_t kStackBytes = 256 << 10;
// A descriptor that does not block, and says that it has room but takes nothing, is asked again
// after this time.
constexpr int kAgainMillis = 10;

}  // namespace

struct LogWriter::State : public std::enable_shared_from_this<State> {
  // What Put() takes at once.
  struct Entry {
    std::string told;    // may be empty
    uint64_t tells = 0;  // lines that `told` speaks of
    std::string line;    // empty when only `told` is to be written
    size_t size() const { return told.size() + line.size(); }
  };

  State(int f, size_t m) : fd(f), max_bytes(m) {}

  static void* Run(void* shared);
  void WriteAll();
  bool WriteText(absl::string_view text);
  void StartThread() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  void Push(Entry entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) { return closing || !queue.empty(); }
  bool Empty() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) { return queue.empty() && !writing; }

  const int fd;
  const size_t max_bytes;
  // Readable when the thread must end. Made with the thread.
  UniqueFd wake;
  // The last write ended within a line. Only the thread uses it.
  bool mid_line = false;

  mutable absl::Mutex mutex;
  std::deque<Entry> queue ABSL_GUARDED_BY(mutex);
  // Of the queue and of what is being written.
  size_t bytes ABSL_GUARDED_BY(mutex) = 0;
  uint64_t dropped ABSL_GUARDED_BY(mutex) = 0;
  // The dropped lines that no line has told yet.
  uint64_t untold ABSL_GUARDED_BY(mutex) = 0;
  bool writing ABSL_GUARDED_BY(mutex) = false;
  bool closing ABSL_GUARDED_BY(mutex) = false;
  bool running ABSL_GUARDED_BY(mutex) = false;
  bool ended ABSL_GUARDED_BY(mutex) = false;
  pthread_t thread ABSL_GUARDED_BY(mutex) = {};
};

// A signal is for the threads that wait for it, and SIGPIPE for none.
void LogWriter::State::StartThread() {
  if (running) return;
  if (!wake) wake = UniqueFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake) return;  // the next line tries again
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kStackBytes);
  auto* const shared = new std::shared_ptr<State>(shared_from_this());
  pthread_sigmask(SIG_SETMASK, &all, &before);
  running = pthread_create(&thread, &attributes, &Run, shared) == 0;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  if (!running) delete shared;
}

void* LogWriter::State::Run(void* shared) {
  const std::unique_ptr<std::shared_ptr<State>> state(static_cast<std::shared_ptr<State>*>(shared));
  pthread_setname_np(pthread_self(), "log");
  (*state)->WriteAll();
  return nullptr;
}

void LogWriter::State::WriteAll() {
  while (true) {
    Entry entry;
    {
      absl::MutexLock lock(&mutex);
      mutex.Await(absl::Condition(this, &State::HasWork));
      if (closing) {
        ended = true;
        return;
      }
      entry = std::move(queue.front());
      queue.pop_front();
      writing = true;
    }
    const bool told = WriteText(entry.told);
    const bool written = told && WriteText(entry.line);
    absl::MutexLock lock(&mutex);
    bytes -= entry.size();
    writing = false;
    if (!told) untold += entry.tells;
    if (written || entry.line.empty()) continue;
    ++untold;
    ++dropped;
  }
}

bool LogWriter::State::WriteText(absl::string_view text) {
  if (text.empty()) return true;
  // What could not be ended must not run into the next line.
  std::string ended_first;
  if (mid_line) {
    ended_first = absl::StrCat("\n", text);
    text = ended_first;
  }
  while (!text.empty()) {
    if (!AwaitRoom(fd, wake.get(), -1)) return false;
    const ssize_t n = WriteFront(fd, text);
    if (n > 0) {
      mid_line = text[static_cast<size_t>(n) - 1] != '\n';
      text.remove_prefix(static_cast<size_t>(n));
    } else if (n < 0 && errno == EAGAIN) {
      poll(nullptr, 0, kAgainMillis);
    } else if (n == 0 || errno != EINTR) {
      return false;
    }
  }
  return true;
}

void LogWriter::State::Push(Entry entry) {
  bytes += entry.size();
  queue.push_back(std::move(entry));
  StartThread();
}

LogWriter::LogWriter(int fd, size_t max_bytes) : state_(std::make_shared<State>(fd, max_bytes)) {}

LogWriter::~LogWriter() {
  absl::MutexLock lock(&state_->mutex);
  state_->closing = true;
  if (!state_->running) return;
  const uint64_t one = 1;
  if (write(state_->wake.get(), &one, sizeof one) != sizeof one) return;
  // It hangs only when another process filled the pipe between poll() and write().
  if (state_->mutex.AwaitWithTimeout(absl::Condition(&state_->ended), kEndPatience)) {
    pthread_join(state_->thread, nullptr);
  } else {
    pthread_detach(state_->thread);
  }
}

void LogWriter::Put(std::string line, Told told) {
  absl::MutexLock lock(&state_->mutex);
  if (state_->bytes + line.size() > state_->max_bytes) {
    ++state_->untold;
    ++state_->dropped;
    return;
  }
  State::Entry entry;
  entry.line = std::move(line);
  entry.tells = std::exchange(state_->untold, 0);
  if (entry.tells > 0) entry.told = told(entry.tells);
  state_->Push(std::move(entry));
}

void LogWriter::Tell(Told told) {
  absl::MutexLock lock(&state_->mutex);
  if (state_->untold == 0) return;
  State::Entry entry;
  entry.tells = std::exchange(state_->untold, 0);
  entry.told = told(entry.tells);
  state_->Push(std::move(entry));
}

bool LogWriter::Flush(absl::Duration patience) {
  State* const state = state_.get();
  absl::MutexLock lock(&state->mutex);
  return state->mutex.AwaitWithTimeout(absl::Condition(state, &State::Empty), patience);
}

uint64_t LogWriter::dropped() const {
  absl::MutexLock lock(&state_->mutex);
  return state_->dropped;
}

}  // namespace entropyd
