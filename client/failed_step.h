// Which step of a call failed: name, TCP, TLS, or the call itself. gRPC says "Deadline Exceeded"
// when nothing came back in time, whatever it waited for. Then this looks itself.
//
//   status = TellStep(status, "entropyd-0:7743", context.peer());
//   // "no answer within 10s" becomes "TCP: no answer within 10s: 192.0.2.7:7743 says nothing"
//
// Errors: none. It makes one error of another; what it cannot find out it leaves as it is.
//
// Thread safety: functions without state.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/name_lookup.h"

namespace entropyd {

// How long it looks: for the name, and for each address.
struct StepPatience {
  absl::Duration name = absl::Seconds(2);
  absl::Duration address = absl::Seconds(1);
};

// `status` is what a call to `server` (HOST:PORT) ended with, WithPatience() (client/call_error.h);
// `peer` is what gRPC says of its connection: an address when there is one. Other errors than of a
// connection, and those of the server, stay as they are. UNAVAILABLE where there is no connection.
// Waits when nothing came back.
absl::Status TellStep(const absl::Status& status, const std::string& server, absl::string_view peer,
                      const StepPatience& patience = {},
                      const NameLookup::Resolve& resolve = PlatformAddresses);

}  // namespace entropyd
