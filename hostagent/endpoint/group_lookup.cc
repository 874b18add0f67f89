#include "hostagent/endpoint/group_lookup.h"

#include <errno.h>
#include <grp.h>

#include <cstddef>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/types/optional.h"
#include "base/process/thread.h"
#include "base/text/names.h"

namespace entropyd {
namespace {

// chown(2) takes it as "leave the group".
constexpr gid_t kNoGroup = static_cast<gid_t>(-1);
// The names of some 100,000 members.
constexpr size_t kMaxMembersBytes = 4 << 20;

bool IsNumber(const std::string& name) {
  return !name.empty() && absl::c_all_of(name, absl::ascii_isdigit);
}

// As getgrnam(3), which only one thread may call.
absl::optional<gid_t> IdOf(const std::string& name) {
  group entry;
  group* found = nullptr;
  std::vector<char> members(1024);
  int error;
  while ((error = getgrnam_r(name.c_str(), &entry, members.data(), members.size(), &found)) ==
             ERANGE &&
         members.size() < kMaxMembersBytes) {
    members.resize(2 * members.size());
  }
  if (error != 0 || found == nullptr) return absl::nullopt;
  return entry.gr_gid;
}

// Errors: INVALID_ARGUMENT when no group of any host is called so.
absl::Status CheckGroupText(const std::string& name) {
  if (name.empty()) {
    return absl::InvalidArgumentError(
        "group '' is empty; name one, give a number, or leave it out for the process's own group");
  }
  const auto fits = [](char c) {
    return absl::ascii_isalnum(c) || c == '_' || c == '-' || c == '.' || c == '$';
  };
  const auto bad = absl::c_find_if_not(name, fits);
  if (bad == name.end() && name.front() != '-') return absl::OkStatus();
  const char c = bad == name.end() ? '-' : *bad;
  return absl::InvalidArgumentError(absl::StrCat(
      "group ", Excerpt(name), bad == name.end() ? " begins with '" : " has the character '",
      absl::CHexEscape(absl::string_view(&c, 1)),
      "', which no group's name or number does; correct it, or leave it out for the process's own "
      "group"));
}

}  // namespace

absl::StatusOr<gid_t> FindGroup(const std::string& name) {
  if (IsNumber(name)) {
    gid_t id = kNoGroup;
    if (absl::SimpleAtoi(name, &id) && id != kNoGroup) return id;
    return absl::NotFoundError(
        absl::StrCat("group '", name, "': a group's number is 0 to ", kNoGroup - 1));
  }
  if (const absl::optional<gid_t> id = IdOf(name); id.has_value()) return *id;
  if (auto status = CheckGroupText(name); !status.ok()) return status;
  return absl::NotFoundError(absl::StrCat("group '", name,
                                          "' does not exist on this host; create it "
                                          "(groupadd --system ",
                                          name, "), name another, or give a group's number"));
}

struct GroupLookup::Question {
  absl::StatusOr<gid_t> answer = absl::UnavailableError("");
  absl::Notification known;
};

absl::StatusOr<gid_t> GroupLookup::Find(const std::string& name, absl::Duration patience) {
  if (IsNumber(name)) return FindGroup(name);
  if (const auto known = known_.find(name); known != known_.end()) return known->second;
  if (const auto failed = failed_.find(name); failed != failed_.end()) {
    if (Now() < failed->second.until) return failed->second.why;
    failed_.erase(failed);
  }
  std::shared_ptr<Question>& question = questions_[name];
  if (question == nullptr) {
    auto asked = std::make_shared<Question>();
    auto thread = StartThread([asked, name, ask = ask_] {
      asked->answer = ask(name);
      asked->known.Notify();
    });
    if (!thread.ok()) return absl::UnavailableError(thread.status().message());
    thread->detach();
    question = std::move(asked);
    question->known.WaitForNotificationWithTimeout(patience);
  }
  if (!question->known.HasBeenNotified()) {
    return absl::UnavailableError(
        absl::StrCat("find group '", name, "': the name service has not answered yet"));
  }
  absl::StatusOr<gid_t> answer = question->answer;
  questions_.erase(name);
  if (answer.ok()) {
    Know(name, *answer);
  } else {
    failed_[name] = {answer.status(), Now() + kErrorNanos};
  }
  return answer;
}

}  // namespace entropyd
