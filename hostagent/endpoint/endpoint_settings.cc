#include "hostagent/endpoint/endpoint_settings.h"

#include "absl/strings/ascii.h"
#include "absl/strings/strip.h"

namespace entropyd {

std::string ClientsWord(config::v1::Clients clients) {
  return absl::AsciiStrToLower(absl::StripPrefix(config::v1::Clients_Name(clients), "CLIENTS_"));
}

std::string IdentifyWord(config::v1::Identify identify) {
  return absl::AsciiStrToLower(absl::StripPrefix(config::v1::Identify_Name(identify), "IDENTIFY_"));
}

}  // namespace entropyd
