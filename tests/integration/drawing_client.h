// An Attach client for test programs. It has one stream and one channel, and gets bytes only when
// it asks for them.
//
//   DrawingClient client(endpoint, host_id);
//   client.Ask(4096);                        // promises to take 4096 bytes
//   while (client.Await(absl::Milliseconds(100), &bytes)) …
//
// The program ends with status 1 when a server breaks the protocol or a certificate cannot be read.
//
// Thread safety: one thread.
#pragma once

#include <stdint.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "client/attach_ledger.h"
#include "client/entropy_stream.h"
#include "proto/server_config.pb.h"

namespace entropyd {

struct Endpoint {
  std::string address;  // HOST:PORT
  config::v1::ClientTls tls;
  std::string class_name;

  // From the words HOST:PORT CERT KEY CA CLASS.
  static Endpoint FromArguments(char** words);
};

class DrawingClient {
 public:
  // Connects, says Hello with that host id (16 bytes), and opens the class of the endpoint.
  DrawingClient(const Endpoint& endpoint, const std::string& host_id);

  // Promises to take that many more bytes. Does nothing before the Welcome of the server.
  void Ask(uint64_t bytes);

  // Waits up to `patience` for messages and appends their bytes to `bytes`. False when the stream
  // is over.
  bool Await(absl::Duration patience, std::vector<uint8_t>* bytes);
  void Cancel() { stream_->Cancel(); }

  bool welcomed() const { return ledger_.welcomed(); }
  uint64_t promised() const { return ledger_.Find(channel_)->promised(); }
  bool suspended() const { return suspended_; }  // as the server said last

 private:
  absl::Mutex mutex_;
  bool awake_ ABSL_GUARDED_BY(mutex_) = true;
  AttachLedger ledger_;
  uint32_t channel_ = 0;
  bool suspended_ = false;
  std::unique_ptr<EntropyStream> stream_;  // last: its callbacks use the members above
};

}  // namespace entropyd
