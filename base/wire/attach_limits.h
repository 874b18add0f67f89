// What client and server must agree on in Attach and Get (proto/README.md), besides the messages'
// form (attach_wire.h): each limit in one place.
//
// Errors: none.
//
// Thread safety: constants.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/process/nanos.h"

namespace entropyd {

// The version of Attach that this code speaks (Hello.version_min and version_max).
inline constexpr uint32_t kAttachVersion = 1;

// Hello.host_id: random, kept on the host's disk. 128 bits never meet by chance.
inline constexpr size_t kHostIdBytes = 16;

// The server gives up a stream that has not said Hello for so long.
inline constexpr int64_t kHelloTimeoutNanos = 10 * kSecondNanos;

// Heartbeats: how often each side sends something at least, so that the other can tell a peer that
// is gone from one that has nothing to say. Hello and Welcome promise it. The server's is short,
// because guests wait for what replaces it. The agent's costs the server a message, and only its
// places and plans wait for it.
inline constexpr int64_t kServerHeartbeatNanos = 3 * kSecondNanos;
inline constexpr int64_t kAgentHeartbeatNanos = 5 * kSecondNanos;

// Channels of one stream, over its whole life: Open.channel is 1..64 and never reused. A host's
// guests are in a handful of classes.
inline constexpr uint32_t kMaxChannels = 64;

// Of limit - received, per channel, unless the server is configured otherwise. Welcome tells.
inline constexpr uint64_t kAttachDefaultCredit = 256 * 1024;

// Upper bound of Welcome.max_payload, the bytes of grants in one message. There is a bound because
// a receiver holds a message outside its locked buffers until it has stored it. It is not lower
// because a message costs gRPC some tens of microseconds at both ends, as much as moving 30 KiB.
inline constexpr uint32_t kAttachMaxPayload = 256 * 1024;

// Of a class, so many ceilings above it are told, those of the nearest classes.
inline constexpr size_t kMaxCeilingsAbove = 32;

// A message that has so many bytes of states takes no more of them. One state has at most
// kMaxCeilingsAbove names of 2 * 256 + 1 characters, and a text.
inline constexpr size_t kAttachMaxStates = 24 * 1024;

// The largest message that a client takes: the payload, its framing, and room for states.
inline constexpr int kAttachMaxServerMessage = kAttachMaxPayload + 48 * 1024;

// The largest message that the server takes. Peers send numbers, never bytes: a Credit of 64 lines
// is below 2 KiB.
inline constexpr int kAttachMaxAgentMessage = 64 * 1024;

// Line.guests and Line.waiting_guests beyond this count as this. They are a weight and not to be
// trusted: no hypervisor runs more guests.
inline constexpr uint32_t kMaxGuests = 4096;

// GetRequest.bytes: a small amount for tools and readers, who may ask again.
inline constexpr uint32_t kGetMaxBytes = 32 * 1024;

}  // namespace entropyd
