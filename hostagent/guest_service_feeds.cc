// What takes bytes without connecting: pipes, and the kernel of this host.
#include <utility>

#include "hostagent/feed/fifo_feed.h"
#include "hostagent/feed/kernel_feed.h"
#include "hostagent/guest_service.h"

namespace entropyd {

absl::Status GuestService::OpenTaps() {
  for (const AgentSettings::Socket& socket : settings_.listeners) {
    if (socket.fifo.empty()) continue;
    auto fifo = FifoTap::Open({socket.fifo, socket.mode, socket.group}, &host_,
                              ClassOf(socket.class_index));
    if (!fifo.ok()) return fifo.status();
    taps_.push_back(*std::move(fifo));
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
  taps_.push_back(*std::move(feed));
  return absl::OkStatus();
}

absl::Status GuestService::StartTap(Tap* tap) {
  if (auto status = tap->Start(); !status.ok()) return status;
  tap->set_id(next_guest_++);
  accounts_.Join(KeyOf(*tap));
  log_->Info("tap.opened",
             {{"tap", tap->name()}, {"class", settings_.classes[tap->class_index()].name}});
  return absl::OkStatus();
}

GuestAccounts::Key GuestService::KeyOf(const Tap& tap) {
  return {tap.name(), "", tap.class_index()};
}

}  // namespace entropyd
