// What takes bytes without connecting: pipes, and the kernel of this host.
#include <utility>

#include "hostagent/feed/fifo_feed.h"
#include "hostagent/feed/kernel_feed.h"
#include "hostagent/guest_service.h"

namespace entropyd {

absl::Status GuestService::OpenFeeds() {
  for (const AgentSettings::Socket& socket : settings_.listeners) {
    if (socket.fifo.empty()) continue;
    auto fifo = FifoFeed::Open({socket.fifo, socket.mode, socket.group}, &host_,
                               ClassOf(socket.class_index));
    if (!fifo.ok()) return fifo.status();
    feeds_.push_back(*std::move(fifo));
  }
  if (!settings_.kernel_feed.has_value()) return absl::OkStatus();
  const AgentSettings::KernelFeed& wanted = *settings_.kernel_feed;
  KernelFeed::Options options;
  options.bytes = wanted.bytes;
  options.every_nanos = wanted.every_nanos;
  options.credit_bits = wanted.credit_bits;
  options.full_entropy = [buffer = classes_[wanted.class_index]->buffer.get()] {
    return buffer->full_entropy();
  };
  auto feed = KernelFeed::Open(std::move(options), &host_, ClassOf(wanted.class_index), metrics_);
  if (!feed.ok()) return feed.status();
  feeds_.push_back(*std::move(feed));
  return absl::OkStatus();
}

absl::Status GuestService::StartFeed(Feed* feed) {
  if (auto status = feed->Start(); !status.ok()) return status;
  feed->set_id(next_guest_++);
  accounts_.Join(KeyOf(*feed));
  log_->Info("tap.opened",
             {{"tap", feed->name()}, {"class", settings_.classes[feed->class_index()].name}});
  return absl::OkStatus();
}

GuestAccounts::Key GuestService::KeyOf(const Feed& feed) {
  return {feed.name(), "", feed.class_index()};
}

}  // namespace entropyd
