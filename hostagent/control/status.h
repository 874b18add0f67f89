// What people see of an agent's guests: the answers of `entropyctl status` and `guests`, and the
// series of /metrics/guests, built from the objects that know.
//
//   AgentStatus status(parts);
//   status.Fill(&response);   // without what upstream knows (Upstream::FillStatus)
//
// Errors: none.
//
// Thread safety: none; belongs to the event loop's thread.
#pragma once

#include <utility>
#include <vector>

#include "hostagent/endpoint/endpoints.h"
#include "hostagent/feed/feeds.h"
#include "hostagent/guest/connections.h"
#include "hostagent/guest/guest_accounts.h"
#include "hostagent/identity/class_assignment.h"
#include "hostagent/loop/event_loop.h"
#include "hostagent/serving/served_class.h"
#include "proto/agent_admin.pb.h"

namespace entropyd {

class AgentStatus {
 public:
  // What it asks; all outlive it.
  struct Parts {
    std::vector<ServedClass*> classes;
    const Endpoints* endpoints = nullptr;
    const Connections* connections = nullptr;
    const Feeds* feeds = nullptr;
    const GuestAccounts* accounts = nullptr;
    const ClassAssignment* assignment = nullptr;
    const EventLoop* loop = nullptr;
  };
  explicit AgentStatus(Parts parts) : parts_(std::move(parts)) {}

  // Adds the listeners, and one entry per class with all but what upstream knows.
  void Fill(v1::GetStatusResponse* status) const;
  // Connections, then feeds.
  void FillGuests(v1::ListGuestsResponse* response) const;
  // For people: "; CLASS MODE" for each class that upstream does not serve.
  std::string Modes() const;
  // Every guest once, however many connections it has.
  std::vector<GuestSeries> Series() const;

 private:
  void FillClass(const ServedClass& served, v1::GetStatusResponse::ClassStatus* out) const;
  void FillConnection(const Connection& connection, v1::Guest* out) const;
  void FillFeed(const Feed& feed, v1::Guest* out) const;

  const Parts parts_;
};

}  // namespace entropyd
