#include "server/driver/pkcs11_driver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <utility>

#include "tests/server/driver/driver_rigs.h"

namespace entropyd {
namespace {

using ::testing::HasSubstr;

TEST(Pkcs11Test, AsksForNoMoreThanEveryModuleGives) {
  TestModuleRig rig;
  Pkcs11Driver driver(ENTROPYD_TEST_PKCS11_MODULE, "test token", false);
  EXPECT_EQ(driver.Open().value(), "Test maker T1");
  uint8_t bytes[256];
  EXPECT_EQ(driver.Read(absl::MakeSpan(bytes)).value(), 32u);
  EXPECT_EQ(rig.control()->largest, 32u);
}

TEST(Pkcs11Test, EverySessionIsClosedOnce) {
  TestModuleRig rig;
  const int before = rig.control()->sessions;
  {
    Pkcs11Driver driver(ENTROPYD_TEST_PKCS11_MODULE, "test token", false);
    for (int i = 0; i < 3; ++i) {
      ASSERT_TRUE(driver.Open().ok());
      EXPECT_EQ(rig.control()->sessions, before + 1);
    }
    driver.Close();
    EXPECT_EQ(rig.control()->sessions, before);
    ASSERT_TRUE(driver.Open().ok());
  }
  EXPECT_EQ(rig.control()->sessions, before);
  EXPECT_EQ(rig.control()->initialised, 1) << "a module is never finalised";
}

TEST(Pkcs11Test, ReplugCasesAreNamedForWhatTheyAre) {
  TestModuleRig rig;
  Pkcs11Driver driver(ENTROPYD_TEST_PKCS11_MODULE, "test token", false);
  const std::pair<CK_RV, const char*> cases[] = {
      {CKR_SESSION_HANDLE_INVALID, "the session is lost"},
      {CKR_CRYPTOKI_NOT_INITIALIZED, "the module is not initialised any more"},
      {CKR_DEVICE_REMOVED, "the device is removed"},
      {CKR_GENERAL_ERROR, "the module answers 0x5"}};
  for (const auto& [code, words] : cases) {
    rig.control()->answer = CKR_OK;
    ASSERT_TRUE(driver.Open().ok());
    rig.control()->answer = code;
    uint8_t byte;
    const absl::Status status = driver.Read({&byte, 1}).status();
    EXPECT_TRUE(absl::IsUnavailable(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(words));
  }
}

TEST(Pkcs11Test, WrongTokenModuleOrGeneratorIsRefusedWithTheRemedy) {
  TestModuleRig rig;
  const absl::Status other =
      Pkcs11Driver(ENTROPYD_TEST_PKCS11_MODULE, "tst", false).Open().status();
  EXPECT_TRUE(absl::IsNotFound(other)) << other;
  EXPECT_THAT(std::string(other.message()),
              HasSubstr("no such token; there are 'test token'; plug it in or mend its label"));
  EXPECT_TRUE(absl::IsNotFound(Pkcs11Driver("/no/module.so", "t", false).Open().status()));
  const absl::Status no_module = Pkcs11Driver("libc.so.6", "t", false).Open().status();
  EXPECT_TRUE(absl::IsFailedPrecondition(no_module)) << no_module;
  rig.control()->has_rng = false;
  const absl::Status no_rng =
      Pkcs11Driver(ENTROPYD_TEST_PKCS11_MODULE, "test token", false).Open().status();
  EXPECT_TRUE(absl::IsFailedPrecondition(no_rng));
  EXPECT_THAT(std::string(no_rng.message()), HasSubstr("CKF_RNG"));
}

// One device may show several tokens. What it is, its serial number says, and not the label.
TEST(Pkcs11Test, M7_OneDeviceUnderTwoLabelsIsOneRoot) {
  TestModuleRig rig;
  const auto root = [](const char* label) {
    Pkcs11Driver driver(ENTROPYD_TEST_PKCS11_MODULE, label, false);
    EXPECT_EQ(driver.root(), "") << "nobody knows before it is open";
    EXPECT_TRUE(driver.Open().ok()) << label;
    return driver.root();
  };
  rig.control()->second_token = true;
  EXPECT_EQ(root("test token"), "") << "without a serial number its module and label count";
  rig.control()->serial = rig.control()->second_serial = 4711;
  EXPECT_EQ(root("test token"), "token of Test maker, serial number 4711");
  EXPECT_EQ(root("other token"), root("test token"));
  rig.control()->second_serial = 4712;
  EXPECT_NE(root("other token"), root("test token"));
}

// The tokens of one TPM have serial numbers of their own.
TEST(Pkcs11Test, M7_ATpmBehindAModuleIsThatTpm) {
  TestModuleRig rig;
  rig.control()->serial = 4711;
  rig.control()->is_tpm = true;
  Pkcs11Driver driver(ENTROPYD_TEST_PKCS11_MODULE, "test token", false);
  ASSERT_TRUE(driver.Open().ok());
  EXPECT_EQ(driver.root(), Tpm2Driver::RootOfTcti("device:/dev/tpmrm0"));
}

TEST(Pkcs11Test, M7_TheGuardTellsTheRootOfWhatItGuards) {
  TestModuleRig rig;
  rig.control()->serial = 4711;
  const std::unique_ptr<SourceDriver> driver = rig.MakeDriver();
  ASSERT_TRUE(driver->Open().ok());
  EXPECT_EQ(driver->root(), "token of Test maker, serial number 4711");
}

TEST(Pkcs11Test, M7_TheRootOfSoftHsmIsTheKernel) {
  SoftHsmRig rig;
  const std::unique_ptr<SourceDriver> driver = rig.MakeDriver();
  ASSERT_TRUE(driver->Open().ok());
  EXPECT_EQ(driver->root(), kRootKernel);
}

TEST(Pkcs11Test, SoftHsmIsTheHostsAndCountsForNothing) {
  const SourceClaims claims = Pkcs11Driver::Identify(SoftHsmRig().Config()).claims;
  EXPECT_EQ(claims.group, "host");
  EXPECT_EQ(claims.min_entropy, 0);
  EXPECT_EQ(Pkcs11Driver::Identify(TestModuleRig().Config()).claims.group, "pkcs11:test token");
  EXPECT_EQ(Pkcs11Driver::Identify(TestModuleRig().Config()).claims.min_entropy, 4);
}

TEST(Pkcs11Test, SoftHsmBehindAnotherModuleIsRefusedUnlessItIsClaimedForWhatItIs) {
  TestModuleRig rig;
  rig.control()->is_softhsm = true;
  const absl::Status refused =
      Pkcs11Driver(ENTROPYD_TEST_PKCS11_MODULE, "test token", false).Open().status();
  EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
  EXPECT_THAT(std::string(refused.message()),
              HasSubstr("write group: host and min_entropy_bits_per_byte: 0"));
  config::v1::SourceConfig config = rig.Config();
  EXPECT_FALSE(Pkcs11Driver::Create(config, Pkcs11Driver::Identify(config))->Open().ok());
  config.set_group("host");
  config.set_min_entropy_bits_per_byte(0);
  EXPECT_TRUE(Pkcs11Driver::Create(config, Pkcs11Driver::Identify(config))->Open().ok());
}

}  // namespace
}  // namespace entropyd
