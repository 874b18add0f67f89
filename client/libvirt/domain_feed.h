// Has a domain fed by the agent, or no longer: its definition, and the running domain when asked.
//
//   FeedReport report = FeedDomain(*host, "g1", {.feed = {.pool_class = "default/gold"}}).value();
//
// Thread safety: functions without state.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/libvirt/domain_edit.h"
#include "client/libvirt/libvirt_host.h"

namespace entropyd {

struct FeedOptions {
  Feed feed;             // FeedDomain; UnfeedDomain takes the socket only
  bool live = false;     // the running domain, too
  bool dry_run = false;  // only say what would be changed
  // Passes some 100 ms, while a guest lets go of a device.
  std::function<void()> rest;
};

struct FeedReport {
  LibvirtState state;
  std::vector<std::string> defined;  // what was changed for the next start
  std::vector<std::string> running;  // what was changed in the running domain
  std::vector<std::string> remarks;
  std::string diff;  // of the definition
};

// Both change the definition first: what fails in the running domain is in force at its next start.
// Errors: of LibvirtHost and of SetFeed; FAILED_PRECONDITION (`live` and it does not run, or it is
// transient and not `live`); ABORTED (somebody else changed the definition meanwhile).
absl::StatusOr<FeedReport> FeedDomain(LibvirtHost& host, const std::string& domain,
                                      const FeedOptions& options);
// feed.socket empty = on any of entropyd's sockets.
absl::StatusOr<FeedReport> UnfeedDomain(LibvirtHost& host, const std::string& domain,
                                        const FeedOptions& options);

}  // namespace entropyd
