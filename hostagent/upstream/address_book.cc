#include "hostagent/upstream/address_book.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "base/config/config.h"
#include "base/process/durable_file.h"
#include "base/process/host_port.h"
#include "base/process/thread.h"
#include "client/name_lookup.h"
#include "proto/server_addresses.pb.h"

namespace entropyd {
namespace {

using Addresses = std::vector<std::string>;
using Book = std::map<std::string, Addresses>;

std::string BookText(const Book& book) {
  std::string text =
      "# Where this agent last reached its servers; the agent writes this file, and tries these\n"
      "# addresses when a name cannot be looked up.\nversion: 1\n";
  if (!book.empty()) absl::StrAppend(&text, "servers:\n");
  // No byte of an address or of a server's name needs an escape.
  for (const auto& [server, addresses] : book) {
    absl::StrAppend(&text, "  - server: \"", server, "\"\n    addresses:\n");
    for (const std::string& address : addresses) {
      absl::StrAppend(&text, "      - \"", address, "\"\n");
    }
  }
  return text;
}

// Of each server in `servers`, what of the file can be an address.
Book BookOf(const config::v1::ServerAddresses& read, const std::vector<std::string>& servers) {
  Book book;
  for (const config::v1::ServerAddress& one : read.servers()) {
    if (!absl::c_linear_search(servers, one.server())) continue;
    Addresses addresses;
    for (const std::string& address : one.addresses()) {
      if (ParseRemoteHostPort(address).ok() && IsAddress(address)) addresses.push_back(address);
    }
    if (!addresses.empty()) book[one.server()] = std::move(addresses);
  }
  return book;
}

}  // namespace

struct AddressBook::State {
  State(std::string file, std::vector<std::string> names, Log* to)
      : path(std::move(file)), servers(std::move(names)), log(to) {}

  void Load();
  void Write();
  void TellUnwritten(const absl::Status& why);

  const std::string path;
  const std::vector<std::string> servers;
  Log* const log;
  // Of the thread that keeps and owns.
  bool owned = false;
  absl::Mutex mutex;
  Book book ABSL_GUARDED_BY(mutex);
  bool writing ABSL_GUARDED_BY(mutex) = false;
  bool changed ABSL_GUARDED_BY(mutex) = false;
};

void AddressBook::State::Load() {
  config::v1::ServerAddresses read;
  config::Locations locations;
  const absl::Status loaded = config::Load(path, &read, &locations);
  absl::MutexLock lock(&mutex);
  if (loaded.ok()) {
    book = BookOf(read, servers);
  } else if (!absl::IsNotFound(loaded)) {
    log->Warning("addresses.unreadable",
                 {{"path", path},
                  {"reason", loaded},
                  {"remedy", "none needed: it is written anew when a server is reached"}});
  }
}

// The newest, until nothing has changed meanwhile.
void AddressBook::State::Write() {
  for (;;) {
    std::string text;
    {
      absl::MutexLock lock(&mutex);
      if (!std::exchange(changed, false)) {
        writing = false;
        return;
      }
      text = BookText(book);
    }
    if (const absl::Status written = WriteDurably(path, text); !written.ok()) {
      TellUnwritten(written);
    }
  }
}

void AddressBook::State::TellUnwritten(const absl::Status& why) {
  log->Warning("addresses.unwritten", {{"path", path},
                                       {"reason", why},
                                       {"remedy",
                                        "mend what the reason names; until then a restart "
                                        "without a name service finds no server"}});
}

AddressBook::AddressBook(const std::string& state_dir, const std::vector<std::string>& servers,
                         Log* log)
    : state_(std::make_unique<State>(AddressBookPath(state_dir), servers, log)) {
  state_->Load();
}

AddressBook::~AddressBook() {
  if (writer_.joinable()) writer_.join();
}

std::vector<std::string> AddressBook::Find(const std::string& server) const {
  absl::MutexLock lock(&state_->mutex);
  const auto found = state_->book.find(server);
  return found == state_->book.end() ? Addresses() : found->second;
}

void AddressBook::Keep(const std::string& server, const std::vector<std::string>& addresses) {
  {
    absl::MutexLock lock(&state_->mutex);
    Addresses& kept = state_->book[server];
    // Name servers turn the order round to spread the load.
    if (absl::c_is_permutation(kept, addresses) && !state_->changed) return;
    kept = addresses;
    state_->changed = true;
  }
  Write();
}

void AddressBook::Own() {
  state_->owned = true;
  Write();
}

void AddressBook::Write() {
  absl::MutexLock lock(&state_->mutex);
  if (!state_->owned || !state_->changed || state_->writing) return;
  // The one before has nothing left to do.
  if (writer_.joinable()) writer_.join();
  absl::StatusOr<std::thread> writer = StartThread([state = state_.get()] { state->Write(); });
  if (!writer.ok()) return state_->TellUnwritten(writer.status());
  writer_ = *std::move(writer);
  state_->writing = true;
}

std::string AddressBookPath(const std::string& state_dir) {
  return absl::StrCat(state_dir, "/addresses.yaml");
}

}  // namespace entropyd
