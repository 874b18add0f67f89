// Endpoints in a directory of their own, without anybody who serves who comes in.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "base/process/fd.h"
#include "base/telemetry/log.h"
#include "gtest/gtest.h"
#include "hostagent/endpoint/endpoints.h"
#include "tests/temp_dir.h"

namespace entropyd {

inline bool TryToConnect(const std::string& path) {
  const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  return connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
}

inline config::v1::GuestSocket Named(const std::string& name, const std::string& class_name = "",
                                     const std::string& path = "") {
  config::v1::GuestSocket socket;
  socket.set_name(name);
  socket.set_class_(class_name);
  socket.set_path(path);
  return socket;
}

// Endpoints alone: the callback gets each socket with the id of its endpoint.
class EndpointsTest : public testing::Test {
 protected:
  EndpointsTest() {
    for (const char* name : {"0.sock", "1.sock"}) {
      EndpointSettings settings;
      settings.path = dir_ / name;
      settings.mode = 0600;
      options_.configured.push_back(settings);
    }
    options_.classes = {"default/gold", "default/bulk"};
    options_.guest_socket_dir = dir_ / "guest";
    options_.most_guest_sockets = 2;
  }
  Endpoints& Made() {
    endpoints_ = std::make_unique<Endpoints>(
        options_, loop_.get(), &log_,
        [this](Endpoints::Id id, UniqueFd) { accepted_.push_back(id); },
        [](const absl::Status&) {});
    return *endpoints_;
  }
  static config::v1::GuestSocket Guest(const std::string& name) {
    config::v1::GuestSocket socket;
    socket.set_name(name);
    return socket;
  }

  TempDir dir_;
  ManualClock clock_;
  Log log_{&clock_, -1};
  std::unique_ptr<EventLoop> loop_ = EventLoop::Create(&clock_).value();
  Endpoints::Options options_;
  std::vector<Endpoints::Id> accepted_;
  std::unique_ptr<Endpoints> endpoints_;
};

}  // namespace entropyd
