#include "hostagent/reload.h"

#include <sys/stat.h>

#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "base/config/config.h"
#include "base/process/nanos.h"
#include "base/process/thread.h"
#include "google/protobuf/util/message_differencer.h"
#include "hostagent/agent_config.h"

namespace entropyd {

absl::StatusOr<config::v1::HostAgent> CheckReload(const std::string& config_path,
                                                  const std::string& control, const Clock* clock) {
  if (config_path.empty()) {
    return absl::FailedPreconditionError("reload: this agent was not started from a file");
  }
  config::v1::HostAgent config;
  config::Locations locations;
  absl::Status status = config::Load(config_path, &config, &locations);
  if (status.ok()) status = CheckAgentConfig(config, locations, clock).status();
  if (absl::StrContains(status.message(), "unknown key")) {
    return absl::Status(
        status.code(),
        absl::StrCat(status.message(), "\nIf the file is meant for a newer version than ",
                     ENTROPYD_VERSION, ", run `entropyctl agent upgrade`."));
  }
  if (!status.ok()) return status;
  if (config.control() == control) return config;
  return absl::FailedPreconditionError(
      locations
          .Error("control", absl::StrCat("the running agent has ", control,
                                         ", and its successors find it there: neither a reload nor "
                                         "`entropyctl agent upgrade` can change it; stop the agent "
                                         "and start it"))
          .message());
}

void ConfigOnDisk::ReloadFailed(const std::string& path, const absl::Status& why) {
  path_ = path;
  problem_ = why;
  looked_at_ = Version();
  Look();
}

void ConfigOnDisk::Look() {
  if (problem_.ok()) return;
  const Version now = Now();
  if (now == looked_at_) return;
  looked_at_ = now;
  config::v1::HostAgent config;
  config::Locations locations;
  if (!config::Load(path_, &config, &locations).ok()) return;
  if (google::protobuf::util::MessageDifferencer::Equals(config, in_use_)) {
    problem_ = absl::OkStatus();
  }
}

ConfigOnDisk::Version ConfigOnDisk::Now() const {
  struct stat file;
  if (stat(path_.c_str(), &file) != 0) return {};
  return {.inode = file.st_ino,
          .size = file.st_size,
          .changed_nanos = file.st_ctim.tv_sec * kSecondNanos + file.st_ctim.tv_nsec};
}

struct ReloadCheck::Shared {
  explicit Shared(EventLoop* l) : loop(l) {}
  // Nobody waits for the answer any more.
  void Leave() {
    absl::MutexLock lock(&mutex);
    loop = nullptr;
  }

  absl::Mutex mutex;
  EventLoop* loop ABSL_GUARDED_BY(mutex);
};

ReloadCheck::ReloadCheck(EventLoop* loop)
    : loop_(loop), patience_(loop, [this] {
        GiveUp(absl::DeadlineExceededError(absl::StrCat(
            "reload: the check of the configuration has not ended within ",
            kPatienceNanos / kSecondNanos,
            " s; look at the name service and at the disk of the files that it names")));
      }) {}

ReloadCheck::~ReloadCheck() {
  if (shared_ != nullptr) shared_->Leave();
}

void ReloadCheck::Start(std::function<Result()> check, Done done) {
  done_ = std::move(done);
  shared_ = std::make_shared<Shared>(loop_);
  auto thread = StartThread([this, shared = shared_, check = std::move(check)] {
    Result result = check();
    absl::MutexLock lock(&shared->mutex);
    if (shared->loop == nullptr) return;
    shared->loop->Post([this, shared, result = std::move(result)] {
      if (shared_ == shared) Finish(result);
    });
  });
  if (!thread.ok()) return Finish(thread.status());
  thread->detach();
  patience_.Set(loop_->now_nanos() + kPatienceNanos);
}

void ReloadCheck::GiveUp(const absl::Status& why) {
  if (busy()) Finish(why);
}

void ReloadCheck::Finish(const Result& result) {
  patience_.Set(kNever);
  std::exchange(shared_, nullptr)->Leave();
  const Done done = std::exchange(done_, nullptr);
  done(result);
}

}  // namespace entropyd
