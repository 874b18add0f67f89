// Where the agent last reached its servers: STATE_DIR/addresses.yaml. The name service may be down
// while the servers are not, and it may itself be a guest that waits for entropy.
//
//   AddressBook book(state_dir, servers, &log);
//   book.Keep("a:7743", {"192.0.2.7:7743"});        // of a server that has answered
//   book.Find("a:7743")                             // empty = it was never reached
//
// Nobody waits for the disk: a thread of its own writes. A file that is missing, or cannot be read,
// keeps nobody from anything: the book is empty then, and the log says so.
//
// Errors: none; the log has those of the file (addresses.unreadable, addresses.unwritten).
//
// Thread safety: safe; Keep() belongs to one thread. The end waits for what is being written.
#pragma once

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/telemetry/log.h"

namespace entropyd {

class AddressBook {
 public:
  // Keeps addresses of these servers only. The log outlives it.
  AddressBook(const std::string& state_dir, const std::vector<std::string>& servers, Log* log);
  ~AddressBook();

  // IP:PORT or [IPV6]:PORT, in the order that Keep() was given.
  std::vector<std::string> Find(const std::string& server) const;
  // Writes when they are other ones than before, in any order.
  void Keep(const std::string& server, const std::vector<std::string>& addresses);

 private:
  struct State;
  const std::unique_ptr<State> state_;
  std::thread writer_;
};

std::string AddressBookPath(const std::string& state_dir);

}  // namespace entropyd
