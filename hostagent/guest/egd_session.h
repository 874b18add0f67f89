// What one connection has asked for and not yet got: the EGD protocol without any I/O.
//
//   session.OnInput(bytes, now);             // commands become runs of owed replies
//   queue->Touch(id);                        // the fair queue will ask session.Want()
//   session.Grant(n);                        // a pass of the fair queue gave n bytes
//   size_t staged = session.Fill(out, {.take = take, ...});  // replies, strictly in order
//
// It keeps pending commands as runs of like commands, so that any number of pipelined reads costs
// three integers. Only a peer that keeps alternating its commands while nothing can be answered
// makes the queue grow, up to kMaxRuns. What comes then stays unread until there is Room() again.
//
//   0x00  answered in its turn with the bits the class could give then
//   0x01  answered in its turn with what the pass gave, possibly 0 bytes, when Supply::settle
//         says so
//   0x02  answered in full, in as many pieces as it takes; never short
//   0x03  skipped: counted, credited with nothing
//   0x04  answered in its turn
//
// Errors: OnInput() returns what is wrong with the input; Restore() INVALID_ARGUMENT.
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
#include "hostagent/guest/session_state.h"
#include "proto/agent_handover.pb.h"

namespace entropyd {

class EgdSession {
 public:
  // 24 bytes each, so at most 384 KiB for a hostile peer, and kMaxReplies more after handovers: a
  // handover turns the replies that the peer has not read into runs, too. 10,000 pipelined commands
  // of alternating kinds still fit.
  static constexpr size_t kMaxRuns = 16384;
  // Below this number of runs, commands of different batches stay apart, so that the wait of each
  // is known. Above it, commands join the run before them.
  static constexpr size_t kExactRuns = 16;
  // Room in which Fill() can answer at least one pending command or piece of it. The longest reply
  // that must not be split is a whole 0x01: a length and 255 bytes.
  static constexpr size_t kMinRoom = 256;
  // The most replies of one Fill(). Short ones cost as much as long ones, and those that the peer
  // does not take are kept one by one.
  static constexpr size_t kMaxReplies = 1024;
  static constexpr size_t kCommands = egd::kCommandTypes;

  enum class Input {
    kOk,
    // See unknown_command(). Nobody can understand the connection any more.
    kUnknownCommand,
  };

  // Where Fill() gets bytes from.
  struct Supply {
    // Moves up to out.size() bytes into `out`, and returns how many.
    absl::FunctionRef<size_t(absl::Span<uint8_t> out)> take;
    // The bytes that the class could give now. 0x00 tells their bits.
    absl::FunctionRef<size_t()> available;
    // The pass is over: a 0x01 that was part of the last Want() and got nothing is answered with 0.
    bool settle = true;
  };

  explicit EgdSession(int64_t pid) : pid_reply_(egd::EncodePid(pid)) {}

  // How many bytes OnInput() can take, each of which may be a command and a run. The queue gets no
  // memory for more than `most` runs, and keeps what it has.
  size_t Room(size_t most = kMaxRuns) const;
  // Takes what the peer sent. REQUIRES: no more than Room(most), which it is called with.
  Input OnInput(absl::Span<const uint8_t> bytes, int64_t now_nanos, size_t most = kMaxRuns);
  // The runs that are pending, and those for which the queue has memory.
  size_t runs() const { return runs_.size() - head_; }
  size_t capacity() const { return runs_.capacity(); }

  // The bytes that it could use now: all that 0x02 commands are owed, and what the 0x01 commands at
  // the front ask for, less what is granted. From now on these count as asked (see Supply::settle).
  uint64_t Want();
  // REQUIRES: the sum of grants since the last Want() is at most what it returned.
  void Grant(uint32_t bytes) { granted_ += bytes; }
  uint32_t granted() const { return granted_; }
  // Gives up what was granted and not taken.
  void Forfeit() { granted_ = 0; }

  // Stages replies into `out` until it is full, or there are kMaxReplies, or the next reply needs
  // bytes that are not granted. Appends to *completed the arrival time of every run that was
  // answered to its end, and to *replies, if given, what the replies are. Returns the bytes staged.
  // REQUIRES: out.size() >= kMinRoom.
  size_t Fill(absl::Span<uint8_t> out, const Supply& supply, std::vector<int64_t>* completed,
              std::vector<StagedReply>* replies = nullptr);

  // For a handover. `unsent`: staged replies that the peer has not got; OweUnsent() says what
  // becomes of them. It saves no entropy, and no grants.
  void Save(const Unsent& unsent, int64_t now_nanos, handover::v1::Session* saved) const;
  // Into a fresh session. Errors: of RestoreSession.
  absl::Status Restore(const handover::v1::Session& saved, int64_t now_nanos);

  // A 0x01 waits at the front that the last Want() did not include, or one took what was granted
  // for the 0x02 behind it: ask again before settling.
  bool needs_pass() const;
  // Since when a 0x01 for some bytes has been in front; INT64_MAX = none is.
  int64_t non_blocking_since() const;
  // Nothing is pending.
  bool idle() const { return !has_run() && literal_.empty(); }
  // A command, or a part of one, has come.
  bool started() const { return started_; }
  // Bytes that pending reads ask for.
  uint64_t owed() const;
  uint8_t unknown_command() const { return unknown_command_; }

  // By command byte.
  const std::array<uint64_t, kCommands>& commands() const { return commands_; }
  uint64_t commands_total() const;
  // Bytes moved out of the supply.
  uint64_t taken() const { return taken_; }

 private:
  using Run = SessionState::Run;

  bool has_run() const { return head_ < runs_.size(); }
  void Append(const egd::Command& command, int64_t now_nanos, size_t most);
  // Makes place for one more run.
  void Grow(size_t most);
  Run& front() { return runs_[head_]; }
  const Run& front() const { return runs_[head_]; }
  void PopFront(std::vector<int64_t>* completed);
  // Each stages what it can of the front run, returns the bytes, and sets *done when the run is
  // answered to its end.
  size_t FillBlocking(absl::Span<uint8_t> out, const Supply& supply, bool* done);
  size_t FillNonBlocking(absl::Span<uint8_t> out, const Supply& supply, bool* done);
  size_t FillPlain(absl::Span<uint8_t> out, absl::Span<const uint8_t> reply, bool* done);
  uint32_t Take(absl::Span<uint8_t> out, const Supply& supply);
  void TellReplies(egd::CommandType type, absl::Span<const uint8_t> staged,
                   std::vector<StagedReply>* replies) const;

  const std::string pid_reply_;
  egd::Decoder decoder_;
  // Goes before all else; see handover::v1::Session.
  std::string literal_;
  // The pending ones begin at head_.
  SessionState::Runs runs_;
  size_t head_ = 0;
  // Of the Fill() that goes on.
  size_t replies_left_ = 0;
  // Over all runs.
  uint64_t blocking_bytes_ = 0;
  // Commands of a 0x01 run at the front that Want() included.
  uint32_t asked_ = 0;
  // A 0x01 that the last Want() did not include got bytes.
  bool borrowed_ = false;
  uint32_t granted_ = 0;
  uint64_t taken_ = 0;
  bool started_ = false;
  uint8_t unknown_command_ = 0;
  std::array<uint64_t, kCommands> commands_{};
};

}  // namespace entropyd
