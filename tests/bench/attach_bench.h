// What the programs of the Attach benchmark share: arguments, CPU time, the credit window.
#pragma once

#include <stdint.h>
#include <sys/resource.h>

#include <memory>
#include <string>

#include "base/crypto/tls.h"
#include "client/grpc_channel.h"

namespace entropyd::bench {

struct Transfer {
  uint64_t bytes = 0;
  uint64_t messages = 0;
  double seconds = 0;
};

struct Endpoint {
  std::string address;  // HOST:PORT
  std::string cert, key, ca;
};

// User and system time of this process so far, in seconds.
inline double CpuSeconds() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  auto seconds = [](const timeval& t) { return double(t.tv_sec) + double(t.tv_usec) / 1e6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

tls::Material LoadOrDie(const Endpoint& endpoint);
// A channel with a connection of its own.
std::shared_ptr<grpc::Channel> ChannelOrDie(const Endpoint& endpoint);

// bare_stream.cc: a gRPC mTLS stream that carries one message again and again, with the channel and
// server settings of the real ones and no credit.
int ServeBare(const Endpoint& endpoint, const std::string& ports_file, size_t message_bytes);
Transfer DrawBare(const Endpoint& endpoint, int streams, double seconds);

// raw_tls.cc: OpenSSL alone, TLS 1.3, AES-256-GCM.
int ServeTls(const Endpoint& endpoint, const std::string& ports_file, size_t message_bytes);
Transfer DrawTls(const Endpoint& endpoint, int streams, double seconds);

}  // namespace entropyd::bench
