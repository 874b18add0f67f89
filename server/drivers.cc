#include "server/drivers.h"

#include "server/char_device_driver.h"
#include "server/getrandom_driver.h"
#include "server/rdrand_driver.h"

namespace entropyd {

absl::Span<const DriverEntry> BuiltIns() {
  using namespace config::v1;
  static constexpr DriverEntry kBuiltIns[] = {
      {DRIVER_CHAR_DEVICE, "char_device", CharDeviceDriver::Check, CharDeviceDriver::Claims,
       CharDeviceDriver::Create},
      {DRIVER_RDRAND, "rdrand", RdrandDriver::Check, RdrandDriver::Claims, RdrandDriver::Create},
      {DRIVER_GETRANDOM, "getrandom", GetrandomDriver::Check, GetrandomDriver::Claims,
       GetrandomDriver::Create},
  };
  return kBuiltIns;
}

const DriverEntry* FindDriver(config::v1::Driver id) {
  for (const DriverEntry& entry : BuiltIns()) {
    if (entry.id == id) return &entry;
  }
  return nullptr;
}

}  // namespace entropyd
