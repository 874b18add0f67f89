#include "tests/integration/drawing_client.h"

#include <stdio.h>
#include <stdlib.h>

#include <utility>

#include "absl/time/clock.h"
#include "client/grpc_channel.h"

namespace entropyd {
namespace {

std::shared_ptr<grpc::Channel> ChannelOrDie(const Endpoint& endpoint) {
  auto channel = MakeChannel(endpoint.address, endpoint.tls, absl::Now());
  if (!channel.ok()) {
    fprintf(stderr, "drawing client: %s\n", channel.status().ToString().c_str());
    exit(1);
  }
  return *std::move(channel);
}

}  // namespace

Endpoint Endpoint::FromArguments(char** words) {
  Endpoint endpoint;
  endpoint.address = words[0];
  endpoint.tls.set_cert(words[1]);
  endpoint.tls.set_key(words[2]);
  endpoint.tls.set_ca(words[3]);
  endpoint.class_name = words[4];
  return endpoint;
}

DrawingClient::DrawingClient(const Endpoint& endpoint, const std::string& host_id)
    : stream_(EntropyStream::Start(ChannelOrDie(endpoint), [this] {
        absl::MutexLock lock(&mutex_);
        awake_ = true;
      })) {
  v1::AgentMessage hello;
  hello.mutable_hello()->set_version_min(kAttachVersion);
  hello.mutable_hello()->set_version_max(kAttachVersion);
  hello.mutable_hello()->set_host_id(host_id);
  stream_->Send(hello);
  channel_ = ledger_.Open().value();
  v1::AgentMessage open;
  open.mutable_open()->set_channel(channel_);
  open.mutable_open()->set_class_(endpoint.class_name);
  stream_->Send(open);
}

void DrawingClient::Ask(uint64_t bytes) {
  if (!ledger_.Promise(channel_, bytes)) return;
  v1::AgentMessage credit;
  *credit.mutable_credit()->add_line() = ledger_.TakeLine(channel_, 1);
  stream_->Send(credit);
}

bool DrawingClient::Await(absl::Duration patience, std::vector<uint8_t>* bytes) {
  {
    absl::MutexLock lock(&mutex_);
    mutex_.AwaitWithTimeout(absl::Condition(&awake_), patience);
    awake_ = false;
  }
  while (auto message = stream_->TryNext()) {
    const auto& view = message->view();
    if (!view.ok() || !ledger_.Accept(*view).ok()) {
      fprintf(stderr, "drawing client: the stream broke its own rules\n");
      exit(1);
    }
    for (const v1::ChannelState& state : view->head.state()) {
      suspended_ = state.phase() == v1::PHASE_SUSPENDED;
    }
    for (const GrantView& grant : view->grants) {
      for (auto piece : grant.pieces) bytes->insert(bytes->end(), piece.begin(), piece.end());
    }
  }
  return !stream_->finished();
}

}  // namespace entropyd
