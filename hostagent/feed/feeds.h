// What takes bytes without connecting: the named pipes of an agent, and the kernel of its host.
//
//   Feeds feeds(connections.get(), classes, &accounts);
//   if (auto status = feeds.Open(options); !status.ok()) return status;   // gives nothing yet
//   if (auto status = feeds.Start(); !status.ok()) return status;
//
// Errors: of FifoFeed and KernelFeed, from Open() and Start().
//
// Thread safety: none; belongs to the event loop's thread.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/optional.h"
#include "hostagent/feed/feed.h"
#include "hostagent/feed/fifo_feed.h"
#include "hostagent/feed/kernel_feed.h"
#include "hostagent/guest/connections.h"
#include "hostagent/guest/guest_accounts.h"
#include "hostagent/serving/served_class.h"

namespace entropyd {

class Feeds {
 public:
  struct Options {
    struct Pipe {
      FifoFeed::Options pipe;
      size_t class_index = 0;
    };
    struct Kernel {
      // Feeds fills in `full_entropy`.
      KernelFeed::Options feed;
      size_t class_index = 0;
      KernelFeedCounters* counters = nullptr;
    };
    std::vector<Pipe> pipes;
    absl::optional<Kernel> kernel;
  };

  // All outlive it. Feeds have ids among the connections.
  Feeds(Connections* connections, std::vector<ServedClass*> classes, GuestAccounts* accounts);
  Feeds(const Feeds&) = delete;
  Feeds& operator=(const Feeds&) = delete;

  // Makes files at most. Errors: of FifoFeed and KernelFeed.
  absl::Status Open(const Options& options) { return OpenAll(options, /*may_wait=*/false); }
  // The same, but a pipe in whose directory others may write waits.
  absl::Status OpenOrWait(const Options& options) { return OpenAll(options, /*may_wait=*/true); }
  // Opens and starts pipes that wait, where that is possible now. The log tells each new reason
  // once. Call it about once a second.
  void OpenWaiting();
  // Why the pipe waits; OK = it does not.
  absl::Status problem(const std::string& pipe) const;
  size_t waiting() const { return waiting_.size(); }
  // Joins the classes. Stops at the first feed that cannot. Errors: of FifoFeed and KernelFeed.
  absl::Status Start();
  // Starts those that can start, and logs the others.
  void StartWhatCan();
  // Ends all feeds. The files of pipes stay.
  void Close();

  const std::vector<std::unique_ptr<Feed>>& all() const { return all_; }
  void MeasureRates(double seconds);

 private:
  struct Waiting {
    Options::Pipe wanted;
    absl::Status problem;
  };

  absl::Status OpenAll(const Options& options, bool may_wait);
  absl::Status OpenPipe(const Options::Pipe& wanted);
  void Wait(Waiting* pipe, const absl::Status& why);
  absl::Status StartOne(Feed* feed);

  Connections* const connections_;
  const std::vector<ServedClass*> classes_;
  GuestAccounts* const accounts_;
  std::vector<std::unique_ptr<Feed>> all_;
  std::vector<Waiting> waiting_;
};

}  // namespace entropyd
