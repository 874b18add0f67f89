// Where the agent last reached its servers: STATE_DIR/addresses.yaml. The name service may be down
// while the servers are not, and it may itself be a guest that waits for entropy.
//
//   AddressBook book(state_dir, servers, &log);
//   book.Own();                                     // this process serves the host now
//   book.Keep("a:7743", {"192.0.2.7:7743"});        // of a server that has answered
//   book.Find("a:7743")                             // empty = it was never reached
//
// A process that takes over from another one has a book before it serves, and so has the other: the
// file has one writer, the process that serves.
//
// Nobody waits for the disk: a thread of its own writes. A file that is missing, or cannot be read,
// keeps nobody from anything: the book is empty then, and the log says so.
//
// Errors: none; the log has those of the file (addresses.unreadable, addresses.unwritten).
//
// Thread safety: safe; Keep() and Own() belong to one thread. The end waits for what is being
// written.
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
  // After Own(), writes when they are other ones than before, in any order.
  void Keep(const std::string& server, const std::vector<std::string>& addresses);
  // The file is this process's from now on. Writes what it does not hold yet.
  void Own();

 private:
  struct State;
  void Write();

  const std::unique_ptr<State> state_;
  std::thread writer_;
};

std::string AddressBookPath(const std::string& state_dir);

}  // namespace entropyd
