// Looks up where a server is, as the machine does: by getaddrinfo(3), on a thread of its own and
// with a deadline. A resolver that is silent can keep a thread for half a minute and more.
//
//   NameLookup lookup;
//   NameLookup::Answer addresses = lookup.Find("entropyd-0:7743");   // "192.0.2.7:7743", …
//   lookup.Begin("entropyd-0:7743", [](NameLookup::Answer answer) { … });   // waits for nothing
//
// There is one thread for each name. While it asks, others who want that name wait for the same
// answer. An answer that has come meanwhile is given at once, if it is not older than the deadline.
//
// Errors: UNAVAILABLE, beginning with kLookUp (base/wire/connection_remedy.h).
//
// Thread safety: safe. It may end while lookups go on.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace entropyd {

class NameLookup {
 public:
  // IP:PORT or [IPV6]:PORT, in the resolver's order; not empty.
  using Addresses = std::vector<std::string>;
  using Answer = absl::StatusOr<Addresses>;
  using Resolve = std::function<Answer(const std::string& server)>;

  // glibc asks a second name server when the first has said nothing for 5 s. An agent that is to
  // take over tries two servers in 15 s.
  static constexpr absl::Duration kPatience = absl::Seconds(6);

  explicit NameLookup(absl::Duration patience = kPatience);
  NameLookup(Resolve resolve, absl::Duration patience);

  // `server` is HOST:PORT. Waits until the answer is there or the patience is at its end.
  Answer Find(const std::string& server);
  // Calls `done` once, on a thread of its own; at once where none can be started.
  void Begin(const std::string& server, const std::function<void(Answer answer)>& done);

 private:
  struct State;
  const std::shared_ptr<State> state_;
};

// What getaddrinfo(3) says; waits for it.
NameLookup::Answer PlatformAddresses(const std::string& server);

// HOST is an address, which nobody has to look up.
bool IsAddress(const std::string& server);

// Whether somebody has chosen how gRPC resolves names, by GRPC_DNS_RESOLVER. Then gRPC does it.
bool ResolverIsChosen();

}  // namespace entropyd
