// An Attach client as test programs need one: one stream, one channel, bytes when they are asked
// for.
//
//   DrawingClient client(endpoint, host_id);
//   client.Ask(4096);                        // until 4096 bytes are promised
//   while (client.Await(absl::Milliseconds(100), &bytes)) …
//
// A server that breaks the protocol, or a certificate that cannot be read, ends the program with
// status 1.
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
  // Dials, says Hello as that host (16 bytes) and opens the endpoint's class.
  DrawingClient(const Endpoint& endpoint, const std::string& host_id);

  // Promises to take that many bytes beyond what has come. No effect before the server's Welcome.
  void Ask(uint64_t bytes);

  // Waits up to `patience` for messages and appends the bytes that they bear to `bytes`. False once
  // the stream is over.
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
