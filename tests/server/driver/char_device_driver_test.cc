#include "server/driver/char_device_driver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/server/driver/driver_rigs.h"

namespace entropyd {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// A pseudo-terminal stands for a serial line: the test is the device at its other end.
class SerialLine {
 public:
  SerialLine() : device_(posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)) {
    EXPECT_TRUE(device_ && grantpt(device_.get()) == 0 && unlockpt(device_.get()) == 0);
  }
  std::string path() const { return ptsname(device_.get()); }
  std::string Received() const {
    char bytes[1024];
    const ssize_t n = read(device_.get(), bytes, sizeof(bytes));
    return n <= 0 ? "" : std::string(bytes, static_cast<size_t>(n));
  }
  void Send(absl::string_view bytes) const {
    EXPECT_EQ(write(device_.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  }

 private:
  UniqueFd device_;
};

std::unique_ptr<SourceDriver> MakeDriver(const config::v1::SourceConfig& config) {
  EXPECT_EQ(CheckKeys(*FindDriver("char_device"), config).key, nullptr)
      << CheckKeys(*FindDriver("char_device"), config).message;
  return CharDeviceDriver::Create(config, CharDeviceDriver::Identify(config));
}

config::v1::SourceConfig ConfigOf(const std::string& path) {
  config::v1::SourceConfig config;
  config.set_driver("char_device");
  config.set_path(path);
  return config;
}

TEST(CharDeviceDriverTest, AFifoThatMayBeSilentKeepsItsPlaceWhileWritersComeAndGo) {
  FifoRig rig;
  config::v1::SourceConfig config = rig.Config();
  config.set_silence(30'000'000'000);
  const std::unique_ptr<SourceDriver> driver = MakeDriver(config);
  rig.Unplug();
  ASSERT_TRUE(driver->Open().ok());
  uint8_t bytes[64];
  EXPECT_EQ(driver->Read(bytes).value(), 0u) << "nobody has come yet";
  for (int i = 0; i < 3; ++i) {
    rig.Replug();
    rig.Write(std::vector<uint8_t>(16, 0x11));
    rig.Unplug();
    EXPECT_EQ(driver->Read(bytes).value(), 16u);
    EXPECT_EQ(driver->Read(bytes).value(), 0u) << "the writer has left";
  }
}

TEST(CharDeviceDriverTest, ADeviceGetsItsCommandAtEachOpening) {
  SerialLine line;
  config::v1::SourceConfig config = ConfigOf(line.path());
  config.set_init("text:START\r\n");
  const std::unique_ptr<SourceDriver> driver = MakeDriver(config);
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(driver->Open().ok()) << driver->Open().status();
    EXPECT_EQ(line.Received(), "START\r\n") << "no byte is translated";
    line.Send("sample");
    uint8_t bytes[64];
    ASSERT_EQ(driver->Read(bytes).value(), 6u);
    EXPECT_EQ(std::string(bytes, bytes + 6), "sample");
    driver->Close();
  }
}

TEST(CharDeviceDriverTest, ADeviceThatNeedsNoCommandGetsNothing) {
  SerialLine line;
  ASSERT_TRUE(MakeDriver(ConfigOf(line.path()))->Open().ok());
  EXPECT_EQ(line.Received(), "");
}

TEST(CharDeviceDriverTest, ACommandIsHexOrText) {
  EXPECT_EQ(CharDeviceDriver::ParseInit("hex:02 00 fF").value(), std::string("\x02\0\xff", 3));
  EXPECT_EQ(CharDeviceDriver::ParseInit("hex:0200").value(), std::string("\x02\0", 2));
  EXPECT_EQ(CharDeviceDriver::ParseInit("text:hex:02").value(), "hex:02");
  const auto refused = [](absl::string_view text) {
    const absl::Status status = CharDeviceDriver::ParseInit(text).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << text;
    return std::string(status.message());
  };
  EXPECT_THAT(refused("START"), HasSubstr("write hex: and the bytes"));
  EXPECT_THAT(refused(""), HasSubstr("write hex: and the bytes"));
  EXPECT_THAT(refused("hex:020"), HasSubstr("an odd number of hex digits"));
  EXPECT_THAT(refused("hex:0x02"), HasSubstr("'x' is no hex digit"));
  EXPECT_THAT(refused("hex:"), HasSubstr("0 bytes; write 1 to 256"));
  EXPECT_THAT(refused("text:"), HasSubstr("0 bytes; write 1 to 256"));
  EXPECT_TRUE(CharDeviceDriver::ParseInit("text:" + std::string(256, 'x')).ok());
  EXPECT_THAT(refused("text:" + std::string(257, 'x')), HasSubstr("257 bytes; write 1 to 256"));
}

TEST(CharDeviceDriverTest, ABadCommandIsRefusedWithTheConfiguration) {
  SerialLine line;
  config::v1::SourceConfig config = ConfigOf(line.path());
  config.set_init("START");
  EXPECT_STREQ(CharDeviceDriver::Check(config).key, "init");
}

// What is written into a FIFO comes out of it again, as samples that everybody knows.
TEST(CharDeviceDriverTest, AFifoGetsNoCommand) {
  FifoRig rig;
  config::v1::SourceConfig config = rig.Config();
  config.set_init("text:START");
  EXPECT_STREQ(CharDeviceDriver::Check(config).key, "init");
  const absl::Status refused =
      CharDeviceDriver::Create(config, CharDeviceDriver::Identify(config))->Open().status();
  EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
  EXPECT_THAT(std::string(refused.message()), HasSubstr("remove the key"));
}

TEST(CharDeviceDriverTest, AFifoThatEverybodyMayWriteIsRefused) {
  FifoRig rig;
  ASSERT_EQ(chmod(rig.path().c_str(), 0622), 0);
  const std::string check = CharDeviceDriver::Check(rig.Config()).message;
  EXPECT_THAT(check, HasSubstr("everybody may write " + rig.path()));
  EXPECT_THAT(check, HasSubstr("chmod 600"));
  const absl::Status refused = rig.MakeDriver()->Open().status();
  EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
  EXPECT_THAT(std::string(refused.message()), HasSubstr("everybody may write it"));
  ASSERT_EQ(chmod(rig.path().c_str(), 0620), 0);
  EXPECT_TRUE(rig.MakeDriver()->Open().ok()) << "its group is the server's own";
}

TEST(CharDeviceDriverTest, AFifoOfAnotherUserOrGroupIsRefused) {
  ASSERT_EQ(geteuid(), 0u) << "only root can give a file away; run the test as root";
  FifoRig rig;
  ASSERT_EQ(chown(rig.path().c_str(), 4711, 0), 0);
  const absl::Status owner = rig.MakeDriver()->Open().status();
  EXPECT_TRUE(absl::IsFailedPrecondition(owner)) << owner;
  EXPECT_THAT(std::string(owner.message()), HasSubstr("its owner, user 4711, may write it"));
  ASSERT_EQ(chown(rig.path().c_str(), 0, 4711), 0);
  EXPECT_TRUE(rig.MakeDriver()->Open().ok()) << "the group has no right to it";
  ASSERT_EQ(chmod(rig.path().c_str(), 0620), 0);
  EXPECT_THAT(std::string(rig.MakeDriver()->Open().status().message()),
              HasSubstr("group 4711 may write it"));
  EXPECT_EQ(CharDeviceDriver::Check(rig.Config()).key, nullptr)
      << "another user than the server's may run the check";
}

TEST(CharDeviceDriverTest, ADeviceThatEverybodyMayWriteIsRefused) {
  SerialLine line;
  ASSERT_EQ(chmod(line.path().c_str(), 0622), 0);
  EXPECT_THAT(CharDeviceDriver::Check(ConfigOf(line.path())).message,
              HasSubstr("everybody may write"));
  // Whoever took the write right from it would break every program of the machine.
  EXPECT_THAT(CharDeviceDriver::Check(ConfigOf("/dev/null")).message,
              AllOf(HasSubstr("name a generator's own device"), Not(HasSubstr("chmod"))));
  CharDeviceDriver driver(line.path(), "", true);
  EXPECT_TRUE(absl::IsFailedPrecondition(driver.Open().status()));
}

// Whatever its rights are: that everybody may write it is no matter of chance, and for some of them
// not so.
TEST(CharDeviceDriverTest, AMemoryDeviceOfTheKernelIsNoGenerator) {
  for (const char* path : {"/dev/null", "/dev/zero", "/dev/full"}) {
    EXPECT_THAT(CharDeviceDriver::Check(ConfigOf(path)).message,
                HasSubstr("one of the kernel's memory devices"));
    CharDeviceDriver driver(path, "", true);
    EXPECT_THAT(std::string(driver.Open().status().message()),
                HasSubstr("one of the kernel's memory devices, and no generator"));
  }
}

// With `init:` a TPM would answer one command, as a second generator beside itself.
TEST(CharDeviceDriverTest, ATpmIsRefusedWithTheDriverThatTakesIt) {
  for (const char* node : {"/dev/tpm0", "/dev/tpmrm0", "/dev/tpmrm12"}) {
    const ConfigFault fault = CharDeviceDriver::Check(ConfigOf(node));
    EXPECT_STREQ(fault.key, "path");
    EXPECT_THAT(fault.message, HasSubstr("write driver: tpm2"));
  }
  EXPECT_EQ(CharDeviceDriver::Check(ConfigOf("/dev/tpm-like")).key, nullptr);
}

TEST(CharDeviceDriverTest, AGeneratorThatAHypervisorGivesIsTheHosts) {
  for (const char* generator : {"virtio_rng.0", "smccc_trng", "pseries-rng", "pseries_rng"}) {
    const SourceIdentity identity = CharDeviceDriver::IdentityFor("/dev/hwrng", true, generator, 0);
    EXPECT_EQ(identity.claims.group, "host") << generator;
    EXPECT_EQ(identity.claims.min_entropy, 1) << generator;
  }
  EXPECT_EQ(CharDeviceDriver::IdentityFor("/dev/hwrng", true, "ccp-1-rng", 0).root, kRootCpu);
}

TEST(CharDeviceDriverTest, ADeviceThatIsAwayDoesNotSayWhatItIs) {
  for (const char* generator : {"", "none"}) {
    EXPECT_FALSE(CharDeviceDriver::IdentityFor("/dev/hwrng", true, generator, 0).known);
  }
  EXPECT_TRUE(CharDeviceDriver::IdentityFor("/dev/hwrng", true, "virtio_rng.0", 0).known);
  EXPECT_FALSE(CharDeviceDriver::Identify(ConfigOf("/dev/no-such")).known);
  const TempDir dir;
  ASSERT_EQ(mkfifo((dir / "fifo").c_str(), 0600), 0);
  EXPECT_TRUE(CharDeviceDriver::Identify(ConfigOf(dir / "fifo")).known);
}

}  // namespace
}  // namespace entropyd
