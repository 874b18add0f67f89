#include "hostagent/feed/feeds.h"

#include <utility>

#include "hostagent/endpoint/listener.h"
#include "hostagent/endpoint/socket_directory.h"

namespace entropyd {

Feeds::Feeds(Connections* connections, std::vector<ServedClass*> classes, GuestAccounts* accounts)
    : connections_(connections), classes_(std::move(classes)), accounts_(accounts) {}

absl::Status Feeds::OpenPipe(const Options::Pipe& wanted) {
  auto pipe = FifoFeed::Open(wanted.pipe, connections_->host(), classes_[wanted.class_index]);
  if (!pipe.ok()) return pipe.status();
  all_.push_back(*std::move(pipe));
  return absl::OkStatus();
}

absl::Status Feeds::OpenAll(const Options& options, bool may_wait) {
  for (const Options::Pipe& wanted : options.pipes) {
    absl::Status status = OpenPipe(wanted);
    if (status.ok()) continue;
    if (!may_wait || CheckSocketDirectory(wanted.pipe.path).ok()) return status;
    Wait(&waiting_.emplace_back(Waiting{wanted, absl::OkStatus()}), status);
  }
  if (!options.kernel.has_value()) return absl::OkStatus();
  ServedClass* const from = classes_[options.kernel->class_index];
  KernelFeed::Options kernel = options.kernel->feed;
  kernel.full_entropy = [from] { return from->fallback().full_entropy(); };
  auto feed =
      KernelFeed::Open(std::move(kernel), connections_->host(), from, options.kernel->counters);
  if (!feed.ok()) return feed.status();
  all_.push_back(*std::move(feed));
  return absl::OkStatus();
}

void Feeds::Wait(Waiting* pipe, const absl::Status& why) {
  if (std::exchange(pipe->problem, why) == why) return;
  LogWaiting(pipe->wanted.pipe.path, why, "mend what the reason names", connections_->host()->log);
}

void Feeds::OpenWaiting() {
  for (auto pipe = waiting_.begin(); pipe != waiting_.end();) {
    absl::Status status = OpenPipe(pipe->wanted);
    if (status.ok()) {
      status = StartOne(all_.back().get());
      if (!status.ok()) all_.pop_back();
    }
    if (!status.ok()) Wait(&*pipe, status);
    pipe = status.ok() ? waiting_.erase(pipe) : pipe + 1;
  }
}

absl::Status Feeds::problem(const std::string& pipe) const {
  for (const Waiting& waiting : waiting_) {
    if (waiting.wanted.pipe.path == pipe) return waiting.problem;
  }
  return absl::OkStatus();
}

absl::Status Feeds::StartOne(Feed* feed) {
  if (auto status = feed->Start(); !status.ok()) return status;
  feed->set_id(connections_->TakeId());
  accounts_->Join(feed->account());
  connections_->host()->log->Info("tap.opened",
                                  {{"tap", feed->name()}, {"class", feed->served_class()->name()}});
  return absl::OkStatus();
}

absl::Status Feeds::Start() {
  for (const std::unique_ptr<Feed>& feed : all_) {
    if (auto status = StartOne(feed.get()); !status.ok()) return status;
  }
  return absl::OkStatus();
}

void Feeds::StartWhatCan() {
  for (const std::unique_ptr<Feed>& feed : all_) {
    if (auto status = StartOne(feed.get()); !status.ok()) {
      connections_->host()->log->Error("tap.closed", {{"tap", feed->name()}, {"reason", status}});
    }
  }
}

void Feeds::Close() {
  for (const std::unique_ptr<Feed>& feed : all_) {
    if (feed->id() != 0) {
      accounts_->Leave(feed->account(), feed->totals(), connections_->host()->loop->now_nanos());
    }
  }
  all_.clear();
  waiting_.clear();
}

void Feeds::MeasureRates(double seconds) {
  for (const std::unique_ptr<Feed>& feed : all_) feed->MeasureRate(seconds);
}

}  // namespace entropyd
