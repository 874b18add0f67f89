// Where guests come in: the configured listeners, sockets that a service manager or an earlier
// process opened for them, and the sockets of single guests, which come and go. One callback gets
// each socket that connects, with the id of the endpoint.
//
//   Endpoints endpoints(options, &loop, &log, accepted, failed);
//   if (auto status = endpoints.Open(); !status.ok()) return status;
//   auto socket = endpoints.Add(asked).value();          // of a single guest
//   auto removed = endpoints.Remove("vm-1").value();     // its connections are the caller's
//
// Configured endpoints have the ids 0, 1, 2 ... in their order. No id is used twice.
//
// Errors: of Listener, and those that Inherit(), Add() and Remove() name.
//
// Thread safety: none; belongs to the event loop's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "base/process/fd.h"
#include "base/telemetry/log.h"
#include "hostagent/endpoint/endpoint_settings.h"
#include "hostagent/endpoint/group_lookup.h"
#include "hostagent/endpoint/listener.h"
#include "hostagent/loop/event_loop.h"
#include "proto/guest_state.pb.h"

namespace entropyd {

class Endpoints {
 public:
  using Id = uint64_t;
  using GuestSocket = config::v1::GuestSocket;

  struct Options {
    // At least one.
    std::vector<EndpointSettings> configured;
    // The names of the classes, in the order of EndpointSettings::class_index.
    std::vector<std::string> classes;
    // The directory for sockets of single guests.
    std::string guest_socket_dir;
    size_t most_guest_sockets = 0;
    // Finds the number of a group (GroupLookup).
    GroupLookup::Ask find_group = FindGroup;
  };
  using Accepted = std::function<void(Id endpoint, UniqueFd socket)>;

  // Opens nothing. Loop and log outlive it.
  Endpoints(Options options, EventLoop* loop, Log* log, Accepted accepted,
            Listener::AcceptFailed failed);
  Endpoints(const Endpoints&) = delete;
  Endpoints& operator=(const Endpoints&) = delete;

  // Takes listening sockets that a service manager made. Each serves the endpoint of its path, and
  // its file stays the manager's. Errors: INVALID_ARGUMENT when no endpoint has that path; of
  // Listener::Adopt. REQUIRES: before Open().
  absl::Status Inherit(std::vector<UniqueFd> sockets);
  // Opens those that are not open, and stops at the first that cannot be opened. A socket of a
  // single guest that cannot be opened is logged, and tried again by OpenWaiting(). Errors: of
  // Listener.
  absl::Status Open() { return OpenAll(/*may_wait=*/false); }
  // The same, but an endpoint that time or an operator can mend without a restart waits. Its TCP
  // address may be none of this machine's; no name service may have given the number of its group;
  // others may write in its directory.
  absl::Status OpenOrWait() { return OpenAll(/*may_wait=*/true); }
  // Tries those that wait: all of the configuration, and one socket of a guest, each of which is
  // tried less and less often. The log says each new reason once. Call it about once a second.
  void OpenWaiting();
  // Why the endpoint waits; OK = it does not.
  const absl::Status& problem(Id id) const { return all_.at(id).problem; }
  // How many of the configured ones wait.
  size_t waiting() const;
  // Closes all and removes their files.
  void Close();
  // Makes those socket files again that somebody has removed or replaced: nobody could connect any
  // more. Connections stay. A file that cannot be made is logged once and tried again, and is a
  // problem() meanwhile. A file of the service manager gets the mode and the group that it had, and
  // is this process's then. Returns how many were not lost before. Call it about once a second; it
  // looks at some, and goes on where the last call has ended.
  size_t MakeLostAnew();
  // The last call has not looked at all: call it again soon.
  bool more_to_look_at() const { return look_from_ != 0; }

