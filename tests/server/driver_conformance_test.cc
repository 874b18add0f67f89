// What every driver has to do, tried on every driver there is. A new driver joins with one Rig.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cctype>
#include <functional>
#include <random>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/char_device_driver.h"
#include "server/drivers.h"
#include "server/getrandom_driver.h"
#include "server/health_test.h"
#include "server/rdrand_driver.h"

namespace entropyd {
namespace {

using ::testing::HasSubstr;

// A driver with its device, which the test can pull out.
class Rig {
 public:
  virtual ~Rig() = default;
  virtual std::unique_ptr<SourceDriver> MakeDriver() = 0;
  virtual config::v1::SourceConfig Config() = 0;
  virtual bool present() const { return true; }  // false: this machine has no such device
  virtual bool removable() const { return false; }
  virtual void Unplug() {}
  virtual void Replug() {}
  virtual void Supply() {}  // makes some bytes readable
};

// A FIFO stands for any character device: what the test writes, the device "samples".
class FifoRig final : public Rig {
 public:
  FifoRig() {
    char directory[] = "/tmp/entropyd_driver_XXXXXX";
    directory_ = mkdtemp(directory);
    path_ = directory_ + "/device";
    EXPECT_EQ(mkfifo(path_.c_str(), 0600), 0);
    Replug();
  }
  ~FifoRig() override {
    unlink(path_.c_str());
    rmdir(directory_.c_str());
  }
  std::unique_ptr<SourceDriver> MakeDriver() override { return CharDeviceDriver::Create(Config()); }
  config::v1::SourceConfig Config() override {
    config::v1::SourceConfig config;
    config.set_driver(config::v1::DRIVER_CHAR_DEVICE);
    config.set_path(path_);
    return config;
  }
  bool removable() const override { return true; }
  void Unplug() override { writer_.reset(); }
  void Replug() override { writer_.reset(open(path_.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC)); }
  void Supply() override {
    std::vector<uint8_t> samples(256);
    for (uint8_t& b : samples) b = static_cast<uint8_t>(generator_());
    Write(samples);
  }
  void Write(const std::vector<uint8_t>& samples) {
    ASSERT_EQ(write(writer_.get(), samples.data(), samples.size()),
              static_cast<ssize_t>(samples.size()));
  }
  const std::string& path() const { return path_; }

 private:
  std::mt19937 generator_{3};
  std::string directory_;
  std::string path_;
  UniqueFd writer_;
};

class RdrandRig final : public Rig {
 public:
  std::unique_ptr<SourceDriver> MakeDriver() override { return RdrandDriver::Create(Config()); }
  config::v1::SourceConfig Config() override {
    config::v1::SourceConfig config;
    config.set_driver(config::v1::DRIVER_RDRAND);
    return config;
  }
  bool present() const override { return RdrandDriver::ProcessorDraw() != nullptr; }
};

class GetrandomRig final : public Rig {
 public:
  std::unique_ptr<SourceDriver> MakeDriver() override { return GetrandomDriver::Create(Config()); }
  config::v1::SourceConfig Config() override {
    config::v1::SourceConfig config;
    config.set_driver(config::v1::DRIVER_GETRANDOM);
    return config;
  }
};

template <typename T>
std::unique_ptr<Rig> MakeRig() {
  return std::make_unique<T>();
}

struct RigParam {
  config::v1::Driver id;
  std::unique_ptr<Rig> (*make)();
};

constexpr RigParam kRigs[] = {
    {config::v1::DRIVER_CHAR_DEVICE, MakeRig<FifoRig>},
    {config::v1::DRIVER_RDRAND, MakeRig<RdrandRig>},
    {config::v1::DRIVER_GETRANDOM, MakeRig<GetrandomRig>},
};

class DriverConformance : public ::testing::TestWithParam<RigParam> {
 protected:
  // Where the machine lacks the device, saying so properly is all that can be asked of the driver.
  bool Absent() {
    if (rig_->present()) return false;
    const absl::StatusOr<std::string> opened = driver_->Open();
    EXPECT_TRUE(absl::IsNotFound(opened.status())) << opened.status();
    EXPECT_FALSE(opened.status().message().empty());
    return true;
  }
  void Open() {
    const absl::StatusOr<std::string> device = driver_->Open();
    ASSERT_TRUE(device.ok()) << device.status();
    EXPECT_FALSE(device->empty());
  }
  std::vector<uint8_t> Read(size_t n) {
    rig_->Supply();
    std::vector<uint8_t> bytes(n);
    absl::StatusOr<size_t> got = driver_->Read(absl::MakeSpan(bytes));
    EXPECT_TRUE(got.ok()) << got.status();
    EXPECT_GT(*got, 0u);
    EXPECT_LE(*got, n);
    bytes.resize(*got);
    return bytes;
  }

