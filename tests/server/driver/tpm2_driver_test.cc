#include "server/driver/tpm2_driver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/driver/tpm2_codes.h"
#include "tests/server/driver/driver_rigs.h"
#include "tests/temp_dir.h"

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

TEST(Tpm2Test, CodesHaveTheNamesOfTheirManuals) {
  EXPECT_EQ(Tpm2CodeText(0x100), "0x100 (TPM2_RC_INITIALIZE)");
  EXPECT_EQ(Tpm2CodeText(0x101), "0x101 (TPM2_RC_FAILURE)");
  EXPECT_EQ(Tpm2CodeText(0x922), "0x922 (TPM2_RC_RETRY)");
  EXPECT_EQ(Tpm2CodeText(0x921), "0x921 (TPM2_RC_LOCKOUT)");
  EXPECT_EQ(Tpm2CodeText(0x121), "0x121 (TPM2_RC_EXCLUSIVE)");
  EXPECT_EQ(Tpm2CodeText(0x1d5), "0x1d5 (TPM2_RC_SIZE)") << "of parameter 1";
  EXPECT_EQ(Tpm2CodeText(0x98e), "0x98e (TPM2_RC_AUTH_FAIL)") << "of session 1";
  EXPECT_EQ(Tpm2CodeText(0xa000a), "0xa000a (TSS2_BASE_RC_IO_ERROR of the TCTI)");
  EXPECT_EQ(Tpm2CodeText(0x70008), "0x70008 (TSS2_BASE_RC_NO_CONNECTION of the ESAPI)");
  EXPECT_EQ(Tpm2CodeText(0xaffff), "0xaffff (the TCTI)");
  EXPECT_EQ(Tpm2CodeText(0xb0922), "0xb0922 (TPM2_RC_RETRY)") << "by the resource manager";
  EXPECT_EQ(Tpm2CodeText(0x17f), "0x17f") << "nobody knows it";
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
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("0xa000a (TSS2_BASE_RC_IO_ERROR of the TCTI"));
}

// A file that is no library tells whether it is loaded: that fails.
TEST(Tpm2Test, ALookLoadsNoLibrary) {
  const TempDir dir;
  std::ofstream(dir / "way.so") << "no library";
  config::v1::SourceConfig config;
  config.set_tcti(absl::StrCat(dir / "way.so", ":x"));
  EXPECT_EQ(Tpm2Driver::Look(config).key, nullptr) << "it is there, and that is all that is asked";
  EXPECT_FALSE(Tpm2Driver(config.tcti(), true).Open().ok());
}

TEST(Tpm2Test, ALibraryThatOthersMayWriteIsRefused) {
  const TempDir dir;
  std::ofstream(dir / "way.so") << "no library";
  for (const std::string& tcti :
       {absl::StrCat(dir / "way.so", ":x"), absl::StrCat("pcap:", dir / "way.so", ":x"),
        absl::StrCat("libtss2-tcti-pcap.so.0:pcap:", dir / "way.so")}) {
    config::v1::SourceConfig config;
    config.set_tcti(tcti);
    chmod((dir / "way.so").c_str(), 0755);
    EXPECT_EQ(Tpm2Driver::Check(config).key, nullptr) << tcti;
    chmod((dir / "way.so").c_str(), 0757);
    EXPECT_THAT(Tpm2Driver::Check(config).message,
                HasSubstr("way.so: everybody may write it; let it belong to root"))
        << tcti;
    EXPECT_TRUE(absl::IsFailedPrecondition(Tpm2Driver(tcti, true).Open().status())) << tcti;
  }
}

TEST(Tpm2Test, ALookSaysWhetherTheWayToTheTpmIsThereWithoutUsingIt) {
  const auto look = [](const char* tcti) {
    config::v1::SourceConfig config;
    config.set_tcti(tcti);
    const ConfigFault found = Tpm2Driver::Look(config);
    return found.key == nullptr ? "" : absl::StrCat(found.key, ": ", found.message);
  };
  EXPECT_EQ(look("swtpm:path=/no/such/tpm"), "") << "whether it answers, only opening tells";
  EXPECT_THAT(look("dice:1"), HasSubstr("tcti: open TPM dice:1: the TSS has no such way to a TPM"));
  EXPECT_THAT(look("/no/such/way.so:1"), HasSubstr("(there is no library /no/such/way.so)"));
  EXPECT_THAT(look("pcap:dice:1"), HasSubstr("(there is no library libtss2-tcti-dice.so.0)"));
  EXPECT_THAT(look("device:/dev/no-such-tpm"),
              HasSubstr("tcti: open TPM device:/dev/no-such-tpm: No such file or directory; "
                        "correct the path"));
  EXPECT_THAT(look("device:/etc/passwd"), HasSubstr("it is no device; name that of the TPM"));
}

}  // namespace
}  // namespace entropyd
