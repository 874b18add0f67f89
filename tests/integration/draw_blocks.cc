// Reads bytes with 8 clients whose connections break at random, and checks that no aligned 16-byte
// block came twice to any of them.
//
//   it_draw_blocks attach HOST:PORT CERT KEY CA CLASS MIB    streams, cancelled or killed
//   it_draw_blocks egd SOCKET MIB                            EGD connections, closed at random
//
// Every client takes what it can until all together have MIB MiB. Exit 1 when a block came twice,
// or when fewer than 16 connections broke, because then the run proves nothing.
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/crypto/tls.h"
#include "tests/integration/drawing_client.h"
#include "tests/integration/egd_socket.h"
#include "tests/integration/seen_blocks.h"

namespace entropyd {
namespace {

constexpr int kClients = 8;
constexpr uint64_t kWindow = 256 * 1024;  // multiples of 16, so that blocks stay aligned

// The blocks of all clients, and how much each still has to read. Thread safety: each client fills
// its own part.
class Collection {
 public:
  explicit Collection(uint64_t bytes) : wanted_(bytes / kClients) {
    for (SeenBlocks& part : parts_) part.Reserve(wanted_ / SeenBlocks::kBytes + kWindow);
  }
  bool Full(int client) const { return parts_[client].size() * SeenBlocks::kBytes >= wanted_; }
  void Add(int client, const std::vector<uint8_t>& bytes) {
    parts_[client].Add(bytes.data(), bytes.size());
  }
  // Exit status 0; or 1, after printing what was found.
  int Judge(int deaths) {
    SeenBlocks all;
    size_t total = 0;
    for (const SeenBlocks& part : parts_) total += part.size();
    all.Reserve(total);
    for (SeenBlocks& part : parts_) all.Take(&part);
    const bool twice = all.CountTwice() > 0;
    printf("%zu blocks (%.1f MiB) by %d clients, %d connections died: %s\n", all.size(),
           double(all.size()) * SeenBlocks::kBytes / (1 << 20), kClients, deaths,
           twice ? "A BLOCK CAME TWICE" : "no block twice");
    if (deaths < 16) printf("too few connections died: this proves nothing\n");
    return twice || deaths < 16 ? 1 : 0;
  }

 private:
  const uint64_t wanted_;
  SeenBlocks parts_[kClients];
};

void AttachClient(int client, const Endpoint& endpoint, uint64_t seed, Collection* collection,
                  std::atomic<int>* deaths) {
  std::mt19937_64 random(seed + static_cast<uint64_t>(client));
  while (!collection->Full(client)) {
    // Between 16 KiB and 32 MiB; small and large ones are equally likely.
    const uint64_t life = uint64_t{16 * 1024} << (random() % 12);
    std::string host_id(16, '\0');
    for (char& c : host_id) c = static_cast<char>(random());
    DrawingClient stream(endpoint, host_id);
    uint64_t drawn = 0;
    for (bool alive = true; alive && !collection->Full(client) && drawn < life;) {
      std::vector<uint8_t> bytes;
      alive = stream.Await(absl::Milliseconds(100), &bytes);
      collection->Add(client, bytes);
      drawn += bytes.size();
      if (stream.promised() <= kWindow / 2) stream.Ask(kWindow);
    }
    stream.Cancel();
    ++*deaths;
  }
}

// One EGD connection that asks in pipelined bursts and closes in the middle of one.
void EgdConnection(int client, const char* path, std::mt19937_64* random, Collection* collection) {
  const int fd = ConnectEgd(path);
  constexpr int kBurst = 64;
  constexpr uint8_t kAsk = 240;  // a multiple of 16
  std::vector<uint8_t> commands;
  for (int i = 0; i < kBurst; ++i) commands.insert(commands.end(), {0x02, kAsk});
  for (uint64_t bursts = 1 + (*random)() % 128; bursts > 0 && !collection->Full(client); --bursts) {
    if (!SendAll(fd, commands.data(), commands.size())) break;
    std::vector<uint8_t> reply(kBurst * kAsk);
    // Reads only half of the last burst.
    const size_t enough = bursts == 1 ? reply.size() / 2 : reply.size();
    size_t have = 0;
    while (have < enough) {
      const ssize_t n = recv(fd, reply.data() + have, reply.size() - have, 0);
      if (n <= 0) break;
      have += static_cast<size_t>(n);
    }
    reply.resize(have);
    collection->Add(client, reply);
    if (have < enough) break;
  }
  close(fd);
}

int Main(int argc, char** argv) {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  signal(SIGPIPE, SIG_IGN);
  const bool attach = argc == 8 && strcmp(argv[1], "attach") == 0;
  const bool egd = argc == 4 && strcmp(argv[1], "egd") == 0;
  if (!attach && !egd) {
    fprintf(stderr,
            "usage: it_draw_blocks attach HOST:PORT CERT KEY CA CLASS MIB | egd SOCKET MIB\n");
    return 2;
  }
  const uint64_t seed = std::random_device{}();
  fprintf(stderr, "seed %llu\n", static_cast<unsigned long long>(seed));
  Collection collection(uint64_t(atoll(argv[argc - 1])) << 20);
  std::atomic<int> deaths{0};
  std::vector<std::thread> clients;
  Endpoint endpoint;
  if (attach) {
    const absl::Status tls13 = tls::RequireTls13();
    if (!tls13.ok()) {
      fprintf(stderr, "it_draw_blocks: %s\n", tls13.ToString().c_str());
      return 1;
    }
    endpoint = Endpoint::FromArguments(argv + 2);
  }
  for (int i = 0; i < kClients; ++i) {
    clients.emplace_back([&, i] {
      if (attach) {
        AttachClient(i, endpoint, seed, &collection, &deaths);
        return;
      }
      std::mt19937_64 random(seed + static_cast<uint64_t>(i));
      while (!collection.Full(i)) {
        EgdConnection(i, argv[2], &random, &collection);
        ++deaths;
      }
    });
  }
  for (std::thread& client : clients) client.join();
  return collection.Judge(deaths);
}

}  // namespace
}  // namespace entropyd

int main(int argc, char** argv) { return entropyd::Main(argc, argv); }
