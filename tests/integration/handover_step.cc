// A library that is preloaded into agents. It ends or stops one of two agents at a named message of
// their handover (proto/agent_handover.proto), right before the message is sent, or right after it
// was sent or received. The agents know nothing of it.
//
// HANDOVER_STEP names a file with one line, which counts once:
//
//   ROLE MESSAGE WHEN DEED GIVER       e.g. "giver go before kill-peer 4711"
//
//   ROLE     giver or taker: whose doing it is
//   MESSAGE  begin, offer, request, numbers, connections, prepared, go, serving
//   WHEN     before (it is sent), sent, received
//   DEED     kill-self, kill-peer, stop
//   GIVER    the giver's pid; a taker cannot see it
//
// The file is renamed to HANDOVER_STEP.done before the deed, with the pid of whoever does it beside
// it in HANDOVER_STEP.pid.
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <string>

namespace {

constexpr size_t kHeaderBytes = 8;

// One direction of a link: where it is in the frame that has begun.
struct Direction {
  std::string begun;
  size_t left = 0;  // of the message, once its header is whole
};

struct Link {
  bool giver = false;
  Direction sent, received;
};

std::mutex mutex;
std::map<int, Link> links;

template <typename Function>
Function* Real(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

bool IsHandover(const sockaddr* address, socklen_t length) {
  if (address->sa_family != AF_UNIX) return false;
  const auto* const unix_address = reinterpret_cast<const sockaddr_un*>(address);
  const size_t most = length - offsetof(sockaddr_un, sun_path);
  const std::string path(unix_address->sun_path, strnlen(unix_address->sun_path, most));
  const std::string end = ".handover";
  return path.size() > end.size() && path.compare(path.size() - end.size(), end.size(), end) == 0;
}

// A message is its body's tag, length and content: the tag tells which one it is.
std::string NameOf(uint8_t tag) {
  static const char* const names[] = {"",        "begin",       "refusal",  "offer", "request",
                                      "numbers", "connections", "prepared", "go",    "serving"};
  const size_t field = tag >> 3;
  return field < std::size(names) ? names[field] : "";
}

pid_t PeerOf(int fd) {
  ucred peer{};
  socklen_t length = sizeof peer;
  return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 ? peer.pid : 0;
}

// Waits until all threads of the peer have ended: only then its end of the link is closed.
void AwaitHangup(int fd) {
  pollfd link{fd, 0, 0};
  while (poll(&link, 1, -1) < 0 && errno == EINTR) continue;
}

void Do(const std::string& deed, int fd, pid_t peer) {
  if (deed == "kill-self") kill(getpid(), SIGKILL);
  if (deed == "kill-peer" && peer > 0 && kill(peer, SIGKILL) == 0) AwaitHangup(fd);
  if (deed == "stop") kill(getpid(), SIGSTOP);
}

void At(int fd, bool giver, const std::string& message, const char* when) {
  const char* const path = getenv("HANDOVER_STEP");
  FILE* const file = path == nullptr ? nullptr : fopen(path, "re");
  if (file == nullptr) return;
  char role[16] = "", name[16] = "", moment[16] = "", deed[16] = "";
  int giver_pid = 0;
  const int words = fscanf(file, "%15s %15s %15s %15s %d", role, name, moment, deed, &giver_pid);
  fclose(file);
  if (words != 5 || message != name || strcmp(moment, when) != 0) return;
  if (strcmp(role, giver ? "giver" : "taker") != 0) return;
  const std::string whole = path;
  if (FILE* const pid = fopen((whole + ".pid").c_str(), "we")) {
    fprintf(pid, "%d\n", static_cast<int>(getpid()));
    fclose(pid);
  }
  if (rename(path, (whole + ".done").c_str()) == 0) Do(deed, fd, giver ? PeerOf(fd) : giver_pid);
}

uint32_t Big(const std::string& bytes) {
  uint32_t number = 0;
  for (size_t i = 0; i < 4; ++i) number = number << 8 | static_cast<uint8_t>(bytes[i]);
  return number;
}

// Goes on by bytes that have crossed. Returns the name of the message that they have ended, if any.
std::string Cross(Direction* direction, const char* bytes, size_t size) {
  std::string ended;
  for (size_t i = 0; i < size;) {
    if (direction->begun.size() <= kHeaderBytes) {  // the header, and the tag
      direction->begun += bytes[i++];
      if (direction->begun.size() <= kHeaderBytes) continue;
      direction->left = Big(direction->begun) - 1;
    } else {
      const size_t now = std::min(size - i, direction->left);
      direction->left -= now;
      i += now;
    }
    if (direction->left > 0) continue;
    ended = NameOf(static_cast<uint8_t>(direction->begun[kHeaderBytes]));
    direction->begun.clear();
  }
  return ended;
}

bool Find(int fd, Link* link) {
  std::lock_guard<std::mutex> lock(mutex);
  const auto found = links.find(fd);
  if (found == links.end()) return false;
  *link = found->second;
  return true;
}

std::string CrossOn(int fd, bool sent, const msghdr* message, ssize_t n) {
  std::lock_guard<std::mutex> lock(mutex);
  const auto found = links.find(fd);
  if (found == links.end() || n <= 0) return "";
  Direction* const direction = sent ? &found->second.sent : &found->second.received;
  const auto* const bytes = static_cast<const char*>(message->msg_iov[0].iov_base);
  return Cross(direction, bytes, static_cast<size_t>(n));
}

}  // namespace

extern "C" {

int connect(int fd, const sockaddr* address, socklen_t length) {
  const int result = Real<int(int, const sockaddr*, socklen_t)>("connect")(fd, address, length);
  const int error = errno;
  if (result == 0 && IsHandover(address, length)) {
    std::lock_guard<std::mutex> lock(mutex);
    links[fd] = Link();
  }
  errno = error;
  return result;
}

int accept4(int fd, sockaddr* address, socklen_t* length, int flags) {
  const int result =
      Real<int(int, sockaddr*, socklen_t*, int)>("accept4")(fd, address, length, flags);
  const int error = errno;
  sockaddr_un own{};
  socklen_t own_length = sizeof own;
  const bool known =
      result >= 0 && getsockname(fd, reinterpret_cast<sockaddr*>(&own), &own_length) == 0;
  if (known && IsHandover(reinterpret_cast<sockaddr*>(&own), own_length)) {
    std::lock_guard<std::mutex> lock(mutex);
    links[result].giver = true;
  }
  errno = error;
  return result;
}

int close(int fd) {
  {
    std::lock_guard<std::mutex> lock(mutex);
    links.erase(fd);
  }
  return Real<int(int)>("close")(fd);
}

ssize_t sendmsg(int fd, const msghdr* message, int flags) {
  const auto real = Real<ssize_t(int, const msghdr*, int)>("sendmsg");
  Link link;
  if (!Find(fd, &link)) return real(fd, message, flags);
  const auto* const bytes = static_cast<const char*>(message->msg_iov[0].iov_base);
  if (link.sent.begun.empty() && message->msg_iov[0].iov_len > kHeaderBytes) {
    At(fd, link.giver, NameOf(static_cast<uint8_t>(bytes[kHeaderBytes])), "before");
  }
  const ssize_t n = real(fd, message, flags);
  const int error = errno;
  const std::string ended = CrossOn(fd, true, message, n);
  if (!ended.empty()) At(fd, link.giver, ended, "sent");
  errno = error;
  return n;
}

ssize_t recvmsg(int fd, msghdr* message, int flags) {
  const auto real = Real<ssize_t(int, msghdr*, int)>("recvmsg");
  Link link;
  if (!Find(fd, &link)) return real(fd, message, flags);
  const ssize_t n = real(fd, message, flags);
  const int error = errno;
  const std::string ended = CrossOn(fd, false, message, n);
  if (!ended.empty()) At(fd, link.giver, ended, "received");
  errno = error;
  return n;
}

}  // extern "C"
