// What a full socket did not take of a connection's replies: the bytes, in locked memory, and which
// replies they belong to.
//
//   if (!unsent.Keep(rest, staged, sent, &arena)) return Close("out of locked memory");
//   unsent.Took(send(fd, unsent.left()));              // when the socket can take more
//   session.Save(unsent.owed(), now, &saved);          // for a handover
//
// Errors: of Keep().
//
// Thread safety: none; belongs to the event loop's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "base/crypto/secret_bytes.h"
#include "hostagent/guest/session_state.h"

namespace entropyd {

class UnsentReplies {
 public:
  // Keeps `rest`, the end of the replies that `staged` describes; the `sent` bytes before it have
  // left. False: the arena has no room, and nothing is kept. REQUIRES: empty(), and `rest` is not.
  bool Keep(absl::Span<const uint8_t> rest, const std::vector<StagedReply>& staged, size_t sent,
            SecretArena* arena);
  // Nothing is kept.
  bool empty() const { return bytes_.size() == 0; }
  // What the socket is to take next; secret. Valid until the next call.
  absl::Span<const uint8_t> left() const { return bytes_.span().subspan(at_); }
  // The socket has taken this many bytes of left(). After the last one it gives the memory back.
  void Took(size_t bytes);
  // Wipes all.
  void Drop();
  // The replies that left() belongs to. Valid until the next call.
  Unsent owed() const;

 private:
  SecretBytes bytes_;
  size_t at_ = 0;
  std::vector<StagedReply> replies_;
  // The bytes of the first reply that left before bytes_ began.
  size_t sent_of_first_ = 0;
};

}  // namespace entropyd
