#include "server/rpc/agent_list.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "base/process/nanos.h"
#include "base/text/names.h"
#include "base/wire/state_names.h"

namespace entropyd {
namespace {

// A list shows so much of a name that was refused: sixteen streams may have asked for 64 each.
constexpr size_t kMaxRefusedNameBytes = 100;

// A host's guests may get from several classes: the largest number is the floor.
uint32_t Guests(const Session& session) {
  uint32_t guests = 0;
  for (const auto& channel : session.channels()) {
    if (channel->phase() != Channel::Phase::kClosed) guests = std::max(guests, channel->guests());
  }
  return guests;
}

void FillAgent(const Session& session, int64_t now_nanos, v1::Agent* out) {
  out->set_identity(session.peer().identity);
  out->set_host_id(absl::BytesToHexString(session.host_id()));
  out->set_session_id(session.id());
  out->set_peer(session.peer().address);
  out->set_connected_seconds(ToSeconds(now_nanos - session.stay().begun_nanos()));
  out->set_guests(Guests(session));
  out->set_delivered_bytes(session.deliveries().sent());
  out->set_unconfirmed_bytes(session.deliveries().unconfirmed());
  out->set_draining(session.phase() == Session::Phase::kDraining);
  for (const auto& channel : session.channels()) {
    v1::Agent::Channel* entry = out->add_channel();
    // Of what was refused an excerpt is enough: a peer may have asked for anything.
    const bool lengthy = channel->name().size() > kMaxRefusedNameBytes;
    entry->set_class_(lengthy && channel->phase() == Channel::Phase::kClosed
                          ? Excerpt(channel->name())
                          : channel->name());
    entry->set_phase(ToWire(channel->phase()));
    entry->set_sent(channel->credit().sent());
    entry->set_received(channel->credit().received());
    entry->set_limit(channel->credit().limit());
    entry->set_guests(channel->guests());
    entry->set_weight(std::max<uint32_t>(1, channel->waiting_guests()));
    entry->set_max_weight(channel->max_weight());
  }
}

}  // namespace

bool AgentList::AddSome(const SessionRegistry& registry, int64_t now_nanos,
                        v1::ListAgentsResponse* response) {
  left_ = std::min(left_, registry.sessions().size());
  for (size_t i = 0; i < kAgentsPerTurn && left_ > 0; ++i) {
    const Session& session = *registry.sessions()[--left_];
    if (session.id() == 0 || session.ended() || !listed_.insert(session.id()).second) continue;
    FillAgent(session, now_nanos, response->add_agent());
  }
  if (left_ > 0) return true;
  // In the order of the registry.
  std::reverse(response->mutable_agent()->pointer_begin(),
               response->mutable_agent()->pointer_end());
  return false;
}

}  // namespace entropyd
