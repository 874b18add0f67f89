// Lets the agent feed a domain, or ends that. Changes the definition of the domain, and the running
// domain when asked.
//
//   FeedOptions options = {.feed = {.pool_class = "default/gold"}};
//   FeedReport report = FeedDomain(*host, domain, options).value();
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
  Feed feed;             // UnfeedDomain uses its socket only
  bool live = false;     // change the running domain, too
  bool dry_run = false;  // only report what would be changed
  // Waits for about 100 ms, while a guest releases a device.
  std::function<void()> rest;
};

// What was done.
struct FeedReport {
  LibvirtState state;
  std::vector<std::string> defined;  // what was changed for the next start
  std::vector<std::string> running;  // what was changed in the running domain
  std::vector<std::string> notes;
  std::string diff;  // of the definition
};

// Both change the definition first. So a change that fails in the running domain is in force after
// its next start. Errors: those of LibvirtHost and of SetFeed; FAILED_PRECONDITION (`live`, and the
// domain does not run; or it is transient and not `live`); ABORTED (somebody else changes the
// definition meanwhile, or the XML is another domain's).
absl::StatusOr<FeedReport> FeedDomain(LibvirtHost& host, const LibvirtName& domain,
                                      const FeedOptions& options);
// feed.socket empty = any socket of entropyd.
absl::StatusOr<FeedReport> UnfeedDomain(LibvirtHost& host, const LibvirtName& domain,
                                        const FeedOptions& options);

}  // namespace entropyd
