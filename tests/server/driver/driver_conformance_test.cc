// What every driver must do, tested on every driver: start, short read, stall, error, unplug,
// replug, wrong data, stop while blocked. A new driver joins with one Rig.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "proto/config_options.pb.h"
#include "server/driver/registry.h"
#include "server/health/health_monitor.h"
#include "server/source/source_thread.h"
#include "tests/server/driver/driver_rigs.h"
#include "tests/server/driver/fake_driver.h"
#include "tests/server/driver/upstream_rig.h"

namespace entropyd {
namespace {

using ::testing::HasSubstr;

template <typename T>
std::unique_ptr<Rig> MakeRig() {
  return std::make_unique<T>();
}

struct RigParam {
  const char* driver;
  const char* name;
  std::unique_ptr<Rig> (*make)();
  bool (*present)();  // false: this machine has no such device
  // Why the rig cannot do so; nullptr = it can.
  const char* cannot_unplug;
  const char* cannot_stall;
  const char* cannot_break;
  const char* cannot_lie;
};

template <typename T>
constexpr RigParam With(const char* driver, const char* name) {
  return {driver,          name,         MakeRig<T>, T::present, T::kCannotUnplug, T::kCannotStall,
          T::kCannotBreak, T::kCannotLie};
}

constexpr RigParam kRigs[] = {
    With<FifoRig>("char_device", "char_device"),
    With<RdrandRig>("rdrand", "rdrand"),
    With<GetrandomRig>("getrandom", "getrandom"),
    With<RdseedRig>("rdseed", "rdseed"),
    With<EgdUnixRig>("egd", "egd_unix"),
    With<EgdTcpRig>("egd", "egd_tcp"),
    With<SoftHsmRig>("pkcs11", "pkcs11_softhsm"),
    With<TestModuleRig>("pkcs11", "pkcs11_test_module"),
    With<SwtpmRig>("tpm2", "tpm2_swtpm"),
    With<JitterRig>("jitter", "jitter"),
    With<UpstreamRig>("upstream", "upstream_grpc"),
};

// The rigs that can do what `cannot` speaks of.
std::vector<RigParam> ThoseThatCan(const char* RigParam::*cannot) {
  std::vector<RigParam> rigs;
  for (const RigParam& rig : kRigs) {
    if (rig.*cannot == nullptr) rigs.push_back(rig);
  }
  return rigs;
}

std::vector<RigParam> ThoseThatAre(bool present) {
  std::vector<RigParam> rigs;
  for (const RigParam& rig : kRigs) {
    if (rig.present() == present) rigs.push_back(rig);
  }
  return rigs;
}

// A pool that reports when its source's state changes.
class WatchingSink final : public SourceSink {
 public:
  bool Wants(int member) override { return true; }
  double Add(int member, absl::Span<const uint8_t> samples) override { return 0; }
  void SetSourceRoot(int member, const std::string& root) override {}
  void SetSourceState(int member, v1::SourceState state) override {
    absl::MutexLock lock(&mutex_);
    state_ = state;
  }
  // Returns false when none of them came within 20 s.
  bool Await(std::initializer_list<v1::SourceState> states) {
    absl::MutexLock lock(&mutex_);
    const auto reached = [&] {
      mutex_.AssertReaderHeld();
      return std::count(states.begin(), states.end(), state_) > 0;
    };
    return mutex_.AwaitWithTimeout(absl::Condition(&reached), absl::Seconds(20));
  }

