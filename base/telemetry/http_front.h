// The connections of an HTTP port: reads requests from them and writes replies to them, on one
// thread that never waits for any of them. Slow or hostile clients cost the others nothing.
//
//   auto front = HttpFront::Create(std::move(sockets), limits).value();
//   front->Start(requested, refused);
//   // requested(id, head) runs; later, from any thread:
//   front->Reply(id, text);
//
// A request must be there within `patience` of its connection, and a reply must be taken within
// the same time. At most `connections` are open. A new one takes the place of another: the oldest
// one from the address that has most of them, where an IPv6 network of 64 bits is one address. So a
// probe, which is done within milliseconds, has its answer while a thousand slow clients are there.
//
// Errors: none after Create(); what goes wrong with a connection ends that connection.
//
// Thread safety: safe. `requested` and `refused` run on the front's thread, and must not wait.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/process/listen_socket.h"

namespace entropyd {

class HttpFront {
 public:
  struct Limits {
    // Probes and scrapers are few. Each connection may cost Limits::head_bytes of memory, and a
    // descriptor.
    size_t connections = 256;
    // A client that works sends its request at once. Prometheus and kubelet give up after 10 s
    // and 1 s by default.
    absl::Duration patience = absl::Seconds(5);
    // As most servers allow.
    size_t head_bytes = 8192;
  };
  enum class Refusal {
    kLate,  // no whole request, or a reply not taken, in time
    kFull,  // gave way to another connection
  };
  // The id is of one connection, which has one request.
  using Requested = std::function<void(uint64_t id, std::string head)>;
  using Refused = std::function<void(Refusal)>;

  static absl::StatusOr<std::unique_ptr<HttpFront>> Create(ListenSockets sockets,
                                                           const Limits& limits);
  ~HttpFront();

  // Accepts from now on. Errors: of StartThread().
  absl::Status Start(Requested requested, Refused refused);
  // Closes the port and every connection but those whose request is complete. They get a second to
  // be replied to and to take the reply. Afterwards no callback runs.
  void End();
  // Sends a reply and closes the connection then. An empty reply only closes it.
  void Reply(uint64_t id, std::string text);

 private:
  struct Loop;
  explicit HttpFront(std::unique_ptr<Loop> loop);
  const std::unique_ptr<Loop> loop_;
  std::thread thread_;
};

}  // namespace entropyd
