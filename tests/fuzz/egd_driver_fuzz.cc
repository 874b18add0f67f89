// One input = what an upstream EGD daemon does, one byte each: answers so many bytes, answers all
// it owes, sends bytes that nobody asked for, hangs up; or what the source does: reads. See
// README.md.
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/process/fd.h"
#include "server/driver/egd_driver.h"
#include "tests/fuzz/check.h"
#include "tests/fuzz/input.h"

namespace entropyd {
namespace {

struct Daemon {
  Daemon() : path(absl::StrCat("/tmp/entropyd-fuzz-egd-", getpid())) {
    unlink(path.c_str());
    listener = UniqueFd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    FUZZ_CHECK(bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    FUZZ_CHECK(listen(listener.get(), 4) == 0);
  }
  ~Daemon() { unlink(path.c_str()); }

  const std::string path;
  UniqueFd listener;
};

// One connection, and the ledger of what went over it.
class Session {
 public:
  Session(const Daemon& daemon, EgdDriver* driver) : driver_(driver) {
    FUZZ_CHECK(driver_->Open().ok());
    socket_ = UniqueFd(accept4(daemon.listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    FUZZ_CHECK(socket_);
  }
  ~Session() { driver_->Close(); }

  // Answers up to so many of the bytes that it was asked for.
  void Answer(size_t bytes) {
    Listen();
    Send(std::min(bytes, owed_));
  }
  // Sends bytes whatever it was asked for.
  void Push(size_t bytes) {
    Listen();
    surplus_ |= bytes > owed_;
    Send(bytes);
  }
  void HangUp() {
    socket_.reset();
    gone_ = true;
  }

  // False when the connection is over.
  bool Read(size_t most) {
    std::vector<uint8_t> out(most + 1, kGuard);
    const absl::StatusOr<size_t> read = driver_->Read(absl::MakeSpan(out).first(most));
    if (!read.ok()) {
      // Only what the daemon did wrong ends a connection.
      FUZZ_CHECK(absl::IsUnavailable(read.status()));
      FUZZ_CHECK(surplus_ || gone_);
      return false;
    }
    FUZZ_CHECK(*read <= most && out[most] == kGuard);
    for (size_t i = 0; i < *read; ++i) FUZZ_CHECK(out[i] == static_cast<uint8_t>(got_++ % kCycle));
    FUZZ_CHECK(got_ <= sent_);
    FUZZ_CHECK(got_ <= asked_at_most_ + Unheard());
    return true;
  }

 private:
  static constexpr uint8_t kGuard = 0xfe;
  static constexpr uint8_t kCycle = 251;

  // Takes the requests that have come.
  void Listen() {
    uint8_t request[2];
    while (socket_ && recv(socket_.get(), request, 2, MSG_DONTWAIT) == 2) {
      FUZZ_CHECK(request[0] == 0x02 && request[1] > 0);
      // One request is under way at a time.
      FUZZ_CHECK(owed_ == 0 || surplus_);
      owed_ += request[1];
      asked_at_most_ += request[1];
    }
  }
  // What was asked for and not heard of yet.
  size_t Unheard() {
    Listen();
    return gone_ ? 255 : 0;
  }
  void Send(size_t bytes) {
    if (!socket_ || bytes == 0) return;
    std::vector<uint8_t> sent(bytes);
    for (uint8_t& byte : sent) byte = static_cast<uint8_t>(sent_++ % kCycle);
    FUZZ_CHECK(send(socket_.get(), sent.data(), bytes, MSG_NOSIGNAL) ==
               static_cast<ssize_t>(bytes));
    owed_ -= std::min(owed_, bytes);
  }

  EgdDriver* const driver_;
  UniqueFd socket_;
  size_t owed_ = 0;
  size_t asked_at_most_ = 0;
  size_t sent_ = 0;
  size_t got_ = 0;
  bool surplus_ = false;
  bool gone_ = false;
};

void Run(fuzz::Input input) {
  static const Daemon daemon;
  EgdDriver driver(daemon.path, "");
  auto session = std::make_unique<Session>(daemon, &driver);
  for (int step = 0; !input.done() && step < 64; ++step) {
    const uint8_t what = input.Byte();
    switch (what % 5) {
      case 0:
        session->Answer(what);
        break;
      case 1:
        session->Answer(size_t{255});
        break;
      case 2:
        if (!session->Read(size_t{1} + input.Byte())) {
          session.reset();
          session = std::make_unique<Session>(daemon, &driver);
        }
        break;
      case 3:
        session->Push(what);
        break;
      case 4:
        if (what > 240) session->HangUp();
        break;
    }
  }
}

}  // namespace
}  // namespace entropyd

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  entropyd::Run({data, size});
  return 0;
}
