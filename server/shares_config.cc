#include "server/shares_config.h"

#include "absl/strings/str_cat.h"

namespace entropyd {
namespace {

// Of max_in_flight. One stream holds 320 KiB at most, so with the other defaults it is the number
// of streams that binds. This share binds where that number was raised.
constexpr uint64_t kInFlightPart = 4;

}  // namespace

absl::Status CheckShares(const config::v1::Server& config, const config::Locations& locations) {
  if (config.max_in_flight_per_identity() <= config.max_in_flight()) return absl::OkStatus();
  return locations.Error(
      "max_in_flight_per_identity",
      absl::StrCat(config.max_in_flight_per_identity(), " bytes are more than max_in_flight (",
                   config.max_in_flight(), "); lower it, or leave it out"));
}

IdentityShares::Limits PlanShares(const config::v1::Server& config) {
  IdentityShares::Limits limits;
  limits.streams = config.max_streams_per_identity();
  limits.in_flight = config.max_in_flight_per_identity();
  if (limits.in_flight == 0) limits.in_flight = config.max_in_flight() / kInFlightPart;
  limits.gets = config.max_gets_per_identity();
  limits.messages_per_second = config.max_messages_per_identity_per_second();
  return limits;
}

}  // namespace entropyd