  // Finds out the numbers of their groups as far as that takes no time. REQUIRES: the loop does not
  // turn yet.
  void LearnGroups(const config::v1::GuestState& state);
  // Replaces the sockets of single guests by those of an earlier process. A socket whose class is
  // gone is served in the first endpoint's class. REQUIRES: before Open().
  void Restore(const config::v1::GuestState& state);
  // Opens the socket of a single guest. It fills in what `asked` leaves out: the first endpoint's
  // class and group, mode 0660, guest_socket_dir/NAME.sock.
  //
  // Errors: INVALID_ARGUMENT (also a path in a directory that does not exist, and is not
  // guest_socket_dir), ALREADY_EXISTS (name or path), NOT_FOUND (class, group),
  // RESOURCE_EXHAUSTED, those of Listener. `group` is the number of its group, which the caller has
  // found out where a name service may have to be asked.
  absl::StatusOr<GuestSocket> Add(const GuestSocket& asked,
                                  absl::optional<gid_t> group = absl::nullopt);
  struct Removed {
    Id id;
    GuestSocket socket;
  };
  // Closes the socket and removes its file. Errors: NOT_FOUND.
  absl::StatusOr<Removed> Remove(const std::string& name);
  config::v1::GuestState guest_sockets() const;

  // The configured ones come first, in their order.
  std::vector<Id> ids() const;
  // REQUIRES: this endpoint was not removed.
  const EndpointSettings& settings(Id id) const { return all_.at(id).settings; }

  // --- for a handover ---
  struct Opened {
    Id id;
    std::string path;
    // Lent.
    int fd;
    SocketFile file;
  };
  std::vector<Opened> opened() const;
  // Paths whose files are a service manager's.
  const std::set<std::string>& activated() const { return activated_; }
  void AddActivated(const std::string& path) { activated_.insert(path); }
  // Listens on the socket of another process. Its file stays the other's until Own(). nullopt: no
  // endpoint has this path; nobody is accepted there, and Own() closes the socket. Errors: of
  // Listener.
  absl::StatusOr<absl::optional<Id>> Adopt(const std::string& path,
                                           Listener::HandedOver handed_over);
  // The files are this process's from now on, with its modes and groups. Another process's file in
  // the place of one of them stays as it is: MakeLostAnew() finds it.
  void Own();
  // The files are another process's from now on.
  void Disown();

 private:
  // About a minute.
  static constexpr uint32_t kMaxRests = 59;
  // A look takes some microseconds, and to make a socket some ten: less than a millisecond in all.
  static constexpr int kLooksPerCall = 256;
  static constexpr int kTriesPerCall = 16;

  struct Endpoint {
    EndpointSettings settings;
    // nullptr = closed.
    std::unique_ptr<Listener> listener;
    // Why it waits. The log has said so.
    absl::Status problem;
    // This many calls of OpenWaiting() do not try it, and this many did not before the last try.
    uint32_t rests = 0, last_rests = 0;
    // Since Own() the file waits for the number of its group.
    bool access_due = false;
  };
  struct OfGuest {
    Id id;
    GuestSocket socket;
  };

  Listener::Accept AcceptOn(Id id, bool tcp);
  absl::Status OpenAll(bool may_wait);
  absl::Status OpenOne(Id id, absl::Duration patience = absl::ZeroDuration());
  absl::Status OpenAt(Id id, mode_t mode, const std::string& group);
  // The group as a number; "" = that of a new file. Errors: of GroupLookup.
  absl::StatusOr<std::string> GroupOf(const EndpointSettings& settings,
                                      absl::Duration patience = absl::ZeroDuration());
  absl::Status MakeOneAnew(Id id);
  void GiveAccess(Endpoint* endpoint);
  // Whether one that cannot be opened now may be later.
  bool MayCome(const EndpointSettings& settings, const absl::Status& why) const;
  void Wait(Endpoint* endpoint, const absl::Status& why);
  absl::StatusOr<size_t> ClassNamed(const std::string& name) const;
  GuestSocket Complete(GuestSocket socket) const;
  absl::Status CheckDirectory(const std::string& path) const;
  Id Place(const GuestSocket& socket, size_t class_index);
  absl::optional<Id> Find(const std::string& path) const;

  const std::vector<std::string> classes_;
  const std::string guest_socket_dir_;
  const size_t most_guest_sockets_;
  EventLoop* const loop_;
  Log* const log_;
  const Accepted accepted_;
  const Listener::AcceptFailed failed_;
  std::map<Id, Endpoint> all_;
  // By name.
  std::map<std::string, OfGuest> of_guests_;
  Id next_id_ = 0;
  // Where the next look for lost files begins.
  Id look_from_ = 0;
  std::set<std::string> activated_;
  GroupLookup groups_;
  // Sockets that were handed over, and that no endpoint wants.
  std::vector<std::unique_ptr<Listener>> dropped_;
};

}  // namespace entropyd
