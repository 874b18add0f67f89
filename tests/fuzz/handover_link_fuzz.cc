// One input = the bytes that one side of a handover writes to the other. See README.md.
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "base/process/fd.h"
#include "hostagent/guest/egd_session.h"
#include "hostagent/handover/handover_link.h"
#include "hostagent/handover/protocol.h"
#include "tests/fuzz/check.h"

namespace entropyd {
namespace {

constexpr int64_t kNow = int64_t{1} << 60;

// A connection that is accepted is the same after another handover.
void CheckSession(const handover::v1::Session& saved) {
  EgdSession session(1);
  if (!session.Restore(saved, kNow).ok()) return;
  handover::v1::Session again;
  session.Save({}, kNow, &again);
  EgdSession successor(1);
  FUZZ_CHECK(successor.Restore(again, kNow).ok());
  handover::v1::Session third;
  successor.Save({}, kNow, &third);
  FUZZ_CHECK(third.SerializeAsString() == again.SerializeAsString());
  FUZZ_CHECK(successor.owed() == session.owed() && successor.runs() == session.runs());
  FUZZ_CHECK(successor.taken() == session.taken());
  FUZZ_CHECK(successor.commands() == session.commands());
}

void CheckMessage(const handover::v1::Message& message) {
  for (const handover::v1::Connection& connection : message.connections().connection()) {
    CheckSession(connection.session());
  }
  const absl::Status unexpected = UnexpectedMessage(message, "Offer");
  FUZZ_CHECK(!unexpected.ok() && !unexpected.message().empty());
}

void Read(absl::Span<const uint8_t> bytes) {
  int pair[2];
  FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
  UniqueFd writer(pair[1]);
  auto link = HandoverLink::Create(UniqueFd(pair[0]));
  FUZZ_CHECK(link.ok());
  fcntl(writer.get(), F_SETFL, O_NONBLOCK);
  for (size_t written = 0; written < bytes.size();) {
    const ssize_t n = write(writer.get(), bytes.data() + written, bytes.size() - written);
    if (n > 0) {
      written += static_cast<size_t>(n);
      continue;
    }
    // The socket is full.
    auto received = (*link)->TryReceive();
    if (!received.ok()) return;
    if (received->has_value()) CheckMessage((*received)->message);
  }
  writer.reset();
  // A call reads a part of a frame. Each part has a byte at least.
  for (size_t calls = 0;; ++calls) {
    FUZZ_CHECK(calls <= bytes.size() + 1);
    auto received = (*link)->TryReceive();
    if (!received.ok()) return;
    if (received->has_value()) {
      FUZZ_CHECK((*received)->fds.empty());
      CheckMessage((*received)->message);
    }
  }
}

}  // namespace
}  // namespace entropyd

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  entropyd::Read({data, size});
  return 0;
}
