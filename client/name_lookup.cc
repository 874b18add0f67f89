#include "client/name_lookup.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdlib.h>

#include <map>
#include <thread>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/types/optional.h"
#include "base/process/host_port.h"
#include "base/process/thread.h"
#include "base/wire/connection_remedy.h"

namespace entropyd {
namespace {

// A server has a handful; more would fill errors and files.
constexpr size_t kMaxAddresses = 16;

std::string HostOf(const std::string& server) {
  const absl::StatusOr<HostPort> parsed = ParseHostPort(server);
  return parsed.ok() ? parsed->host : server;
}

std::string TextOf(const addrinfo& one) {
  char host[NI_MAXHOST], port[NI_MAXSERV];
  if (getnameinfo(one.ai_addr, one.ai_addrlen, host, sizeof host, port, sizeof port,
                  NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    return "";
  }
  if (one.ai_family == AF_INET6) return absl::StrCat("[", host, "]:", port);
  return absl::StrCat(host, ":", port);
}

absl::Status NotFound(const std::string& server, absl::string_view why) {
  return absl::UnavailableError(absl::StrCat(kLookUp, HostOf(server), ": ", why));
}

// One name that the resolver works on, or has just answered.
struct Question {
  absl::Mutex mutex;
  absl::optional<NameLookup::Answer> answer ABSL_GUARDED_BY(mutex);
  absl::Time answered ABSL_GUARDED_BY(mutex);

  bool IsOlderThan(absl::Duration age) {
    absl::MutexLock lock(&mutex);
    return answer.has_value() && absl::Now() - answered > age;
  }
};

}  // namespace

struct NameLookup::State {
  State(Resolve with, absl::Duration for_so_long)
      : resolve(std::move(with)), patience(for_so_long) {}

  Answer Find(const std::string& server);
  // The open one about this server, or a new one that a thread works on.
  std::shared_ptr<Question> QuestionAbout(const std::string& server);

  const Resolve resolve;
  const absl::Duration patience;
  absl::Mutex mutex;
  std::map<std::string, std::shared_ptr<Question>> open ABSL_GUARDED_BY(mutex);
};

std::shared_ptr<Question> NameLookup::State::QuestionAbout(const std::string& server) {
  absl::MutexLock lock(&mutex);
  std::shared_ptr<Question>& question = open[server];
  // An answer for which nobody waited any more is not kept for somebody who comes much later.
  if (question != nullptr && !question->IsOlderThan(patience)) return question;
  question = std::make_shared<Question>();
  absl::StatusOr<std::thread> thread =
      StartThread([question = question, resolve = resolve, server] {
        Answer answer = resolve(server);
        absl::MutexLock lock(&question->mutex);
        question->answer = std::move(answer);
        question->answered = absl::Now();
      });
  if (thread.ok()) {
    thread->detach();
  } else {
    absl::MutexLock of_question(&question->mutex);
    question->answer = NotFound(server, thread.status().message());
  }
  return question;
}

NameLookup::Answer NameLookup::State::Find(const std::string& server) {
  const std::shared_ptr<Question> question = QuestionAbout(server);
  Answer answer = absl::UnknownError("");
  {
    absl::MutexLock lock(&question->mutex);
    const auto known = [&question]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(question->mutex) {
      return question->answer.has_value();
    };
    if (!question->mutex.AwaitWithTimeout(absl::Condition(&known), patience)) {
      return NotFound(server, absl::StrCat("the resolver has not answered within ",
                                           absl::FormatDuration(patience)));
    }
    answer = *question->answer;
  }
  absl::MutexLock lock(&mutex);
  if (const auto found = open.find(server); found != open.end() && found->second == question) {
    open.erase(found);
  }
  return answer;
}

NameLookup::NameLookup(absl::Duration patience) : NameLookup(PlatformAddresses, patience) {}

NameLookup::NameLookup(Resolve resolve, absl::Duration patience)
    : state_(std::make_shared<State>(std::move(resolve), patience)) {}

NameLookup::Answer NameLookup::Find(const std::string& server) { return state_->Find(server); }

void NameLookup::Begin(const std::string& server, const std::function<void(Answer answer)>& done) {
  absl::StatusOr<std::thread> thread =
      StartThread([state = state_, server, done] { done(state->Find(server)); });
  if (!thread.ok()) return done(NotFound(server, thread.status().message()));
  thread->detach();
}

NameLookup::Answer PlatformAddresses(const std::string& server) {
  const absl::StatusOr<HostPort> where = ParseRemoteHostPort(server);
  if (!where.ok()) return where.status();
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* list = nullptr;
  const int error =
      getaddrinfo(where->host.c_str(), absl::StrCat(where->port).c_str(), &hints, &list);
  if (error != 0) return NotFound(server, gai_strerror(error));
  NameLookup::Addresses addresses;
  for (const addrinfo* one = list; one != nullptr; one = one->ai_next) {
    const std::string text = TextOf(*one);
    if (text.empty() || absl::c_linear_search(addresses, text)) continue;
    if (addresses.size() < kMaxAddresses) addresses.push_back(text);
  }
  freeaddrinfo(list);
  if (addresses.empty()) return NotFound(server, "it has no address");
  return addresses;
}

bool IsAddress(const std::string& server) {
  const std::string host = HostOf(server);
  unsigned char ignored[sizeof(in6_addr)];
  return inet_pton(AF_INET, host.c_str(), ignored) == 1 ||
         inet_pton(AF_INET6, host.c_str(), ignored) == 1;
}

bool ResolverIsChosen() {
  // Every program of ours has set it (base/wire/grpc_resolver.h) unless it was set.
  const char* const chosen = getenv("GRPC_DNS_RESOLVER");
  return chosen != nullptr && !absl::EqualsIgnoreCase(chosen, "native");
}

}  // namespace entropyd