 private:
  absl::Mutex mutex_;
  v1::SourceState state_ ABSL_GUARDED_BY(mutex_) = v1::SOURCE_STATE_STARTING;
};

class DriverConformance : public ::testing::TestWithParam<RigParam> {
 protected:
  void Open() {
    const absl::StatusOr<std::string> device = driver_->Open();
    ASSERT_TRUE(device.ok()) << device.status();
    EXPECT_FALSE(device->empty());
  }
  // Reads as the source does: asks until there are bytes or an error.
  absl::StatusOr<size_t> ReadSome(absl::Span<uint8_t> out) {
    const absl::Time deadline = absl::Now() + absl::Seconds(10);
    while (absl::Now() < deadline) {
      absl::StatusOr<size_t> got = driver_->Read(out);
      if (!got.ok() || *got > 0) return got;
      std::this_thread::yield();
    }
    return absl::DeadlineExceededError("nothing came");
  }
  std::vector<uint8_t> Read(size_t n) {
    rig_->Supply();
    std::vector<uint8_t> bytes(n);
    absl::StatusOr<size_t> got = ReadSome(absl::MakeSpan(bytes));
    EXPECT_TRUE(got.ok()) << got.status();
    EXPECT_GT(got.value_or(0), 0u);
    EXPECT_LE(got.value_or(0), n);
    bytes.resize(got.value_or(0));
    return bytes;
  }
  // Good bytes from before the fault may come first.
  absl::Status ReadUntilError() {
    std::vector<uint8_t> bytes(4096);
    absl::Status status;
    for (int i = 0; i < 100 && status.ok(); ++i) status = ReadSome(absl::MakeSpan(bytes)).status();
    return status;
  }
  // Takes what the device has given already, until it has nothing or fails.
  absl::Status Drain() {
    std::vector<uint8_t> bytes(4096);
    while (true) {
      const absl::StatusOr<size_t> got = driver_->Read(absl::MakeSpan(bytes));
      if (!got.ok()) return got.status();
      if (*got == 0) return absl::OkStatus();
    }
  }
  // Runs the driver as the server does: with a thread, health tests and a pool.
  std::unique_ptr<SourceThread> StartSource() {
    const DriverEntry* entry = FindDriver(GetParam().driver);
    SourceSpec spec;
    spec.name = GetParam().name;
    spec.identity = entry->identify(rig_->Config());
    HealthMonitor test =
        HealthMonitor::Create({.min_entropy = spec.identity.claims.health_min_entropy,
                               .word_bytes = spec.identity.claims.word_bytes})
            .value();
    SecretBytes held = arena_->Allocate(Source::HeldBytes(test)).value();
    auto source = std::make_unique<Source>(spec, std::move(driver_), std::move(test),
                                           std::move(held), &clock_, &log_);
    source->AddSink(&sink_, 0);
    auto thread = std::make_unique<SourceThread>(std::move(source));
    EXPECT_TRUE(thread->Start().ok());
    return thread;
  }

