// A TCP proxy on loopback that breaks its connections at random, with a reset in both directions.
//
//   it_killing_proxy PORTS_FILE TARGET_PORT MIN_MS MAX_MS [SEED]
//
// Each connection lives for a random time between MIN_MS and MAX_MS. Writes `grpc=PORT` to
// PORTS_FILE.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <random>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

void Reset(int fd) {
  const linger now = {1, 0};  // close() sends RST and drops unsent bytes
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  close(fd);
}

bool Forward(int from, int to, std::vector<char>* buffer) {
  const ssize_t n = recv(from, buffer->data(), buffer->size(), 0);
  for (ssize_t at = 0; at < n;) {
    const ssize_t sent = send(to, buffer->data() + at, static_cast<size_t>(n - at), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    at += sent;
  }
  return n > 0;
}

void Serve(int client, uint16_t target, std::chrono::milliseconds life) {
  const Clock::time_point end = Clock::now() + life;
  const int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(target);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(server, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
    std::vector<char> buffer(65536);
    pollfd fds[2] = {{client, POLLIN, 0}, {server, POLLIN, 0}};
    for (;;) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now());
      if (left.count() <= 0) break;
      if (poll(fds, 2, static_cast<int>(left.count())) <= 0) break;
      if (fds[0].revents != 0 && !Forward(client, server, &buffer)) break;
      if (fds[1].revents != 0 && !Forward(server, client, &buffer)) break;
    }
  }
  Reset(client);
  Reset(server);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) {
    fprintf(stderr, "usage: it_killing_proxy PORTS_FILE TARGET_PORT MIN_MS MAX_MS [SEED]\n");
    return 2;
  }
  const auto target = static_cast<uint16_t>(atoi(argv[2]));
  const unsigned seed = argc > 5 ? static_cast<unsigned>(atol(argv[5])) : std::random_device{}();
  fprintf(stderr, "seed %u\n", seed);
  std::mt19937 random(seed);
  std::uniform_int_distribution<int> life(atoi(argv[3]), atoi(argv[4]));

  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  if (bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      listen(listener, 128) != 0 ||
      getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    perror("it_killing_proxy");
    return 1;
  }
  std::ofstream(argv[1]) << "grpc=" << ntohs(address.sin_port) << std::endl;
  for (;;) {
    const int client = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) continue;
    std::thread(Serve, client, target, std::chrono::milliseconds(life(random))).detach();
  }
}
