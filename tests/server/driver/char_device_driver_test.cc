#include "server/driver/char_device_driver.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/server/driver/driver_rigs.h"
#include "tests/temp_dir.h"

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

// --- what a path leads to ------------------------------------------------------------------------

TEST(CharDeviceDriverTest, RecordedSamplesArriveInOrder) {
  FifoRig rig;
  std::unique_ptr<SourceDriver> driver = rig.MakeDriver();
  ASSERT_TRUE(driver->Open().ok());
  std::vector<uint8_t> samples(1000), got;
  for (size_t i = 0; i < samples.size(); ++i) samples[i] = static_cast<uint8_t>(i * 7);
  rig.Write(samples);
  uint8_t buffer[256];
  while (got.size() < samples.size()) {
    const size_t n = driver->Read(absl::MakeSpan(buffer)).value();
    ASSERT_GT(n, 0u);
    EXPECT_LE(n, 64u) << "small reads only";
    got.insert(got.end(), buffer, buffer + n);
  }
  EXPECT_EQ(got, samples);
  EXPECT_EQ(driver->Read(absl::MakeSpan(buffer)).value(), 0u);
}

TEST(CharDeviceDriverTest, FifoWithoutAWriterIsGoneAtTheFirstRead) {
  FifoRig rig;
  rig.Unplug();
  std::unique_ptr<SourceDriver> driver = rig.MakeDriver();
  ASSERT_TRUE(driver->Open().ok()) << "opens without waiting for a writer";
  uint8_t byte;
  EXPECT_TRUE(absl::IsUnavailable(driver->Read({&byte, 1}).status()));
}

TEST(CharDeviceDriverTest, RegularFileIsRefused) {
  const TempDir dir;
  const std::string path = dir / "file";
  ASSERT_TRUE(std::ofstream(path).good());
  CharDeviceDriver driver(path, "", true);
  const absl::Status status = driver.Open().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("neither a character device nor a FIFO"));
  config::v1::SourceConfig config;
  config.set_path(path);
  EXPECT_STREQ(CharDeviceDriver::Check(config).key, "path");
}

TEST(CharDeviceDriverTest, MissingDeviceIsNotFound) {
  CharDeviceDriver driver("/dev/entropyd-no-such-device", "", true);
  EXPECT_TRUE(absl::IsNotFound(driver.Open().status())) << driver.Open().status();
}

TEST(CharDeviceDriverTest, KernelGeneratorUnderAnyNameIsRefused) {
  CharDeviceDriver driver("/dev/../dev/urandom", "", true);
  EXPECT_THAT(std::string(driver.Open().status().message()), HasSubstr("use driver getrandom"));
  config::v1::SourceConfig config;
  config.set_path("/dev/urandom");
  EXPECT_THAT(CharDeviceDriver::Check(config).message, HasSubstr("write driver: getrandom"));
}

TEST(CharDeviceDriverTest, PathIsNeeded) {
  const ConfigFault fault = CharDeviceDriver::Check({});
  EXPECT_STREQ(fault.key, "path");
  EXPECT_EQ(fault.message, "driver char_device needs a path, e.g. path: /dev/hwrng");
}