  SystemClock clock_;
  FakeLog log_{&clock_};
  WatchingSink sink_;
  std::unique_ptr<SecretArena> arena_ =
      SecretArena::Create(4 << 20, SecretArena::Locking::kBestEffort).value();
  std::unique_ptr<Rig> rig_ = GetParam().make();
  std::unique_ptr<SourceDriver> driver_ = rig_->MakeDriver();
};

// Those whose device a test can pull out, stall, break, or make lie.
using DriverPresentConformance = DriverConformance;
using DriverAbsentConformance = DriverConformance;
using DriverUnplugConformance = DriverConformance;
using DriverStallConformance = DriverConformance;
using DriverBreakConformance = DriverConformance;
using DriverLieConformance = DriverConformance;

TEST(RegistryTest, TheHelpOfTheConfigurationListsEveryDriver) {
  const auto* driver = config::v1::SourceConfig::descriptor()->FindFieldByName("driver");
  const std::string help = driver->options().GetExtension(config::v1::rule).help();
  for (const DriverEntry& entry : BuiltIns()) EXPECT_THAT(help, HasSubstr(std::string(entry.name)));
}

TEST_P(DriverPresentConformance, GivesFreshBytesAtEveryRead) {
  Open();
  std::set<std::vector<uint8_t>> seen;
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(seen.insert(Read(16)).second);
}

TEST_P(DriverPresentConformance, TakesAnyReadSize) {
  Open();
  for (const size_t n : {1, 2, 7, 8, 9, 63, 64, 65, 4096}) EXPECT_LE(Read(n).size(), n);
}

TEST_P(DriverPresentConformance, WritesNothingBeyondWhatItSays) {
  Open();
  rig_->Supply();
  std::vector<uint8_t> bytes(64, 0xee);
  const size_t n = ReadSome(absl::MakeSpan(bytes).subspan(0, 13)).value();
  EXPECT_EQ(std::vector<uint8_t>(bytes.begin() + n, bytes.end()),
            std::vector<uint8_t>(64 - n, 0xee));
}

TEST_P(DriverPresentConformance, CloseIsHarmlessAndOpenWorksAgain) {
  driver_->Close();
  for (int i = 0; i < 3; ++i) {
    Open();
    Read(16);
    driver_->Close();
    driver_->Close();
  }
}

TEST_P(DriverAbsentConformance, AMissingDeviceIsAnErrorThatSaysSo) {
  // Else nobody would see that these tests have seen no device. tests/run.sh shows it.
  printf("NOTE: no %s here: its driver was tested only to say so\n", GetParam().name);
  const absl::Status status = driver_->Open().status();
  EXPECT_TRUE(absl::IsNotFound(status) || absl::IsFailedPrecondition(status)) << status;
  EXPECT_FALSE(status.message().empty());
}

// Interrupt() comes once, at the end, and no later call may keep the source's thread.
TEST_P(DriverConformance, AfterAnInterruptEveryCallReturnsSoon) {
  driver_->Interrupt();
  const absl::Time begun = absl::Now();
  uint8_t byte = 0;
  if (driver_->Open().ok()) driver_->Read({&byte, 1}).status().IgnoreError();
  driver_->Close();
  EXPECT_LT(absl::Now() - begun, absl::Seconds(5));
}

TEST_P(DriverUnplugConformance, UnpluggedDeviceIsAnErrorAndReplugRecovers) {
  Open();
  Read(16);
  rig_->Unplug();
  const absl::Status gone = ReadUntilError();
  EXPECT_TRUE(absl::IsUnavailable(gone)) << gone;
  EXPECT_FALSE(gone.message().empty());
  driver_->Close();
  rig_->Replug();
  Open();
  Read(16);
}

TEST_P(DriverStallConformance, StalledDeviceGivesNothingAndComesBack) {
  Open();
  rig_->Stall();
  // Bytes on their way may still arrive. Then nothing comes: the driver says so at once, or by an
  // error in time.
  const absl::Time begun = absl::Now();
  const absl::Status silent = Drain();
  EXPECT_TRUE(silent.ok() || absl::IsUnavailable(silent)) << silent;
  EXPECT_LT(absl::Now() - begun, absl::Seconds(5));
  driver_->Close();
  rig_->Resume();
  Open();
  Read(16);
}

TEST_P(DriverBreakConformance, BrokenDeviceIsAnErrorAndComesBack) {
  Open();
  Read(16);
  rig_->Break();
  const absl::Status broken = ReadUntilError();
  EXPECT_TRUE(absl::IsUnavailable(broken)) << broken;
  EXPECT_FALSE(broken.message().empty());
  driver_->Close();
  rig_->Mend();
  Open();
  Read(16);
}

TEST_P(DriverLieConformance, WrongDataIsFoundOutByTheHealthTests) {
  rig_->Lie();
  std::unique_ptr<SourceThread> thread = StartSource();
  EXPECT_TRUE(sink_.Await({v1::SOURCE_STATE_QUARANTINED, v1::SOURCE_STATE_LATCHED}));
  thread->Stop();
}

TEST_P(DriverStallConformance, StopWhileBlockedIsPrompt) {
  rig_->Stall();
  std::unique_ptr<SourceThread> thread = StartSource();
  // GONE means that Open() failed or that the device was silent for 2 s. In both cases the driver
  // has been in its device by then.
  EXPECT_TRUE(sink_.Await({v1::SOURCE_STATE_GONE}));
  const absl::Time begun = absl::Now();
  thread->Stop();
  EXPECT_LT(absl::Now() - begun, absl::Seconds(2));
  rig_->Resume();
}

TEST_P(DriverConformance, ClaimsAreSound) {
  const DriverEntry* entry = FindDriver(GetParam().driver);
  ASSERT_NE(entry, nullptr);
  EXPECT_EQ(CheckKeys(*entry, rig_->Config()).key, nullptr);
  const SourceIdentity identity = entry->identify(rig_->Config());
  const SourceClaims& claims = identity.claims;
  EXPECT_FALSE(identity.root.empty());
  EXPECT_FALSE(claims.group.empty());
  EXPECT_GE(claims.health_min_entropy, claims.min_entropy);
  EXPECT_GT(claims.max_rate, 0u);
  EXPECT_GT(claims.read_bytes, 0u);
  if (identity.software()) {
    EXPECT_EQ(claims.min_entropy, 0);
  }
  const absl::StatusOr<HealthMonitor> test = HealthMonitor::Create(
      {.min_entropy = claims.health_min_entropy, .word_bytes = claims.word_bytes});
  ASSERT_TRUE(test.ok()) << test.status();
  EXPECT_LT(test->PermanentFalseAlarmsPerYear(static_cast<double>(claims.max_rate)), 1);
}

std::string RigName(const ::testing::TestParamInfo<RigParam>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(All, DriverConformance, ::testing::ValuesIn(kRigs), RigName);
INSTANTIATE_TEST_SUITE_P(All, DriverPresentConformance, ::testing::ValuesIn(ThoseThatAre(true)),
                         RigName);
// A machine may have them all.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(DriverAbsentConformance);
INSTANTIATE_TEST_SUITE_P(All, DriverAbsentConformance, ::testing::ValuesIn(ThoseThatAre(false)),
                         RigName);
INSTANTIATE_TEST_SUITE_P(All, DriverUnplugConformance,
                         ::testing::ValuesIn(ThoseThatCan(&RigParam::cannot_unplug)), RigName);
INSTANTIATE_TEST_SUITE_P(All, DriverStallConformance,
                         ::testing::ValuesIn(ThoseThatCan(&RigParam::cannot_stall)), RigName);
INSTANTIATE_TEST_SUITE_P(All, DriverBreakConformance,
                         ::testing::ValuesIn(ThoseThatCan(&RigParam::cannot_break)), RigName);
INSTANTIATE_TEST_SUITE_P(All, DriverLieConformance,
                         ::testing::ValuesIn(ThoseThatCan(&RigParam::cannot_lie)), RigName);

// A reason that is given too freely would leave a fault untried.
TEST(DriversTest, EveryFaultIsTriedOnEveryKindOfDeviceButProcessorAndKernel) {
  const auto tried = [](const char* RigParam::*cannot) {
    std::set<std::string> drivers;
    for (const RigParam& rig : ThoseThatCan(cannot)) drivers.insert(rig.driver);
    return drivers;
  };
  const std::set<std::string> devices = {"char_device", "egd", "pkcs11", "tpm2", "upstream"};
  EXPECT_EQ(tried(&RigParam::cannot_unplug), devices);
  EXPECT_EQ(tried(&RigParam::cannot_stall), devices);
  std::set<std::string> all_but_one = devices;
  all_but_one.erase("char_device");
  EXPECT_EQ(tried(&RigParam::cannot_break), all_but_one) << "to a FIFO that is the same as unplug";
  all_but_one = devices;
  all_but_one.erase("tpm2");
  EXPECT_EQ(tried(&RigParam::cannot_lie), all_but_one) << "swtpm cannot be told to";
}

TEST(DriversTest, EveryDriverIsTriedHereAndHasItsParagraph) {
  std::ifstream file(ENTROPYD_SERVER_README);
  const std::string readme((std::istreambuf_iterator<char>(file)),
                           std::istreambuf_iterator<char>());
  std::set<std::string> names;
  for (const DriverEntry& entry : BuiltIns()) {
    EXPECT_TRUE(names.insert(entry.name).second) << entry.name << " twice";
    EXPECT_EQ(FindDriver(entry.name), &entry);
    EXPECT_TRUE(std::any_of(std::begin(kRigs), std::end(kRigs), [&](const RigParam& rig) {
      return rig.driver == std::string(entry.name);
    })) << entry.name;
    EXPECT_THAT(readme, ::testing::HasSubstr(absl::StrCat("\n**", entry.name, "** (`server/driver/",
                                                          entry.name, "_driver.cc`")));
  }
  EXPECT_EQ(FindDriver(""), nullptr);
  EXPECT_EQ(FindDriver("hwrng"), nullptr);
}

}  // namespace
}  // namespace entropyd
