#include "hostagent/guest/egd_session.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <numeric>
#include <utility>

namespace entropyd {
namespace {

// The capacity that a queue keeps after it was long.
constexpr size_t kKeptRuns = 64;
// The reply to 0x00.
constexpr size_t kBitsReply = 4;

}  // namespace

size_t EgdSession::Room(size_t most) const {
  const size_t limit = std::min(kMaxRuns, std::max(most, runs_.capacity()));
  return limit - std::min(limit, runs());
}

EgdSession::Input EgdSession::OnInput(absl::Span<const uint8_t> bytes, int64_t now_nanos,
                                      size_t most) {
  if (!bytes.empty()) started_ = true;
  while (true) {
    egd::Command command;
    switch (decoder_.Next(&bytes, &command)) {
      case egd::DecodeResult::kNeedMore:
        return Input::kOk;
      case egd::DecodeResult::kUnknown:
        unknown_command_ = bytes.front();
        return Input::kUnknownCommand;
      case egd::DecodeResult::kCommand:
        ++commands_[static_cast<size_t>(command.type)];
        Append(command, now_nanos, most);
    }
  }
}

void EgdSession::Append(const egd::Command& command, int64_t now_nanos, size_t most) {
  if (command.type == egd::CommandType::kWrite) return;  // no reply
  const bool blocking = command.type == egd::CommandType::kReadBlocking;
  const uint8_t each = command.type == egd::CommandType::kReadNonBlocking ? command.bytes : 0;
  if (blocking) blocking_bytes_ += command.bytes;
  if (has_run()) {
    Run& last = runs_.back();
    if (last.type == command.type && last.each == each &&
        last.count < std::numeric_limits<uint32_t>::max() &&
        (last.since_nanos == now_nanos || runs_.size() - head_ >= kExactRuns)) {
      ++last.count;
      if (blocking) last.bytes += command.bytes;
      return;
    }
  }
  Grow(most);
  runs_.push_back({now_nanos, blocking ? uint64_t{command.bytes} : 0, 1, command.type, each});
}

void EgdSession::Grow(size_t most) {
  if (runs_.size() < runs_.capacity()) return;
  if (head_ > 0) {
    runs_.erase(runs_.begin(), runs_.begin() + static_cast<ptrdiff_t>(head_));
    head_ = 0;
    return;
  }
  runs_.reserve(std::min(std::max<size_t>(1, 2 * runs_.capacity()), most));
}

void EgdSession::PopFront(std::vector<int64_t>* completed) {
  completed->push_back(front().since_nanos);
  asked_ = 0;
  if (++head_ < runs_.size()) return;
  head_ = 0;
  if (runs_.capacity() > kKeptRuns) {
    SessionState::Runs().swap(runs_);
  } else {
    runs_.clear();
  }
}

uint64_t EgdSession::Want() {
  borrowed_ = false;
  uint64_t want = blocking_bytes_;
  if (has_run() && front().type == egd::CommandType::kReadNonBlocking) {
    asked_ = front().count;
    want += uint64_t{front().count} * front().each;
  }
  return want - std::min<uint64_t>(want, granted_);
}

uint64_t EgdSession::owed() const {
  uint64_t owed = blocking_bytes_;
  if (has_run() && front().type == egd::CommandType::kReadNonBlocking) {
    owed += uint64_t{front().count} * front().each;
  }
  return owed;
}

bool EgdSession::needs_pass() const {
  if (borrowed_ && blocking_bytes_ > 0) return true;
  return has_run() && front().type == egd::CommandType::kReadNonBlocking && asked_ == 0;
}

int64_t EgdSession::non_blocking_since() const {
  if (!has_run() || front().type != egd::CommandType::kReadNonBlocking || front().each == 0) {
    return std::numeric_limits<int64_t>::max();
  }
  return front().since_nanos;
}

uint64_t EgdSession::commands_total() const {
  return std::accumulate(commands_.begin(), commands_.end(), uint64_t{0});
}

size_t EgdSession::Fill(absl::Span<uint8_t> out, const Supply& supply,
                        std::vector<int64_t>* completed, std::vector<StagedReply>* replies) {
  size_t used = 0;
  replies_left_ = kMaxReplies;
  if (!literal_.empty()) {
    std::memcpy(out.data(), literal_.data(), literal_.size());
    used = literal_.size();
    // The command's byte is unknown here. The rest of its reply is literal in any case.
    if (replies != nullptr) replies->push_back({egd::CommandType::kWrite, uint32_t(used)});
    literal_.clear();
  }
  while (has_run() && replies_left_ > 0) {
    const absl::Span<uint8_t> room = out.subspan(used);
    const egd::CommandType type = front().type;
    const size_t before = used;
    bool done = false;
    switch (type) {
      case egd::CommandType::kReadBlocking:
        --replies_left_;
        used += FillBlocking(room, supply, &done);
        break;
      case egd::CommandType::kReadNonBlocking:
        used += FillNonBlocking(room, supply, &done);
        break;
      case egd::CommandType::kGetEntropyBits: {
        uint8_t reply[kBitsReply];
        egd::EncodeEntropyBits(uint64_t{supply.available()} * 8, reply);
        used += FillPlain(room, reply, &done);
        break;
      }
      case egd::CommandType::kGetPid:
        used += FillPlain(
            room, {reinterpret_cast<const uint8_t*>(pid_reply_.data()), pid_reply_.size()}, &done);
        break;
      case egd::CommandType::kWrite:  // never queued
        done = true;
        break;
    }
    if (replies != nullptr) TellReplies(type, out.subspan(before, used - before), replies);
    if (!done) break;
    PopFront(completed);
  }
  return used;
}

void EgdSession::TellReplies(egd::CommandType type, absl::Span<const uint8_t> staged,
                             std::vector<StagedReply>* replies) const {
  while (!staged.empty()) {
    size_t bytes = staged.size();  // kReadBlocking
    if (type == egd::CommandType::kReadNonBlocking) bytes = size_t{1} + staged.front();
    if (type == egd::CommandType::kGetEntropyBits) bytes = kBitsReply;
    if (type == egd::CommandType::kGetPid) bytes = pid_reply_.size();
    replies->push_back({type, static_cast<uint32_t>(bytes)});
    staged.remove_prefix(bytes);
  }
}

uint32_t EgdSession::Take(absl::Span<uint8_t> out, const Supply& supply) {
  const size_t want = std::min<size_t>(out.size(), granted_);
  if (want == 0) return 0;
  const size_t got = supply.take(out.first(want));
  // The supply ran dry under a grant, which is void then. So ask the tree again.
  granted_ = got < want ? 0 : granted_ - static_cast<uint32_t>(got);
  taken_ += got;
  return static_cast<uint32_t>(got);
}

size_t EgdSession::FillBlocking(absl::Span<uint8_t> out, const Supply& supply, bool* done) {
  Run& run = front();
  const size_t got = Take(out.first(std::min<uint64_t>(out.size(), run.bytes)), supply);
  run.bytes -= got;
  blocking_bytes_ -= got;
  *done = run.bytes == 0;
  return got;
}

size_t EgdSession::FillNonBlocking(absl::Span<uint8_t> out, const Supply& supply, bool* done) {
  Run& run = front();
  size_t used = 0;
  while (run.count > 0 && replies_left_ > 0) {
    if (out.size() - used < size_t{1} + run.each) break;
    const uint32_t got = Take(out.subspan(used + 1, run.each), supply);
    if (got == 0 && run.each > 0) {
      if (asked_ == 0 || !supply.settle) break;
    }
    borrowed_ |= asked_ == 0 && got > 0;
    out[used] = static_cast<uint8_t>(got);
    used += 1 + got;
    --run.count;
    --replies_left_;
    if (asked_ > 0) --asked_;
  }
  *done = run.count == 0;
  return used;
}

size_t EgdSession::FillPlain(absl::Span<uint8_t> out, absl::Span<const uint8_t> reply, bool* done) {
  Run& run = front();
  size_t used = 0;
  while (run.count > 0 && replies_left_ > 0 && out.size() - used >= reply.size()) {
    std::memcpy(out.data() + used, reply.data(), reply.size());
    used += reply.size();
    --run.count;
    --replies_left_;
  }
  *done = run.count == 0;
  return used;
}

void EgdSession::Save(const Unsent& unsent, int64_t now_nanos, handover::v1::Session* saved) const {
  SessionState state;
  state.half = decoder_.Save();
  state.started = started_;
  state.runs.assign(runs_.begin() + static_cast<ptrdiff_t>(head_), runs_.end());
  state.commands = commands_;
  state.taken = taken_;
  OweUnsent(unsent, now_nanos, &state);
  if (!literal_.empty()) state.literal = literal_;  // then nothing has been staged since
  SaveSession(state, now_nanos, saved);
}

absl::Status EgdSession::Restore(const handover::v1::Session& saved, int64_t now_nanos) {
  auto state = RestoreSession(saved, now_nanos);
  if (!state.ok()) return state.status();
  decoder_ = egd::Decoder::Restore(state->half);
  started_ = state->started;
  literal_ = std::move(state->literal);
  runs_ = std::move(state->runs);
  for (const Run& run : runs_) blocking_bytes_ += run.bytes;
  commands_ = state->commands;
  taken_ = state->taken;
  return absl::OkStatus();
}

}  // namespace entropyd
