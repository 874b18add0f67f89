// What one connection has asked for and not yet got: the EGD protocol without any I/O.
//
//   session.OnInput(bytes, now);             // commands become runs of owed replies
//   tree.Want(member, session.Want());       // numbers go up
//   session.Grant(n);                        // a class tree's pass allotted n bytes
//   size_t staged = session.Fill(out, {.take = take, ...});  // replies, strictly in order
//
// Input is never refused: what is pending is kept as runs of like commands, so that any number of
// pipelined reads costs three integers. Only a peer that keeps alternating its commands while
// nothing can be answered grows the queue, up to kMaxRuns.
//
//   0x00  answered in its turn with the bits the class could give then
//   0x01  answered in its turn with what the pass allotted, possibly 0 bytes, when Supply::settle
//         says so
//   0x02  answered in full, in as many pieces as it takes; never short
//   0x03  skipped: counted, credited with nothing
//   0x04  answered in its turn
//
// Thread safety: none; belongs to the event loop's thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/types/span.h"
#include "base/wire/egd.h"
#include "proto/agent_handover.pb.h"

namespace entropyd {

class EgdSession {
 public:
  // 24 bytes each, so at most 384 KiB for a hostile peer; 10,000 pipelined commands of alternating
  // kinds still fit.
  static constexpr size_t kMaxRuns = 16384;
  // Below so many runs, commands that came in different batches are kept apart, so that the time
  // each has waited is known; above, they join the run before them.
  static constexpr size_t kExactRuns = 16;
  // Room that lets Fill() answer at least one pending command or piece of it: the longest reply
  // that must not be split is a whole 0x01, a length and 255 bytes.
  static constexpr size_t kMinRoom = 256;
  static constexpr size_t kCommands = egd::kCommandTypes;

  enum class Input {
    kOk,
    kUnknownCommand,  // see unknown_command(); the connection cannot be understood any more
    kTooManyPending,  // kMaxRuns reached
  };

  struct Supply {
    // Moves up to out.size() bytes into `out`, returns how many.
    absl::FunctionRef<size_t(absl::Span<uint8_t> out)> take;
    absl::FunctionRef<size_t()> available;  // bytes the class could give now; 0x00 tells their bits
    // The pass is over: a 0x01 that was part of the last Want() and got nothing is answered with 0.
    bool settle = true;
  };

  // A reply, or consecutive ones to 0x02, among those that Fill() staged.
  struct Reply {
    egd::CommandType type;
    uint32_t bytes;
  };
  // Staged replies that did not leave.
  struct Unsent {
    absl::Span<const Reply> replies;  // of the first a part may have left
    uint32_t sent_of_first = 0;
    absl::Span<const uint8_t> bytes;  // what is left of them; secret
  };

  explicit EgdSession(int64_t pid) : pid_reply_(egd::EncodePid(pid)) {}

  Input OnInput(absl::Span<const uint8_t> bytes, int64_t now_nanos);

  // Bytes it could use now: all that 0x02 commands are owed, and what the 0x01 commands at the
  // front ask for. From now on these count as asked (see Supply::settle). Less what is granted.
  uint64_t Want();
  // REQUIRES: the sum of grants since the last Want() is at most what it returned.
  void Grant(uint32_t bytes) { granted_ += bytes; }
  uint32_t granted() const { return granted_; }
  void Forfeit() { granted_ = 0; }  // what was granted and not taken

  // Stages replies into `out` until it is full, or the next one needs bytes that are not granted.
  // Appends to *completed the arrival time of every run that was answered to its end. Returns the
  // bytes staged. REQUIRES: out.size() >= kMinRoom. Appends to *replies, if given, what they are.
  size_t Fill(absl::Span<uint8_t> out, const Supply& supply, std::vector<int64_t>* completed,
              std::vector<Reply>* replies = nullptr);

  // For a handover. No entropy is saved: of a reply that left in part the rest is owed as a number,
  // and one that did not leave at all becomes the command again that it answered (a 0x01 for as
  // many bytes as it was to get). Grants are not saved. Restore: into a fresh session; errors:
  // INVALID_ARGUMENT when no session can have saved that.
  void Save(const Unsent& unsent, int64_t now_nanos, handover::v1::Session* saved) const;
  absl::Status Restore(const handover::v1::Session& saved, int64_t now_nanos);

  // A 0x01 waits at the front that the last Want() did not include, or one took what was granted
  // for the 0x02 behind it: ask again before settling.
  bool needs_pass() const;
  // Since when a 0x01 for some bytes has been in front; INT64_MAX = none is.
  int64_t non_blocking_since() const;
  bool idle() const { return !has_run() && literal_.empty(); }  // nothing is pending
  bool started() const { return started_; }  // a command, or a part of one, has come
  uint64_t owed() const;                     // bytes that pending reads ask for
  uint8_t unknown_command() const { return unknown_command_; }

  const std::array<uint64_t, kCommands>& commands() const { return commands_; }  // by command byte
  uint64_t commands_total() const;
  uint64_t taken() const { return taken_; }  // bytes moved out of the supply

 private:
  struct Run {
    int64_t since_nanos;  // when the oldest of its commands arrived
    uint64_t bytes;       // kReadBlocking: still owed, all commands together
    uint32_t count;       // commands not yet answered; kReadBlocking: since the run began
    egd::CommandType type;
    uint8_t each;  // kReadNonBlocking: the NN they have in common
  };

  bool has_run() const { return head_ < runs_.size(); }
  bool Append(const egd::Command& command, int64_t now_nanos);
  Run& front() { return runs_[head_]; }
  const Run& front() const { return runs_[head_]; }
  void PopFront(std::vector<int64_t>* completed);
  // Each stages what it can of the front run; returns the bytes, and sets *done when the run is
  // answered to its end.
  size_t FillBlocking(absl::Span<uint8_t> out, const Supply& supply, bool* done);
  size_t FillNonBlocking(absl::Span<uint8_t> out, const Supply& supply, bool* done);
  size_t FillPlain(absl::Span<uint8_t> out, absl::Span<const uint8_t> reply, bool* done);
  uint32_t Take(absl::Span<uint8_t> out, const Supply& supply);
  void TellReplies(egd::CommandType type, absl::Span<const uint8_t> staged,
                   std::vector<Reply>* replies) const;

  const std::string pid_reply_;
  egd::Decoder decoder_;
  std::string literal_;    // goes before all else; see handover::v1::Session
  std::vector<Run> runs_;  // pending ones from head_ on
  size_t head_ = 0;
  size_t restored_runs_ = 0;     // come on top of kMaxRuns
  uint64_t blocking_bytes_ = 0;  // over all runs
  uint32_t asked_ = 0;           // commands of a 0x01 run at the front that Want() included
  bool borrowed_ = false;        // a 0x01 that the last Want() did not include got bytes
  uint32_t granted_ = 0;
  uint64_t taken_ = 0;
  bool started_ = false;
  uint8_t unknown_command_ = 0;
  std::array<uint64_t, kCommands> commands_{};
};

}  // namespace entropyd
