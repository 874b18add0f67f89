#include "server/driver/pkcs11_driver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
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
      {CKR_GENERAL_ERROR, "the module answers 0x5 (CKR_GENERAL_ERROR)"},
      {CKR_USER_NOT_LOGGED_IN, "so write pin_file: in the source"},
      {CKR_DEVICE_ERROR, "the module answers 0x30 (CKR_DEVICE_ERROR)"},
      {0x80000007, "the module answers 0x80000007 (the vendor's own code)"},
      {0x70000007, "the module answers 0x70000007"}};
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

// A token that wants a PIN, and a file with a PIN.
class Pkcs11PinTest : public ::testing::Test {
 protected:
  Pkcs11PinTest() { rig_.control()->wants_login = true; }

  void WritePin(absl::string_view text, mode_t mode = 0400) {
    // A new file, as an operator or an orchestrator would put it there.
    std::ofstream(path_ + ".new") << text;
    ASSERT_EQ(chmod((path_ + ".new").c_str(), mode), 0);
    ASSERT_EQ(rename((path_ + ".new").c_str(), path_.c_str()), 0);
  }
  absl::Status OpenAndRead() {
    const absl::StatusOr<std::string> opened = driver_.Open();
    if (!opened.ok()) return opened.status();
    uint8_t bytes[32];
    return driver_.Read(absl::MakeSpan(bytes)).status();
  }
  std::string Refusal(absl::StatusCode code = absl::StatusCode::kFailedPrecondition) {
    const absl::Status status = OpenAndRead();
    EXPECT_EQ(status.code(), code) << status;
    return std::string(status.message());
  }

  TestModuleRig rig_;
  const TempDir dir_;
  const std::string path_ = dir_ / "pin";
  Pkcs11Driver driver_{ENTROPYD_TEST_PKCS11_MODULE, "test token", false, path_};
};

TEST_F(Pkcs11PinTest, TheFirstLineOfTheFileIsThePin) {
  for (const char* end : {"", "\n", "\r\n", "\nnot this\n"}) {
    WritePin(absl::StrCat(kPkcs11ModulePin, end));
    EXPECT_TRUE(OpenAndRead().ok()) << OpenAndRead();
    driver_.Close();
  }
}

TEST_F(Pkcs11PinTest, WithoutAFileTheMessageNamesTheKey) {
  Pkcs11Driver driver(ENTROPYD_TEST_PKCS11_MODULE, "test token", false);
  ASSERT_TRUE(driver.Open().ok());
  uint8_t byte;
  EXPECT_THAT(std::string(driver.Read({&byte, 1}).status().message()),
              HasSubstr("write pin_file: in the source"));
  EXPECT_EQ(rig_.control()->logins, 0);
}

TEST_F(Pkcs11PinTest, AnotherSourceMayHaveLoggedInAlready) {
  WritePin(kPkcs11ModulePin);
  rig_.control()->logged_in = true;
  EXPECT_TRUE(OpenAndRead().ok());
}

// A token locks itself after a few wrong PINs, and the source opens its device every second.
TEST_F(Pkcs11PinTest, AWrongPinIsTriedOnceUntilTheFileChanges) {
  WritePin("wrong");
  const int sessions = rig_.control()->sessions;
  const std::string refused = Refusal(absl::StatusCode::kUnavailable);
  EXPECT_THAT(refused, HasSubstr("CKR_PIN_INCORRECT"));
  for (int i = 0; i < 10; ++i) {
    EXPECT_THAT(Refusal(), HasSubstr("the token refused the PIN in " + path_));
  }
  EXPECT_EQ(rig_.control()->logins, 1);
  EXPECT_EQ(rig_.control()->sessions, sessions) << "none is left open";
  WritePin("wrong again");
  Refusal(absl::StatusCode::kUnavailable);
  EXPECT_EQ(rig_.control()->logins, 2);
  WritePin(kPkcs11ModulePin);
  EXPECT_TRUE(OpenAndRead().ok());
}

TEST_F(Pkcs11PinTest, NoMessageHoldsThePin) {
  WritePin("wr0ng-s3cret");
  EXPECT_THAT(Refusal(absl::StatusCode::kUnavailable), ::testing::Not(HasSubstr("s3cret")));
  EXPECT_THAT(Refusal(), ::testing::Not(HasSubstr("s3cret")));
  WritePin("s3cret" + std::string(300, 'x'));
  EXPECT_THAT(Refusal(), ::testing::Not(HasSubstr("s3cret")));
}

