// What takes bytes without connecting: pipes.
#include <utility>

#include "hostagent/fifo_tap.h"
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
