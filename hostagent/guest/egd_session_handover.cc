// How an EgdSession crosses a handover.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "hostagent/guest/egd_session.h"

namespace entropyd {
namespace {

using egd::CommandType;

// The most that can be left of a reply to 0x04: a length and the digits of an int64.
constexpr size_t kMaxLiteral = 20;
// Far above what 2^32 commands of 255 bytes owe. It bounds the sum of all runs, too.
constexpr uint64_t kMaxOwed = uint64_t{1} << 48;

absl::Status Refuse(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("restore a connection: ", what));
}

void AddRun(CommandType type, uint8_t each, uint64_t bytes, handover::v1::Session* saved) {
  if (saved->run_size() > 0) {
    handover::v1::Run& last = *saved->mutable_run(saved->run_size() - 1);
    if (last.type() == static_cast<uint32_t>(type) && last.each() == each) {
      last.set_bytes(last.bytes() + bytes);
      last.set_count(last.count() + 1);
      return;
    }
  }
  handover::v1::Run* run = saved->add_run();
  run->set_type(static_cast<uint32_t>(type));
  run->set_each(each);
  run->set_bytes(bytes);
  run->set_count(1);
}

// The peer has none or a part of a reply: the bytes that it misses are owed.
void SaveUnsent(const EgdSession::Unsent& unsent, handover::v1::Session* saved) {
  uint32_t sent = unsent.sent_of_first;
  for (const EgdSession::Reply& reply : unsent.replies) {
    const uint32_t left = reply.bytes - sent;
    const bool whole = sent == 0;
    sent = 0;
    if (left == 0) continue;
    switch (reply.type) {
      case CommandType::kReadBlocking:
        AddRun(CommandType::kReadBlocking, 0, left, saved);
        break;
      case CommandType::kReadNonBlocking:
        if (whole) {
          AddRun(CommandType::kReadNonBlocking, static_cast<uint8_t>(reply.bytes - 1), 0, saved);
        } else {
          AddRun(CommandType::kReadBlocking, 0, left, saved);  // its length has been told
        }
        break;
      case CommandType::kGetEntropyBits:
      case CommandType::kGetPid:
        if (whole) {
          AddRun(reply.type, 0, 0, saved);
          break;
        }
        [[fallthrough]];
      case CommandType::kWrite:  // a literal of an earlier handover: always the first
        saved->set_literal(unsent.bytes.data(), left);
        break;
    }
  }
}

}  // namespace

void EgdSession::Save(const Unsent& unsent, int64_t now_nanos, handover::v1::Session* saved) const {
  const egd::Decoder::State half = decoder_.Save();
  saved->set_half_command(half.header, half.have);
  saved->set_skip(half.skip);
  saved->set_started(started_);
  SaveUnsent(unsent, saved);
  if (!literal_.empty()) saved->set_literal(literal_);  // then nothing has been staged since
  for (size_t i = head_; i < runs_.size(); ++i) {
    handover::v1::Run* run = saved->add_run();
    run->set_type(static_cast<uint32_t>(runs_[i].type));
    run->set_each(runs_[i].each);
    run->set_bytes(runs_[i].bytes);
    run->set_count(runs_[i].count);
    run->set_age_nanos(now_nanos - runs_[i].since_nanos);
  }
  for (uint64_t n : commands_) saved->add_commands(n);
  saved->set_taken(taken_);
}

absl::Status EgdSession::Restore(const handover::v1::Session& saved, int64_t now_nanos) {
  egd::Decoder::State half;
  if (saved.half_command().size() >= sizeof half.header || saved.skip() > 255) {
    return Refuse("half a command that no command begins with");
  }
  std::copy(saved.half_command().begin(), saved.half_command().end(), half.header);
  half.have = static_cast<uint8_t>(saved.half_command().size());
  half.skip = static_cast<uint8_t>(saved.skip());
  decoder_ = egd::Decoder::Restore(half);
  if (decoder_.mid_command() != (half.have > 0 || half.skip > 0)) {
    return Refuse("half a command that no command begins with");
  }
  if (saved.literal().size() > kMaxLiteral) return Refuse("the rest of a reply that is too long");
  if (saved.commands_size() != static_cast<int>(kCommands))
    return Refuse("commands of other kinds");
  for (const handover::v1::Run& run : saved.run()) {
    const auto type = static_cast<CommandType>(run.type());
    const bool blocking = type == CommandType::kReadBlocking;
    const bool known = blocking || type == CommandType::kReadNonBlocking ||
                       type == CommandType::kGetEntropyBits || type == CommandType::kGetPid;
    if (run.type() >= kCommands || !known || run.count() == 0 || run.each() > 255 ||
        run.bytes() > kMaxOwed - blocking_bytes_ || (!blocking && run.bytes() > 0)) {
      return Refuse("a run of commands that cannot be");
    }
    const int64_t age_nanos = std::clamp(run.age_nanos(), int64_t{0}, now_nanos);
    runs_.push_back(
        {now_nanos - age_nanos, run.bytes(), run.count(), type, static_cast<uint8_t>(run.each())});
    blocking_bytes_ += run.bytes();
  }
  restored_runs_ = std::min(runs_.size(), kMaxRuns);
  literal_ = saved.literal();
  std::copy(saved.commands().begin(), saved.commands().end(), commands_.begin());
  taken_ = saved.taken();
  started_ = saved.started();
  return absl::OkStatus();
}

}  // namespace entropyd