TEST_F(Pkcs11PinTest, AFileThatOthersMayReadIsRefusedAndNotUsed) {
  WritePin(kPkcs11ModulePin, 0404);
  EXPECT_THAT(Refusal(), HasSubstr("everybody may read it; let it belong to root"));
  config::v1::SourceConfig config = rig_.Config();
  config.set_pin_file(path_);
  EXPECT_STREQ(Pkcs11Driver::Check(config).key, "pin_file");
  WritePin(kPkcs11ModulePin, 0440);
  EXPECT_EQ(Pkcs11Driver::Check(config).key, nullptr);
  EXPECT_TRUE(OpenAndRead().ok()) << "its group is the server's own";
}

TEST_F(Pkcs11PinTest, AFileThatAForeignGroupMayReadIsRefused) {
  ASSERT_EQ(geteuid(), 0u) << "only root can give a file to another group; run the test as root";
  WritePin(kPkcs11ModulePin, 0440);
  ASSERT_EQ(chown(path_.c_str(), 0, 4711), 0);
  EXPECT_THAT(Refusal(), HasSubstr("group 4711 may read it"));
}

TEST_F(Pkcs11PinTest, AFileWithoutAPinIsRefused) {
  EXPECT_THAT(Refusal(absl::StatusCode::kNotFound), HasSubstr("read PIN file " + path_));
  for (const std::string& text : {std::string(), std::string("\n1234"), std::string(256, '1')}) {
    WritePin(text);
    EXPECT_THAT(Refusal(), HasSubstr("1 to 255 characters"));
  }
  EXPECT_EQ(rig_.control()->logins, 0);
  unlink(path_.c_str());
  std::filesystem::create_directory(path_);
  EXPECT_THAT(Refusal(), HasSubstr("it is no file"));
}

TEST_F(Pkcs11PinTest, SoftHsmTakesThePinOfItsUser) {
  SoftHsmRig rig;
  config::v1::SourceConfig config = rig.Config();
  config.set_pin_file(path_);
  const std::unique_ptr<SourceDriver> driver =
      Pkcs11Driver::Create(config, Pkcs11Driver::Identify(config));
  WritePin("00000000\n");
  EXPECT_THAT(std::string(driver->Open().status().message()), HasSubstr("CKR_PIN_INCORRECT"));
  WritePin("12345678\n");
  EXPECT_TRUE(driver->Open().ok()) << driver->Open().status();
}

// Whoever may write the module may become the server.
TEST(Pkcs11Test, AModuleThatEverybodyMayWriteIsNotLoaded) {
  const TempDir dir;
  const std::string module = dir / "module.so";
  std::filesystem::copy_file(ENTROPYD_TEST_PKCS11_MODULE, module);
  ASSERT_EQ(chmod(module.c_str(), 0757), 0);
  const absl::Status refused = Pkcs11Driver(module, "test token", false).Open().status();
  EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
  EXPECT_THAT(std::string(refused.message()), HasSubstr("everybody may write it"));
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

TEST(Pkcs11Test, ALookSaysWhichFileIsMissingOrOfAnotherKind) {
  const TempDir dir;
  config::v1::SourceConfig config;
  const auto look = [&config] {
    const ConfigFault found = Pkcs11Driver::Look(config);
    return found.key == nullptr ? "" : absl::StrCat(found.key, ": ", found.message);
  };
  config.set_module(dir / "none.so");
  EXPECT_THAT(look(), HasSubstr("none.so: No such file or directory; correct the path"));
  config.set_module(dir.path());
  EXPECT_THAT(look(), HasSubstr("it is no file; name the module, a shared library"));
  config.set_module(ENTROPYD_TEST_PKCS11_MODULE);
  EXPECT_EQ(look(), "");
  config.set_pin_file(dir / "none.pin");
  EXPECT_THAT(look(), HasSubstr("pin_file: read PIN file "));
  config.set_pin_file(dir.path());
  EXPECT_THAT(look(), HasSubstr("it is no file; name one that holds the PIN"));
  std::ofstream(dir / "pin") << "1234\n";
  std::filesystem::permissions(dir / "pin", std::filesystem::perms::owner_read);
  config.set_pin_file(dir / "pin");
  EXPECT_EQ(look(), "");
}

}  // namespace
}  // namespace entropyd
