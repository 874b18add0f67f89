#include "hostagent/guest/session_state.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace entropyd {
namespace {

using egd::CommandType;
using Runs = SessionState::Runs;

// The most that can be left of a reply to 0x04: a length and the digits of an int64.
constexpr size_t kMaxLiteral = 20;
// Far above what 2^32 commands of 255 bytes owe. It bounds the sum of all runs, too.
constexpr uint64_t kMaxOwed = uint64_t{1} << 48;

absl::Status Refuse(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("restore a connection: ", what));
}

void AddCommand(CommandType type, uint8_t each, uint64_t bytes, int64_t now_nanos, Runs* runs) {
  if (!runs->empty() && runs->back().type == type && runs->back().each == each) {
    runs->back().bytes += bytes;
    ++runs->back().count;
    return;
  }
  runs->push_back({now_nanos, bytes, 1, type, each});
}

absl::StatusOr<egd::Decoder::State> RestoreHalf(const handover::v1::Session& saved) {
  constexpr char kImpossible[] = "a part of a command that no command begins with";
  egd::Decoder::State half;
  if (saved.half_command().size() >= sizeof half.header || saved.skip() > 255) {
    return Refuse(kImpossible);
  }
  std::copy(saved.half_command().begin(), saved.half_command().end(), half.header);
  half.have = static_cast<uint8_t>(saved.half_command().size());
  half.skip = static_cast<uint8_t>(saved.skip());
  if (egd::Decoder::Restore(half).mid_command() != (half.have > 0 || half.skip > 0)) {
    return Refuse(kImpossible);
  }
  return half;
}

// `owed`: what 0x02 commands of other runs are owed.
bool CanBe(const handover::v1::Run& run, uint64_t owed) {
  const auto type = static_cast<CommandType>(run.type());
  const bool blocking = type == CommandType::kReadBlocking;
  const bool known = blocking || type == CommandType::kReadNonBlocking ||
                     type == CommandType::kGetEntropyBits || type == CommandType::kGetPid;
  return run.type() < egd::kCommandTypes && known && run.count() > 0 && run.each() <= 255 &&
         run.bytes() <= kMaxOwed - owed && (blocking || run.bytes() == 0);
}

}  // namespace

void OweUnsent(const Unsent& unsent, int64_t now_nanos, SessionState* state) {
  Runs owed;
  uint32_t sent = unsent.sent_of_first;
  for (const StagedReply& reply : unsent.replies) {
    const uint32_t left = reply.bytes - sent;
    const bool whole = sent == 0;
    sent = 0;
    if (left == 0) continue;
    switch (reply.type) {
      case CommandType::kReadBlocking:
        AddCommand(CommandType::kReadBlocking, 0, left, now_nanos, &owed);
        break;
      case CommandType::kReadNonBlocking:
        if (whole) {
          AddCommand(CommandType::kReadNonBlocking, static_cast<uint8_t>(reply.bytes - 1), 0,
                     now_nanos, &owed);
        } else {  // its length has been told
          AddCommand(CommandType::kReadBlocking, 0, left, now_nanos, &owed);
        }
        break;
      case CommandType::kGetEntropyBits:
      case CommandType::kGetPid:
        if (whole) {
          AddCommand(reply.type, 0, 0, now_nanos, &owed);
          break;
        }
        [[fallthrough]];
      case CommandType::kWrite:  // a literal of an earlier handover: always the first
        state->literal.assign(unsent.bytes.begin(), unsent.bytes.begin() + left);
        break;
    }
  }
  state->runs.insert(state->runs.begin(), owed.begin(), owed.end());
}

void SaveSession(const SessionState& state, int64_t now_nanos, handover::v1::Session* saved) {
  saved->set_half_command(state.half.header, state.half.have);
  saved->set_skip(state.half.skip);
  saved->set_started(state.started);
  saved->set_literal(state.literal);
  for (const SessionState::Run& run : state.runs) {
    handover::v1::Run* to = saved->add_run();
    to->set_type(static_cast<uint32_t>(run.type));
    to->set_each(run.each);
    to->set_bytes(run.bytes);
    to->set_count(run.count);
    to->set_age_nanos(now_nanos - run.since_nanos);
  }
  for (uint64_t n : state.commands) saved->add_commands(n);
  saved->set_taken(state.taken);
}

absl::StatusOr<SessionState> RestoreSession(const handover::v1::Session& saved, int64_t now_nanos) {
  SessionState state;
  auto half = RestoreHalf(saved);
  if (!half.ok()) return half.status();
  state.half = *half;
  if (saved.literal().size() > kMaxLiteral) return Refuse("the rest of a reply that is too long");
  if (saved.commands_size() != static_cast<int>(state.commands.size())) {
    return Refuse("commands of other kinds");
  }
  uint64_t owed = 0;
  state.runs.reserve(static_cast<size_t>(saved.run_size()));
  for (const handover::v1::Run& run : saved.run()) {
    if (!CanBe(run, owed)) return Refuse("a run of commands that cannot be");
    owed += run.bytes();
    state.runs.push_back({now_nanos - std::clamp(run.age_nanos(), int64_t{0}, now_nanos),
                          run.bytes(), run.count(), static_cast<CommandType>(run.type()),
                          static_cast<uint8_t>(run.each())});
  }
  state.literal = saved.literal();
  std::copy(saved.commands().begin(), saved.commands().end(), state.commands.begin());
  state.taken = saved.taken();
  state.started = saved.started();
  return state;
}

}  // namespace entropyd