  std::unique_ptr<Rig> rig_ = GetParam().make();
  std::unique_ptr<SourceDriver> driver_ = rig_->MakeDriver();
};

TEST_P(DriverConformance, GivesFreshBytesAtEveryRead) {
  if (Absent()) return;
  Open();
  std::set<std::vector<uint8_t>> seen;
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(seen.insert(Read(16)).second);
}

TEST_P(DriverConformance, TakesAnyReadSize) {
  if (Absent()) return;
  Open();
  for (const size_t n : {1, 2, 7, 8, 9, 63, 64, 65, 4096}) EXPECT_LE(Read(n).size(), n);
}

TEST_P(DriverConformance, WritesNothingBeyondWhatItSays) {
  if (Absent()) return;
  Open();
  rig_->Supply();
  std::vector<uint8_t> bytes(64, 0xee);
  const size_t n = driver_->Read(absl::MakeSpan(bytes).subspan(0, 13)).value();
  EXPECT_EQ(std::vector<uint8_t>(bytes.begin() + n, bytes.end()),
            std::vector<uint8_t>(64 - n, 0xee));
}

TEST_P(DriverConformance, CloseIsHarmlessAndOpenWorksAgain) {
  driver_->Close();
  if (Absent()) return;
  for (int i = 0; i < 3; ++i) {
    Open();
    Read(16);
    driver_->Close();
    driver_->Close();
  }
}

TEST_P(DriverConformance, InterruptIsHarmlessOutsideARead) {
  driver_->Interrupt();
  driver_->Close();
}

TEST_P(DriverConformance, UnpluggedDeviceIsAnErrorAndReplugRecovers) {
  if (!rig_->removable()) GTEST_SKIP() << "not removable";
  Open();
  Read(16);
  std::vector<uint8_t> drained(4096);
  while (driver_->Read(absl::MakeSpan(drained)).value() > 0) {
  }
  rig_->Unplug();
  const absl::StatusOr<size_t> gone = driver_->Read(absl::MakeSpan(drained));
  EXPECT_TRUE(absl::IsUnavailable(gone.status())) << gone.status();
  driver_->Close();
  rig_->Replug();
  Open();
  Read(16);
}

TEST_P(DriverConformance, StalledDeviceGivesZeroAtOnce) {
  if (!rig_->removable()) GTEST_SKIP() << "cannot be stalled";
  Open();
  uint8_t byte;
  EXPECT_EQ(driver_->Read({&byte, 1}).value(), 0u);
}

TEST_P(DriverConformance, ClaimsAreSound) {
  const DriverEntry* entry = FindDriver(GetParam().id);
  ASSERT_NE(entry, nullptr);
  EXPECT_EQ(entry->check(rig_->Config()).key, nullptr);
  const SourceClaims claims = entry->claims(rig_->Config());
  EXPECT_FALSE(claims.group.empty());
  EXPECT_GE(claims.health_min_entropy, claims.min_entropy);
  EXPECT_GT(claims.max_rate, 0u);
  EXPECT_GT(claims.read_bytes, 0u);
  if (claims.software) {
    EXPECT_EQ(claims.min_entropy, 0);
  }
  const absl::StatusOr<HealthTest> test = HealthTest::Create(
      {.min_entropy = claims.health_min_entropy, .word_bytes = claims.word_bytes});
  ASSERT_TRUE(test.ok()) << test.status();
  EXPECT_LT(test->PermanentFalseAlarmsPerYear(static_cast<double>(claims.max_rate)), 1);
}

std::string RigName(const ::testing::TestParamInfo<RigParam>& info) {
  return FindDriver(info.param.id)->name;
}

INSTANTIATE_TEST_SUITE_P(All, DriverConformance, ::testing::ValuesIn(kRigs), RigName);

TEST(DriversTest, EveryDriverOfTheConfigurationIsBuiltInAndTriedHere) {
  const auto* descriptor = config::v1::Driver_descriptor();
  for (int i = 0; i < descriptor->value_count(); ++i) {
    const int number = descriptor->value(i)->number();
    if (number == 0) continue;
    const auto id = static_cast<config::v1::Driver>(number);
    const DriverEntry* entry = FindDriver(id);
    ASSERT_NE(entry, nullptr) << descriptor->value(i)->name();
    std::string upper = entry->name;
    for (char& c : upper) c = static_cast<char>(toupper(c));
    EXPECT_EQ(descriptor->value(i)->name(), "DRIVER_" + upper);
    EXPECT_TRUE(std::any_of(std::begin(kRigs), std::end(kRigs), [&](const RigParam& rig) {
      return rig.id == id;
    })) << entry->name;
  }
  EXPECT_EQ(FindDriver(config::v1::DRIVER_UNSPECIFIED), nullptr);
}

TEST(CharDeviceTest, RecordedSamplesArriveInOrder) {
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

TEST(CharDeviceTest, FifoWithoutAWriterIsGoneAtTheFirstRead) {
  FifoRig rig;
  rig.Unplug();
  std::unique_ptr<SourceDriver> driver = rig.MakeDriver();
  ASSERT_TRUE(driver->Open().ok()) << "opens without waiting for a writer";
  uint8_t byte;
  EXPECT_TRUE(absl::IsUnavailable(driver->Read({&byte, 1}).status()));
}

TEST(CharDeviceTest, RegularFileIsRefused) {
  char path[] = "/tmp/entropyd_file_XXXXXX";
  UniqueFd file(mkstemp(path));
  CharDeviceDriver driver(path, "");
  const absl::Status status = driver.Open().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("neither a character device nor a FIFO"));
  config::v1::SourceConfig config;
  config.set_path(path);
  EXPECT_STREQ(CharDeviceDriver::Check(config).key, "path");
  unlink(path);
}

TEST(CharDeviceTest, MissingDeviceIsNotFound) {
  CharDeviceDriver driver("/dev/entropyd-no-such-device", "");
  EXPECT_TRUE(absl::IsNotFound(driver.Open().status())) << driver.Open().status();
}

TEST(CharDeviceTest, KernelGeneratorUnderAnyNameIsRefused) {
  CharDeviceDriver driver("/dev/../dev/urandom", "");
  EXPECT_THAT(std::string(driver.Open().status().message()), HasSubstr("use driver getrandom"));
  config::v1::SourceConfig config;
  config.set_path("/dev/urandom");
  EXPECT_THAT(CharDeviceDriver::Check(config).message, HasSubstr("write driver: getrandom"));
}

TEST(CharDeviceTest, PathIsNeeded) {
  const ConfigFault fault = CharDeviceDriver::Check({});
  EXPECT_STREQ(fault.key, "path");
  EXPECT_EQ(fault.message, "driver char_device needs a path, e.g. path: /dev/hwrng");
}

TEST(CharDeviceTest, TerminalLineGivesBytesAsTheyCome) {
  UniqueFd controller(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  ASSERT_TRUE(controller && grantpt(controller.get()) == 0 && unlockpt(controller.get()) == 0);
  CharDeviceDriver driver(ptsname(controller.get()), "");
  ASSERT_TRUE(driver.Open().ok()) << driver.Open().status();
  const std::vector<uint8_t> special = {0x03, 0x04, 0x0d, 0x0a, 0x11, 0x13, 0x1a, 0x7f, 0xff};
  ASSERT_EQ(write(controller.get(), special.data(), special.size()),
            static_cast<ssize_t>(special.size()));
  std::vector<uint8_t> got(64);
  got.resize(driver.Read(absl::MakeSpan(got)).value());
  EXPECT_EQ(got, special);
}

TEST(CharDeviceTest, GeneratorBehindHwrngSetsTheClaims) {
  const SourceClaims virtio = CharDeviceDriver::ClaimsFor("/dev/hwrng", true, "virtio_rng.0", 0);
  EXPECT_EQ(virtio.group, "host");
  EXPECT_EQ(virtio.min_entropy, 1);
  const SourceClaims none = CharDeviceDriver::ClaimsFor("/dev/hwrng", true, "none", 0);
  EXPECT_EQ(none.group, "host");
  const SourceClaims board = CharDeviceDriver::ClaimsFor("/dev/hwrng", true, "tpm-rng-0", 0);
  EXPECT_EQ(board.group, "/dev/hwrng");
  EXPECT_EQ(board.min_entropy, 4);
  const SourceClaims usb = CharDeviceDriver::ClaimsFor("/dev/ttyACM0", false, "", 0);
  EXPECT_EQ(usb.group, "/dev/ttyACM0");
  EXPECT_EQ(usb.word_bytes, 4);
  EXPECT_EQ(CharDeviceDriver::ClaimsFor("/dev/ttyACM0", false, "", 2'000'000).word_bytes, 8);
}

TEST(CharDeviceTest, GeneratorThatIsReplacedByALesserOneIsRefused) {
  FifoRig rig;
  char current[] = "/tmp/entropyd_current_XXXXXX";
  UniqueFd file(mkstemp(current));
  const auto set_current = [&](absl::string_view name) {
    ASSERT_EQ(ftruncate(file.get(), 0), 0);
    ASSERT_EQ(pwrite(file.get(), name.data(), name.size(), 0), static_cast<ssize_t>(name.size()));
  };
  set_current("tpm-rng-0\n");
  CharDeviceDriver driver(rig.path(), current);
  EXPECT_EQ(driver.Open().value(), "tpm-rng-0");
  set_current("virtio_rng.0\n");
  EXPECT_EQ(driver.Open().status().code(), absl::StatusCode::kFailedPrecondition);
  CharDeviceDriver claimed_less(rig.path(), current);
  EXPECT_EQ(claimed_less.Open().value(), "virtio_rng.0");
  unlink(current);
}

int draws = 0;

TEST(RdrandTest, ProcessorThatRepeatsOneValueIsRefused) {
  RdrandDriver driver([](uint64_t* word) {
    *word = UINT64_MAX;
    return true;
  });
  EXPECT_EQ(driver.Open().status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST(RdrandTest, TenTriesWithoutAValueAreAnError) {
  draws = 0;
  RdrandDriver driver([](uint64_t*) {
    ++draws;
    return false;
  });
  EXPECT_TRUE(absl::IsUnavailable(driver.Open().status()));
  EXPECT_EQ(draws, 10);
  uint8_t bytes[8];
  EXPECT_TRUE(absl::IsUnavailable(driver.Read(absl::MakeSpan(bytes)).status()));
}

TEST(RdrandTest, ValueAtTheTenthTryIsUsed) {
  draws = 0;
  RdrandDriver driver([](uint64_t* word) {
    *word = static_cast<uint64_t>(draws);
    return ++draws % 10 == 0;
  });
  uint8_t bytes[16];
  EXPECT_EQ(driver.Read(absl::MakeSpan(bytes)).value(), 16u);
  EXPECT_EQ(bytes[0], 9);
  EXPECT_EQ(bytes[8], 19);
}

TEST(RdrandTest, FailureHalfWayGivesWhatThereIs) {
  draws = 0;
  RdrandDriver driver([](uint64_t* word) {
    *word = 1;
    return ++draws == 1;
  });
  uint8_t bytes[16];
  EXPECT_EQ(driver.Read(absl::MakeSpan(bytes)).value(), 8u);
}

TEST(RdrandTest, CreditIsOneReseedingPer64KiB) {
  EXPECT_DOUBLE_EQ(RdrandDriver::Claims({}).min_entropy * 65536, 256);
}

}  // namespace
}  // namespace entropyd
