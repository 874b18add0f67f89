#include "server/driver/registry.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/driver/char_device_driver.h"
#include "server/driver/egd_driver.h"
#include "server/driver/getrandom_driver.h"
#include "server/driver/jitter_driver.h"
#include "server/driver/pkcs11_driver.h"
#include "server/driver/rdrand_driver.h"
#include "server/driver/rdseed_driver.h"
#include "server/driver/tpm2_driver.h"
#include "server/driver/upstream_driver.h"

namespace entropyd {
namespace {

// Keys that every source may have. Each other key belongs to one driver or more.
constexpr int kCommonKeys[] = {
    config::v1::SourceConfig::kNameFieldNumber,
    config::v1::SourceConfig::kDriverFieldNumber,
    config::v1::SourceConfig::kGroupFieldNumber,
    config::v1::SourceConfig::kMinEntropyBitsPerByteFieldNumber,
    config::v1::SourceConfig::kHealthMinEntropyBitsPerByteFieldNumber,
    config::v1::SourceConfig::kMaxRateFieldNumber,
    config::v1::SourceConfig::kSilenceFieldNumber,
};

}  // namespace

absl::Span<const DriverEntry> BuiltIns() {
  static constexpr DriverEntry kBuiltIns[] = {
      {"char_device", "path init", CharDeviceDriver::Check, CharDeviceDriver::Identify,
       CharDeviceDriver::Create, CharDeviceDriver::Look},
      {"rdrand", "", nullptr, RdrandDriver::Identify, RdrandDriver::Create},
      {"getrandom", "", nullptr, GetrandomDriver::Identify, GetrandomDriver::Create},
      {"rdseed", "", nullptr, RdseedDriver::Identify, RdseedDriver::Create},
      {"egd", "path address", EgdDriver::Check, EgdDriver::Identify, EgdDriver::Create,
       EgdDriver::Look},
      {"pkcs11", "module token pin_file", Pkcs11Driver::Check, Pkcs11Driver::Identify,
       Pkcs11Driver::Create, Pkcs11Driver::Look},
      {"tpm2", "tcti", Tpm2Driver::Check, Tpm2Driver::Identify, Tpm2Driver::Create,
       Tpm2Driver::Look},
      {"jitter", "", nullptr, JitterDriver::Identify, JitterDriver::Create},
      {"upstream", "address class tls", UpstreamDriver::Check, UpstreamDriver::Identify,
       UpstreamDriver::Create, UpstreamDriver::Look},
  };
  return kBuiltIns;
}

ConfigFault CheckKeys(const DriverEntry& driver, const config::v1::SourceConfig& config) {
  const std::vector<std::string> own = absl::StrSplit(driver.keys, ' ');
  std::vector<const google::protobuf::FieldDescriptor*> present;
  config.GetReflection()->ListFields(config, &present);
  for (const google::protobuf::FieldDescriptor* key : present) {
    if (std::count(std::begin(kCommonKeys), std::end(kCommonKeys), key->number()) > 0) continue;
    if (std::count(own.begin(), own.end(), key->name()) > 0) continue;
    return {key->name().c_str(),
            absl::StrCat("driver ", driver.name, " takes no ", key->name(), "; remove the key")};
  }
  return driver.check == nullptr ? ConfigFault{} : driver.check(config);
}

const DriverEntry* FindDriver(absl::string_view name) {
  for (const DriverEntry& entry : BuiltIns()) {
    if (entry.name == name) return &entry;
  }
  return nullptr;
}

}  // namespace entropyd
