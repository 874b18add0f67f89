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
  pipe->feed = *std::move(feed);
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
  kernel_ = *std::move(feed);
  return absl::OkStatus();
}

void Feeds::Wait(Pipe* pipe, const absl::Status& why) {
  if (std::exchange(pipe->problem, why) == why) return;
  LogWaiting(pipe->wanted.pipe.path, why, "mend what the reason names", connections_->host()->log);
}

std::vector<Feed*> Feeds::all() const {
  std::vector<Feed*> all;
  for (const Pipe& pipe : pipes_) {
    if (pipe.feed != nullptr) all.push_back(pipe.feed.get());
  }
  if (kernel_ != nullptr) all.push_back(kernel_.get());
  return all;
}

absl::Status Feeds::OpenAndStart(Pipe* pipe) {
  if (absl::Status status = OpenPipe(pipe); !status.ok()) return status;
  absl::Status status = StartOne(pipe->feed.get());
  if (!status.ok()) pipe->feed.reset();
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
    left_.push_back(std::move(pipe.feed));
    if (left_.size() > kMaxLeft) DropOneLeft();
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
  for (Feed* const feed : all()) {
    if (auto status = StartOne(feed); !status.ok()) return status;
  }
  return absl::OkStatus();
}

void Feeds::StartWhatCan() {
  for (Feed* const feed : all()) {
    absl::Status status = StartOne(feed);
    if (status.ok()) continue;
    connections_->host()->log->Error("tap.closed", {{"tap", feed->name()}, {"reason", status}});
    for (Pipe& pipe : pipes_) {
      if (pipe.feed.get() == feed) pipe.problem = status;
    }
  }
  for (Pipe& pipe : pipes_) {
    if (pipe.feed != nullptr && !pipe.problem.ok()) pipe.feed.reset();
  }
}

void Feeds::LeaveAccounts(const Feed& feed) {
  if (feed.id() == 0) return;
  accounts_->Leave(feed.account(), feed.totals(), connections_->host()->loop->now_nanos());
}

void Feeds::Close() {
  for (const Feed* const feed : all()) LeaveAccounts(*feed);
  pipes_.clear();
  left_.clear();
  kernel_.reset();
}

void Feeds::MeasureRates(double seconds) {
  for (Feed* const feed : all()) feed->MeasureRate(seconds);
}

}  // namespace entropyd
