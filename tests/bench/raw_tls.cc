// Raw OpenSSL TLS 1.3: the upper limit for the stream.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <thread>
#include <vector>

#include "tests/bench/attach_bench.h"

namespace entropyd::bench {
namespace {

using Seconds = std::chrono::duration<double>;
using Steady = std::chrono::steady_clock;

[[noreturn]] void Die(const char* what) {
  fprintf(stderr, "bench_attach: %s\n", what);
  ERR_print_errors_fp(stderr);
  exit(1);
}

SSL_CTX* Context(const Endpoint& endpoint, bool server) {
  SSL_CTX* context = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
  if (context == nullptr ||
      SSL_CTX_use_certificate_chain_file(context, endpoint.cert.c_str()) != 1 ||
      SSL_CTX_use_PrivateKey_file(context, endpoint.key.c_str(), SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_load_verify_locations(context, endpoint.ca.c_str(), nullptr) != 1) {
    Die("certificates");
  }
  SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  return context;
}

void ServeOne(SSL_CTX* context, int fd, size_t message_bytes) {
  SSL* ssl = SSL_new(context);
  SSL_set_fd(ssl, fd);
  if (SSL_accept(ssl) == 1) {
    const std::vector<uint8_t> block(message_bytes, 0x5a);
    while (SSL_write(ssl, block.data(), static_cast<int>(block.size())) > 0) {
    }
  }
  SSL_free(ssl);
  close(fd);
}

}  // namespace

int ServeTls(const Endpoint& endpoint, const std::string& ports_file, size_t message_bytes) {
  SSL_CTX* context = Context(endpoint, true);
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  if (bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      listen(listener, 64) != 0 ||
      getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    Die("bind");
  }
  std::ofstream(ports_file) << "grpc=" << ntohs(address.sin_port) << std::endl;
  for (;;) {
    const int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd >= 0) std::thread(ServeOne, context, fd, message_bytes).detach();
  }
}

Transfer DrawTls(const Endpoint& endpoint, int streams, double seconds) {
  SSL_CTX* context = Context(endpoint, false);
  const int port = atoi(endpoint.address.substr(endpoint.address.rfind(':') + 1).c_str());
  std::atomic<uint64_t> bytes{0}, reads{0};
  std::atomic<bool> counting{false}, stop{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < streams; ++i) {
    threads.emplace_back([&] {
      const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      sockaddr_in address = {};
      address.sin_family = AF_INET;
      address.sin_port = htons(static_cast<uint16_t>(port));
      address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      SSL* ssl = SSL_new(context);
      if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
          SSL_set_fd(ssl, fd) != 1 || SSL_connect(ssl) != 1) {
        Die("connect");
      }
      std::vector<uint8_t> block(256 * 1024);
      while (!stop) {
        const int n = SSL_read(ssl, block.data(), static_cast<int>(block.size()));
        if (n <= 0) Die("read");
        if (!counting) continue;
        bytes += static_cast<uint64_t>(n);
        ++reads;
      }
      close(fd);
      SSL_free(ssl);
    });
  }
  std::this_thread::sleep_for(Seconds(seconds / 10));
  const auto start = Steady::now();
  counting = true;
  std::this_thread::sleep_for(Seconds(seconds));
  counting = false;
  const double elapsed = Seconds(Steady::now() - start).count();
  stop = true;
  for (std::thread& thread : threads) thread.join();
  return {bytes, reads, elapsed};
}

}  // namespace entropyd::bench
