#include "hostagent/feed/feeds.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "hostagent/endpoint/listener.h"
#include "hostagent/endpoint/socket_directory.h"

namespace entropyd {

Feeds::Feeds(Connections* connections, std::vector<ServedClass*> classes, GuestAccounts* accounts)
    : connections_(connections), classes_(std::move(classes)), accounts_(accounts) {}

absl::Status Feeds::OpenPipe(Pipe* pipe) {
  auto feed =
      FifoFeed::Open(pipe->wanted.pipe, connections_->host(), classes_[pipe->wanted.class_index]);
  if (!feed.ok()) return feed.status();
  pipe->feed = feed->get();
  all_.push_back(*std::move(feed));
  return absl::OkStatus();
}

absl::Status Feeds::OpenAll(const Options& options, bool may_wait) {
  pipes_.reserve(options.pipes.size());
  for (const Options::Pipe& wanted : options.pipes) {
    Pipe& pipe = pipes_.emplace_back(Pipe{wanted, nullptr, absl::OkStatus()});
    absl::Status status = OpenPipe(&pipe);
    if (status.ok()) continue;
    if (!may_wait || CheckSocketDirectory(wanted.pipe.path).ok()) {
      pipes_.pop_back();
      return status;
    }
    Wait(&pipe, status);
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

void Feeds::Wait(Pipe* pipe, const absl::Status& why) {
  if (std::exchange(pipe->problem, why) == why) return;
  LogWaiting(pipe->wanted.pipe.path, why, "mend what the reason names", connections_->host()->log);
}

std::unique_ptr<Feed> Feeds::TakeOut(Pipe* pipe) {
  const auto at = std::find_if(all_.begin(), all_.end(), [pipe](const std::unique_ptr<Feed>& feed) {
    return feed.get() == pipe->feed;
  });
  std::unique_ptr<Feed> feed = std::move(*at);
  all_.erase(at);
  pipe->feed = nullptr;
  return feed;
}

absl::Status Feeds::OpenAndStart(Pipe* pipe) {
  if (absl::Status status = OpenPipe(pipe); !status.ok()) return status;
  absl::Status status = StartOne(pipe->feed);
  if (!status.ok()) TakeOut(pipe);
  return status;
}

void Feeds::OpenWaiting() {
  for (Pipe& pipe : pipes_) {
    if (pipe.feed != nullptr) continue;
    const absl::Status status = OpenAndStart(&pipe);
    if (status.ok()) {
      pipe.problem = status;
    } else {
      Wait(&pipe, status);
    }
  }
}

size_t Feeds::MakeLostAnew() {
  size_t lost = 0;
  for (Pipe& pipe : pipes_) {
    if (pipe.feed == nullptr || pipe.feed->id() == 0 || pipe.feed->IsItsFile()) continue;
    ++lost;
    LeaveAccounts(*pipe.feed);
    left_.emplace_back(static_cast<FifoFeed*>(TakeOut(&pipe).release()));
    if (left_.size() > kMostLeft) DropOneLeft();
    pipe.problem = OpenAndStart(&pipe);
    LogLost(pipe.wanted.pipe.path, pipe.problem, connections_->host()->log);
  }
  // A file that was away, with its file system, may be there again: then it is fed once.
  left_.erase(std::remove_if(left_.begin(), left_.end(),
                             [](const auto& feed) { return feed->IsItsFile(); }),
              left_.end());
  return lost;
}

void Feeds::DropOneLeft() {
  std::map<std::string, size_t> counts;
  for (const std::unique_ptr<FifoFeed>& feed : left_) ++counts[feed->name()];
  // The first of equals is the oldest.
  left_.erase(std::max_element(left_.begin(), left_.end(), [&counts](const auto& a, const auto& b) {
    return counts[a->name()] < counts[b->name()];
  }));
}

absl::Status Feeds::problem(const std::string& pipe) const {
  for (const Pipe& one : pipes_) {
    if (one.wanted.pipe.path == pipe) return one.problem;
  }
  return absl::OkStatus();
}

size_t Feeds::waiting() const {
  return static_cast<size_t>(std::count_if(pipes_.begin(), pipes_.end(),
                                           [](const Pipe& pipe) { return pipe.feed == nullptr; }));
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
    absl::Status status = StartOne(feed.get());
    if (status.ok()) continue;
    connections_->host()->log->Error("tap.closed", {{"tap", feed->name()}, {"reason", status}});
    for (Pipe& pipe : pipes_) {
      if (pipe.feed == feed.get()) pipe.problem = status;
    }
  }
  for (Pipe& pipe : pipes_) {
    if (pipe.feed != nullptr && !pipe.problem.ok()) TakeOut(&pipe);
  }
}

void Feeds::LeaveAccounts(const Feed& feed) {
  if (feed.id() == 0) return;
  accounts_->Leave(feed.account(), feed.totals(), connections_->host()->loop->now_nanos());
}

void Feeds::Close() {
  for (const std::unique_ptr<Feed>& feed : all_) LeaveAccounts(*feed);
  pipes_.clear();
  left_.clear();
  all_.clear();
}

void Feeds::MeasureRates(double seconds) {
  for (const std::unique_ptr<Feed>& feed : all_) feed->MeasureRate(seconds);
}

}  // namespace entropyd
