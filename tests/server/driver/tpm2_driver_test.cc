#include "server/driver/tpm2_driver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/server/driver/driver_rigs.h"

namespace entropyd {
namespace {

using ::testing::HasSubstr;

TEST(Tpm2Test, BusyIsToldFromBroken) {
  for (const uint32_t busy : {0x922u, 0x908u, 0x90au, 0xc0922u, 0xb0908u}) {
    EXPECT_TRUE(Tpm2Driver::IsBusy(busy)) << busy;
  }
  for (const uint32_t broken : {0u, 0xa000au, 0x100u, 0x101u, 0xa0922u, 0x921u}) {
    EXPECT_FALSE(Tpm2Driver::IsBusy(broken)) << broken;
  }
}

TEST(Tpm2Test, SoftwareTpmIsTheHostsAndCountsForNothing) {
  for (const char* tcti : {"swtpm:path=/run/tpm", "mssim:host=localhost,port=2321"}) {
    config::v1::SourceConfig config;
    config.set_tcti(tcti);
    EXPECT_EQ(Tpm2Driver::Identify(config).claims.group, "host");
    EXPECT_EQ(Tpm2Driver::Identify(config).claims.min_entropy, 0);
  }
  config::v1::SourceConfig chip;
  chip.set_tcti("device:/dev/tpmrm0");
  EXPECT_EQ(Tpm2Driver::Identify(chip).claims.group, "tpm");
  EXPECT_EQ(Tpm2Driver::Identify(chip).claims.min_entropy, 4);
}

TEST(Tpm2Test, SoftwareTpmThatIsClaimedForAChipIsRefusedByItsManufacturer) {
  SwtpmRig rig;
  Tpm2Driver claimed(rig.Config().tcti(), false);
  const absl::Status refused = claimed.Open().status();
  EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
  EXPECT_THAT(std::string(refused.message()), HasSubstr("it is software (manufacturer IBM)"));
  EXPECT_EQ(Tpm2Driver(rig.Config().tcti(), true).Open().value(), "TPM of IBM");
}

TEST(Tpm2Test, MissingTpmIsUnavailableAndSaysWhatTheTssSays) {
  const absl::Status status = Tpm2Driver("swtpm:path=/no/such/tpm", true).Open().status();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("open TPM swtpm:path=/no/such/tpm: "));
}

}  // namespace
}  // namespace entropyd