TEST(CharDeviceDriverTest, TerminalLineGivesBytesAsTheyCome) {
  UniqueFd controller(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  ASSERT_TRUE(controller && grantpt(controller.get()) == 0 && unlockpt(controller.get()) == 0);
  CharDeviceDriver driver(ptsname(controller.get()), "", true);
  ASSERT_TRUE(driver.Open().ok()) << driver.Open().status();
  const std::vector<uint8_t> special = {0x03, 0x04, 0x0d, 0x0a, 0x11, 0x13, 0x1a, 0x7f, 0xff};
  ASSERT_EQ(write(controller.get(), special.data(), special.size()),
            static_cast<ssize_t>(special.size()));
  std::vector<uint8_t> got(64);
  got.resize(driver.Read(absl::MakeSpan(got)).value());
  EXPECT_EQ(got, special);
}

TEST(CharDeviceDriverTest, GeneratorBehindHwrngSetsTheClaims) {
  const SourceClaims virtio =
      CharDeviceDriver::IdentityFor("/dev/hwrng", true, "virtio_rng.0", 0).claims;
  EXPECT_EQ(virtio.group, "host");
  EXPECT_EQ(virtio.min_entropy, 1);
  const SourceClaims none = CharDeviceDriver::IdentityFor("/dev/hwrng", true, "none", 0).claims;
  EXPECT_EQ(none.group, "host");
  const SourceClaims board =
      CharDeviceDriver::IdentityFor("/dev/hwrng", true, "tpm-rng-0", 0).claims;
  EXPECT_EQ(board.group, "/dev/hwrng");
  EXPECT_EQ(board.min_entropy, 4);
  const SourceClaims usb = CharDeviceDriver::IdentityFor("/dev/ttyACM0", false, "", 0).claims;
  EXPECT_EQ(usb.group, "/dev/ttyACM0");
  EXPECT_EQ(usb.word_bytes, 4);
  EXPECT_EQ(CharDeviceDriver::IdentityFor("/dev/ttyACM0", false, "", 2'000'000).claims.word_bytes,
            8);
}

TEST(CharDeviceDriverTest, GeneratorThatIsReplacedByALesserOneIsRefused) {
  FifoRig rig;
  const TempDir dir;
  const std::string current = dir / "rng_current";
  const auto set_current = [&](absl::string_view name) { std::ofstream(current) << name; };
  set_current("tpm-rng-0\n");
  CharDeviceDriver driver(rig.path(), current, true);
  EXPECT_EQ(driver.Open().value(), "tpm-rng-0");
  set_current("virtio_rng.0\n");
  EXPECT_EQ(driver.Open().status().code(), absl::StatusCode::kFailedPrecondition);
  CharDeviceDriver claimed_less(rig.path(), current, false);
  EXPECT_EQ(claimed_less.Open().value(), "virtio_rng.0");
}

// The kernel chooses the generator at each read, also of a device that is open.
TEST(CharDeviceDriverTest, GeneratorThatIsReplacedWhileItIsOpenIsTakenForAnother) {
  FifoRig rig;
  const TempDir dir;
  const std::string current = dir / "rng_current";
  const auto set_current = [&](absl::string_view name) { std::ofstream(current) << name; };
  set_current("intel-rng\n");
  CharDeviceDriver driver(rig.path(), current, true);
  ASSERT_TRUE(driver.Open().ok());
  EXPECT_EQ(driver.root(), RootOfHwrng("intel-rng"));
  uint8_t bytes[64];
  rig.Write(std::vector<uint8_t>(16, 0x11));
  ASSERT_EQ(driver.Read(bytes).value(), 16u);

  set_current("tpm-rng-0\n");
  rig.Write(std::vector<uint8_t>(16, 0x11));
  std::fill(std::begin(bytes), std::end(bytes), 0xee);
  const absl::Status replaced = driver.Read(bytes).status();
  EXPECT_EQ(replaced.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(replaced.message()), HasSubstr("now 'tpm-rng-0', and was 'intel-rng'"));
  EXPECT_THAT(std::string(bytes, bytes + 16), ::testing::Each(0)) << "nobody uses these";

  EXPECT_EQ(driver.Open().value(), "tpm-rng-0");
  EXPECT_EQ(driver.root(), Tpm2Driver::RootOfTcti("device:/dev/tpmrm0"));
  rig.Write(std::vector<uint8_t>(16, 0x11));
  EXPECT_EQ(driver.Read(bytes).value(), 16u);
}

TEST(CharDeviceDriverTest, GeneratorOfATpmHasTheRootOfTheTpm) {
  EXPECT_EQ(CharDeviceDriver::IdentityFor("/dev/hwrng", true, "tpm-rng-0", 0).root,
            Tpm2Driver::RootOfTcti("device:/dev/tpmrm0"));
  EXPECT_NE(CharDeviceDriver::IdentityFor("/dev/hwrng", true, "tpm-rng-1", 0).root,
            Tpm2Driver::RootOfTcti("device:/dev/tpmrm0"));
  EXPECT_EQ(Tpm2Driver::RootOfTcti("cmd:tpm2_send"), Tpm2Driver::RootOfTcti("device:/dev/tpmrm0"))
      << "nobody knows where it leads";
  EXPECT_EQ(CharDeviceDriver::IdentityFor("/dev/other", true, "intel", 0).root, "device 10:183");
}

TEST(CharDeviceDriverTest, EachOpenTellsWhatThePathLeadsToNow) {
  FifoRig one, other;
  TempDir directory;
  const std::string path = directory / "device";
  ASSERT_EQ(symlink(one.path().c_str(), path.c_str()), 0);
  CharDeviceDriver driver(path, "", true);
  ASSERT_TRUE(driver.Open().ok());
  EXPECT_EQ(driver.root(), RootOfPath(one.path()));
  unlink(path.c_str());
  ASSERT_EQ(symlink(other.path().c_str(), path.c_str()), 0);
  EXPECT_EQ(driver.root(), RootOfPath(one.path())) << "that is what is open";
  driver.Close();
  ASSERT_TRUE(driver.Open().ok());
  EXPECT_EQ(driver.root(), RootOfPath(other.path()));
}

}  // namespace
}  // namespace entropyd
