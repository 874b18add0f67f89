// The takers of bytes that do not connect: the named pipes of an agent, and the kernel of its host.
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
  // Somebody who removes pipes again and again must not make the agent hold more and more of them.
  static constexpr size_t kMaxLeft = 16;

  // All outlive it. Feeds have ids among the connections.
  Feeds(Connections* connections, std::vector<ServedClass*> classes, GuestAccounts* accounts);
  Feeds(const Feeds&) = delete;
  Feeds& operator=(const Feeds&) = delete;

  // Makes files at most. Errors: of FifoFeed and KernelFeed.
  absl::Status Open(const Options& options) { return OpenAll(options, /*may_wait=*/false); }
  // The same, but a pipe in whose directory others may write waits.
  absl::Status OpenOrWait(const Options& options) { return OpenAll(options, /*may_wait=*/true); }
  // Opens and starts pipes that wait, where that is possible now. The log says each new reason
  // once. Call it about once a second.
  void OpenWaiting();
  // When somebody has removed or replaced the file of a pipe, makes the pipe again; the log says
  // so. The readers of the old pipe still get bytes, for kMaxLeft old pipes at most. Returns how
  // many were not lost before. Call it about once a second, once they are started.
  size_t MakeLostAnew();
  // Why the pipe waits; OK = it does not.
  absl::Status problem(const std::string& pipe) const;
  // How many pipes nobody can open, as they wait or could not be made again.
  size_t waiting() const;
  // Joins the classes. Stops at the first feed that cannot. Errors: of FifoFeed and KernelFeed.
  absl::Status Start();
  // Starts those that can start. The others wait from now on, and the log says why.
  void StartWhatCan();
  // Ends all feeds. The files of pipes stay.
  void Close();

  // The pipes that wait for nothing, in their order, then the kernel. It holds until the next call
  // that opens or ends feeds.
  std::vector<Feed*> all() const;
  void MeasureRates(double seconds);

 private:
  struct Pipe {
    Options::Pipe wanted;
    // nullptr = it waits.
    std::unique_ptr<FifoFeed> feed;
    absl::Status problem;
  };

  absl::Status OpenAll(const Options& options, bool may_wait);
  absl::Status OpenPipe(Pipe* pipe);
  absl::Status OpenAndStart(Pipe* pipe);
  void Wait(Pipe* pipe, const absl::Status& why);
  // Drops an old pipe: the oldest one of the path that has most old pipes. So somebody who removes
  // one path again and again ends no reader of another path.
  void DropOneLeft();
  void LeaveAccounts(const Feed& feed);
  absl::Status StartOne(Feed* feed);

  Connections* const connections_;
  const std::vector<ServedClass*> classes_;
  GuestAccounts* const accounts_;
  std::vector<Pipe> pipes_;
  std::unique_ptr<KernelFeed> kernel_;
  // Pipes whose file is gone, for those who have it open. The oldest come first.
  std::vector<std::unique_ptr<FifoFeed>> left_;
};

}  // namespace entropyd
