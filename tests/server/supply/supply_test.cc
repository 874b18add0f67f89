#include "server/supply/supply.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <functional>
#include <random>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "base/process/fd.h"
#include "server/driver/char_device_driver.h"
#include "tests/server/driver/fake_driver.h"
#include "tests/temp_dir.h"

namespace entropyd {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// The first three lines of every server.yaml in these tests.
constexpr char kHead[] =
    "tls: {cert: c, key: k, client_ca: a}\n"
    "allow_software: true\n"
    "sources:\n";

std::string PoolWith(absl::string_view keys) {
  return absl::StrCat("pools:\n  - {name: default, ", keys,
                      ", classes: [{name: root, rate: 1MiB/s}]}\n");
}

absl::Status Check(const std::string& yaml) {
  config::v1::Server server;
  config::Locations locations;
  if (absl::Status s = config::Parse(yaml, "server.yaml", &server, &locations); !s.ok()) return s;
  return Supply::Check(server, locations);
}

struct BadConfig {
  const char* sources;
  const char* pool;
  const char* error;
};

class SupplyCheckTest : public ::testing::TestWithParam<BadConfig> {};

TEST_P(SupplyCheckTest, FaultIsNamedWithItsPlaceAndRemedy) {
  const absl::Status status =
      Check(absl::StrCat(kHead, GetParam().sources, PoolWith(GetParam().pool)));
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr(GetParam().error));
}

constexpr char kSoft[] = "  - {name: soft, driver: getrandom}\n";

INSTANTIATE_TEST_SUITE_P(
    Faults, SupplyCheckTest,
    ::testing::Values(
        BadConfig{"  - {name: trng0, driver: char_device}\n", "sources: [trng0]",
                  "server.yaml:4:5: sources[0].path: driver char_device needs a path, e.g. path: "
                  "/dev/hwrng"},
        BadConfig{"  - {name: trng0, driver: char_device, path: /etc/passwd}\n", "sources: [trng0]",
                  "sources[0].path: '/etc/passwd' is neither a character device nor a FIFO"},
        BadConfig{"  - {name: trng0, driver: char_device, path: /dev}\n", "sources: [trng0]",
                  "sources[0].path: '/dev' is a directory; name a generator's device"},
        BadConfig{"  - {name: cpu, driver: rdrand, path: /dev/cpu}\n", "sources: [cpu]",
                  "server.yaml:4:39: sources[0].path: driver rdrand takes no path"},
        BadConfig{"  - {name: cpu, driver: rdseed, token: t}\n", "sources: [cpu]",
                  "server.yaml:4:40: sources[0].token: driver rdseed takes no token; remove the "
                  "key"},
        BadConfig{"  - {name: up, driver: egd}\n", "sources: [up]",
                  "server.yaml:4:5: sources[0].path: driver egd needs the daemon's socket, e.g. "
                  "path: /run/egd.sock; TCP only with address: 127.0.0.1:8888"},
        BadConfig{"  - {name: up, driver: egd, path: /run/egd.sock, address: 127.0.0.1:8888}\n",
                  "sources: [up]", "sources[0].address: driver egd takes a path or an address"},
        BadConfig{"  - {name: up, driver: egd, address: localhost:8888}\n", "sources: [up]",
                  "sources[0].address: 'localhost:8888' is no numeric address and port"},
        BadConfig{"  - {name: up, driver: egd, address: 127.0.0.1:65536}\n", "sources: [up]",
                  "sources[0].address: '127.0.0.1:65536' is no numeric address and port"},
        BadConfig{"  - {name: up, driver: egd, address: \"[2001:db8::1]:8888\", "
                  "min_entropy_bits_per_byte: 1}\n",
                  "sources: [up]",
                  "sources[0].min_entropy_bits_per_byte: bytes from [2001:db8::1]:8888 can be read "
                  "on their way here, so they may not be credited"},
        BadConfig{
            "  - {name: hsm, driver: pkcs11, token: t}\n", "sources: [hsm]",
            "server.yaml:4:5: sources[0].module: driver pkcs11 needs a module, e.g. module: "},
        BadConfig{"  - {name: hsm, driver: pkcs11, token: t, module: m.so}\n", "sources: [hsm]",
                  "sources[0].module: 'm.so' would be looked for in many places; write the full"},
        BadConfig{
            "  - {name: hsm, driver: pkcs11, module: /m.so}\n", "sources: [hsm]",
            "sources[0].token: driver pkcs11 needs the label of a token, e.g. token: entropy"},
        BadConfig{"  - {name: hsm, driver: pkcs11, module: /m.so, token: t, path: /x}\n",
                  "sources: [hsm]", "sources[0].path: driver pkcs11 takes no path; remove the key"},
        BadConfig{"  - {name: tpm, driver: tpm2}\n", "sources: [tpm]",
                  "server.yaml:4:5: sources[0].tcti: driver tpm2 needs the way to the TPM, e.g. "
                  "tcti: device:/dev/tpmrm0"},
        BadConfig{"  - {name: tpm, driver: tpm2, tcti: \"swtpm:path=/x\"}\n", "sources: [tpm]",
                  "no source of this pool is credited with entropy"},
        BadConfig{"  - {name: far, driver: upstream, class: default/bulk}\n", "sources: [far]",
                  "sources[0].address: driver upstream needs the other server, e.g. address: "},
        BadConfig{"  - {name: far, driver: upstream, class: default/bulk, address: entropyd-0}\n",
                  "sources: [far]", "sources[0].address: 'entropyd-0' is no host and port"},
        BadConfig{"  - {name: far, driver: upstream, class: bulk, address: \"e:7743\"}\n",
                  "sources: [far]",
                  "sources[0].class: driver upstream needs a class of the other server as "
                  "POOL/CLASS"},
        BadConfig{"  - {name: far, driver: upstream, class: d/bulk, address: \"e:7743\"}\n",
                  "sources: [far]", "server.yaml:4:5: sources[0].tls: driver upstream needs a"},
        BadConfig{"  - {name: far, driver: upstream, class: d/b, address: \"e:7743\", tls: {cert: "
                  "c, key: k}}\n",
                  "sources: [far]", "required key 'ca' is missing"},
        BadConfig{"  - {name: cpu, driver: rdrand, tls: {cert: c, key: k, ca: a}}\n",
                  "sources: [cpu]", "sources[0].tls: driver rdrand takes no tls; remove the key"},
        BadConfig{"  - {name: j, driver: jitter, path: /x}\n", "sources: [j]",
                  "sources[0].path: driver jitter takes no path; remove the key"},
        BadConfig{kSoft, "sources: [sofd]",
                  "pools[0].sources[0]: no source is called 'sofd'; define it under sources:"},
        BadConfig{kSoft, "sources: [soft, soft]", "pools[0].sources[1]: 'soft' is listed twice"},
        BadConfig{"  - {name: a, driver: getrandom}\n  - {name: a, driver: rdrand}\n",
                  "sources: [a]",
                  "server.yaml:5:12: sources[1].name: 'a' names sources[0] already"},
        BadConfig{kSoft, "sources: [soft], min_healthy_groups: 2",
                  "pools[0].min_healthy_groups: 2 groups, but the credited sources form 1 (host)"},
        BadConfig{"  - {name: cpu, driver: rdrand, min_entropy_bits_per_byte: 0}\n",
                  "sources: [cpu]", "no source of this pool is credited with entropy"},
        BadConfig{"  - {name: cpu, driver: rdrand, health_min_entropy_bits_per_byte: 0.1}\n",
                  "sources: [cpu]", "could never fail (cutoff"},
        BadConfig{"  - {name: cpu, driver: rdrand, min_entropy_bits_per_byte: 6, "
                  "health_min_entropy_bits_per_byte: 4}\n",
                  "sources: [cpu]", "the tests would assume 4 bits per byte while 6 are credited"},
        BadConfig{"  - {name: cpu, driver: rdrand, max_rate: 1GiB/s}\n", "sources: [cpu]",
                  "sources[0].max_rate: at 1 GiB/s a sound source would be latched by chance"},
        BadConfig{kSoft, "sources: [soft], reseed_interval: 60s, max_seed_age: 60s",
                  "pools[0].max_seed_age: the pool would be suspended before it is reseeded"},
        // 576 bits at half a bit per second.
        BadConfig{"  - {name: slow, driver: rdrand, max_rate: 1B/s, min_entropy_bits_per_byte: "
                  "0.5}\n",
                  "sources: [slow], max_seed_age: 1h",
                  "pools[0].max_seed_age: group cpu gives a seed at best every 1h 8m"},
        // A second group that is fast enough does not help a pool that needs two.
        BadConfig{
            "  - {name: slow, driver: rdrand, max_rate: 1B/s}\n"
            "  - {name: fast, driver: getrandom, group: soft, min_entropy_bits_per_byte: 4}\n",
            "sources: [slow, fast], min_healthy_groups: 2",
            "pools[0].max_seed_age: group cpu gives a seed at best every"},
        BadConfig{"  - {name: slow, driver: rdrand, silence: 2h}\n", "sources: [slow]",
                  "sources[0].silence: "}));

// What is slow but fast enough is accepted, and so is a slow source beside a fast one.
TEST(SupplySeedAgeTest, ASourceThatJustManagesIsAccepted) {
  const auto check = [](absl::string_view sources, absl::string_view pool) {
    return Check(absl::StrCat(kHead, sources, PoolWith(pool)));
  };
  // A block of the health tests has 4096 bytes here: 68 minutes at 1 byte per second.
  const std::string slow =
      "  - {name: slow, driver: rdrand, max_rate: 1B/s, min_entropy_bits_per_byte: 4}\n";
  EXPECT_FALSE(check(slow, "sources: [slow], max_seed_age: 68m").ok());
  const absl::Status enough = check(slow, "sources: [slow], max_seed_age: 69m");
  EXPECT_TRUE(enough.ok()) << enough;
  const absl::Status beside =
      check(absl::StrCat(slow, kSoft), "sources: [slow, soft], max_seed_age: 69m");
  EXPECT_TRUE(beside.ok()) << beside;
  const absl::Status one_of_two =
      check(absl::StrCat(slow,
                         "  - {name: fast, driver: getrandom, group: soft, "
                         "min_entropy_bits_per_byte: 4}\n"),
            "sources: [slow, fast]");
  EXPECT_TRUE(one_of_two.ok()) << one_of_two;
}

TEST(SupplyConfigTest, SoftwareSourceNeedsPermission) {
  const absl::Status status = Check(absl::StrCat("tls: {cert: c, key: k, client_ca: a}\nsources:\n",
                                                 kSoft, PoolWith("sources: [soft]")));
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("server.yaml:3:26: sources[0].driver: driver getrandom is software; name a "
                        "hardware source, or write allow_software: true"));
}

TEST(SupplyConfigTest, AllFaultsAreToldAtOnce) {
  const absl::Status status =
      Check(absl::StrCat(kHead, "  - {name: a, driver: rdrand, path: /x}\n",
                         "  - {name: b, driver: char_device}\n", PoolWith("sources: [a, b, c]")));
  EXPECT_THAT(std::string(status.message()), ::testing::Not(HasSubstr("called 'a'")))
      << "a source with a fault of its own is not missing too";
  for (const char* part : {"sources[0].path", "sources[1].path", "no source is called 'c'"}) {
    EXPECT_THAT(std::string(status.message()), HasSubstr(part));
  }
}

TEST(SupplyConfigTest, SoundConfigurationPasses) {
  EXPECT_TRUE(
      Check(absl::StrCat(kHead, kSoft, "  - {name: cpu, driver: rdrand}\n",
                         "  - {name: trng0, driver: char_device, path: /dev/fifo0}\n",
                         "  - {name: seed, driver: rdseed}\n",
                         "  - {name: near, driver: egd, path: /run/egd.sock}\n",
                         "  - {name: far, driver: egd, address: \"192.0.2.1:8888\"}\n",
                         "  - {name: tunnel, driver: egd, address: \"[::1]:8888\", "
                         "min_entropy_bits_per_byte: 2}\n",
                         "  - {name: hsm, driver: pkcs11, module: /m.so, token: t}\n",
                         "  - {name: tpm, driver: tpm2, tcti: \"device:/dev/tpmrm0\"}\n",
                         "  - {name: j, driver: jitter}\n",
                         "  - {name: up, driver: upstream, address: \"e:7743\", class: d/b, "
                         "tls: {cert: c, key: k, ca: a}}\n",
                         PoolWith("sources: [soft, cpu, trng0, seed, near, far, tunnel, hsm, "
                                  "tpm, j, up], min_healthy_groups: 5")))
          .ok());
}

// What the server would say of its source when it opens it.
TEST(SupplyConfigTest, ADeviceThatCannotBeUsedNowIsAWarningInTheWordsOfItsOpening) {
  const TempDir dir;
  const std::string fifo = dir / "fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  const auto warnings = [](const std::string& keys) {
    const std::string yaml =
        absl::StrCat(kHead, kSoft, "  - {name: x, ", keys, "}\n", PoolWith("sources: [soft, x]"));
    config::v1::Server config;
    config::Locations locations;
    EXPECT_TRUE(config::Parse(yaml, "server.yaml", &config, &locations).ok());
    std::vector<std::string> warnings;
    const absl::Status status = Supply::Check(config, locations, &warnings);
    EXPECT_TRUE(status.ok()) << keys << ": " << status;
    return warnings;
  };
  const auto opening = [](const std::string& path) {
    return std::string(CharDeviceDriver(path, "", true).Open().status().message());
  };
  const std::string device = "driver: char_device, path: ";
  EXPECT_THAT(warnings(device + fifo), IsEmpty());
  const std::string none = dir / "none";
  EXPECT_THAT(warnings(device + none),
              ElementsAre(AllOf(HasSubstr("sources[1].path: now, and for this user, the source "
                                          "would be gone: "),
                                EndsWith(opening(none)))));
  ASSERT_EQ(chmod(fifo.c_str(), 0620), 0);
  if (chown(fifo.c_str(), 4711, 4711) == 0) {  // root may
    EXPECT_THAT(warnings(device + fifo), ElementsAre(EndsWith(opening(fifo))));
    EXPECT_THAT(opening(fifo), HasSubstr("its owner, user 4711, may write it"));
  }
  EXPECT_THAT(warnings("driver: egd, min_entropy_bits_per_byte: 1, path: " + none),
              ElementsAre(HasSubstr("EGD daemon")));
  EXPECT_THAT(warnings("driver: pkcs11, token: t, module: " + none),
              ElementsAre(HasSubstr("sources[1].module: ")));
}

// A supply with real threads on the real clock. Its callbacks tell when something has happened.
class SupplyTest : public ::testing::Test {
 protected:
  void Create(const std::string& yaml) {
    ASSERT_TRUE(config::Parse(yaml, "server.yaml", &config_, &locations_).ok());
    absl::StatusOr<std::unique_ptr<Supply>> supply =
        Supply::Create(config_, locations_, arena_.get(), &clock_, &log_, &metrics_);
    ASSERT_TRUE(supply.ok()) << supply.status();
    supply_ = *std::move(supply);
    for (entropyd::Pool* pool : supply_->pools()) {
      pool->SetChangeCallback([this] {
        absl::MutexLock lock(&mutex_);
        ++changes_;
      });
    }
    ASSERT_TRUE(supply_->Start().ok());
  }

  // Waits until `condition` holds. It checks the condition whenever a pool calls back.
  bool Await(const std::function<bool()>& condition) {
    const absl::Time deadline = absl::Now() + absl::Seconds(20);
    int seen = -1;
    while (!condition()) {
      absl::MutexLock lock(&mutex_);
      const auto changed = [&] { return changes_ != seen; };
      if (!mutex_.AwaitWithDeadline(absl::Condition(&changed), deadline)) return false;
      seen = changes_;
    }
    return true;
  }

  entropyd::Pool* pool() { return supply_->pools()[0]; }

  SystemClock clock_;
  FakeLog log_{&clock_};
  Metrics metrics_;
  std::unique_ptr<SecretArena> arena_ =
      SecretArena::Create(4 << 20, SecretArena::Locking::kBestEffort).value();
  config::v1::Server config_;
  config::Locations locations_;
  absl::Mutex mutex_;
  int changes_ = 0;
  std::unique_ptr<Supply> supply_;
};

TEST_F(SupplyTest, SoftwarePoolBecomesReadyAndSaysWhatItIs) {
  Create(absl::StrCat(kHead, kSoft, PoolWith("sources: [soft]")));
  ASSERT_TRUE(Await([&] { return pool()->State().ready(); }));
  EXPECT_TRUE(pool()->State().degraded());
  std::vector<uint8_t> out(16384);
  EXPECT_TRUE(pool()->NewReader()->Read(absl::MakeSpan(out), 0).ok());
  EXPECT_EQ(supply_->FindPool("default"), pool());
  EXPECT_EQ(supply_->FindPool("other"), nullptr);
  const v1::Source source = supply_->ListSources()[0];
  EXPECT_EQ(source.name(), "soft");
  EXPECT_EQ(source.driver(), "getrandom");
  EXPECT_TRUE(source.software());
  EXPECT_TRUE(supply_->ListPools()[0].software_only());
}

TEST_F(SupplyTest, M11_FailedSelfTestStopsEveryPool) {
  Create(absl::StrCat(kHead, kSoft, PoolWith("sources: [soft]")));
  ASSERT_TRUE(Await([&] { return pool()->State().ready(); }));
  const auto passed = supply_->SelfTest();
  ASSERT_TRUE(passed.ok()) << passed.status();
  EXPECT_TRUE(pool()->State().ready());
  // No memory is left for the self-test: a self-test that cannot run has not passed.
  std::vector<SecretBytes> hoard;
  for (auto more = arena_->Allocate(64 << 10); more.ok(); more = arena_->Allocate(64 << 10)) {
    hoard.push_back(*std::move(more));
  }
  EXPECT_FALSE(supply_->SelfTest().ok());
  EXPECT_FALSE(pool()->State().ready());
  EXPECT_THAT(pool()->State().Text(), HasSubstr("failed: "));
  hoard.clear();
  EXPECT_TRUE(supply_->SelfTest().ok());
  EXPECT_FALSE(pool()->State().ready()) << "a failure latches";
}

TEST_F(SupplyTest, WhoAsksForASourceThatIsNotThereLearnsWhichAre) {
  Create(absl::StrCat(kHead, kSoft, PoolWith("sources: [soft]")));
  absl::Status status;
  supply_->TestSource("nope", false, [&](absl::StatusOr<v1::Source> s) { status = s.status(); });
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("no source 'nope' is configured; there are soft"));
}

TEST_F(SupplyTest, FullPoolFillsAgainAsItIsDrawn) {
  Create(absl::StrCat(kHead, kSoft, PoolWith("sources: [soft], quality: full, capacity: 4KiB")));
  std::vector<uint8_t> out(1024);
  std::unique_ptr<PoolReader> reader = pool()->NewReader();
  for (int i = 0; i < 16; ++i) {
    ASSERT_TRUE(Await([&] { return reader->Read(absl::MakeSpan(out), 0).ok(); })) << i;
  }
}

TEST_F(SupplyTest, SoftwareBesideHardwareIsNotCounted) {
  Create(absl::StrCat(kHead, kSoft, "  - {name: trng0, driver: char_device, path: /dev/no-such}\n",
                      PoolWith("sources: [soft, trng0]")));
  EXPECT_FALSE(supply_->ListPools()[0].software_only());
  EXPECT_THAT(pool()->State().Text(), HasSubstr("0 of 1 groups gave a fresh seed: trng0"));
  EXPECT_THAT(pool()->State().Text(), ::testing::Not(HasSubstr("soft")));
}

TEST_F(SupplyTest, StopEndsEveryThreadAtOnceAndTwiceIsFine) {
  Create(absl::StrCat(kHead, kSoft, "  - {name: trng0, driver: char_device, path: /dev/no-such}\n",
                      PoolWith("sources: [soft, trng0]")));
  const int64_t start = clock_.NowNanos();
  supply_->Stop();
  EXPECT_LT(clock_.NowNanos() - start, 1'000'000'000);
  supply_->Stop();
}

TEST_F(SupplyTest, MetricsNameEverySourceAndPool) {
  Create(absl::StrCat(kHead, kSoft, PoolWith("sources: [soft]")));
  ASSERT_TRUE(Await([&] { return pool()->State().ready(); }));
  supply_->Stop();
  const std::string text = metrics_.Serialize();
  for (const char* name :
       {"entropyd_source_state", "entropyd_source_raw_bytes_total",
        "entropyd_source_credited_bits_total", "entropyd_source_rct_failures_total",
        "entropyd_source_apt_failures_total", "entropyd_source_startups_total",
        "entropyd_source_read_errors_total", "entropyd_source_raw_bytes_per_second",
        "entropyd_pool_ready", "entropyd_pool_degraded", "entropyd_pool_available_bytes",
        "entropyd_pool_seed_generation", "entropyd_pool_seed_age_seconds",
        "entropyd_pool_software_only", "entropyd_pool_delivered_bytes_total"}) {
    EXPECT_THAT(text, HasSubstr(absl::StrCat("\n", name, "{")));
  }
}

// A FIFO as a source: the test can feed it, starve it, break it and plug it in again.
class FifoSupplyTest : public SupplyTest {
 protected:
  FifoSupplyTest() { EXPECT_EQ(mkfifo(path_.c_str(), 0600), 0); }
  ~FifoSupplyTest() override {
    StopFeeding();
    if (supply_ != nullptr) supply_->Stop();
  }

  // Writes without end, as a device does, from `next` on, until StopFeeding().
  void Feed(std::function<uint8_t()> next) {
    feeding_ = true;
    // Opens both ends, so that neither open nor write depends on the reader.
    UniqueFd fifo(open(path_.c_str(), O_RDWR | O_CLOEXEC));
    ASSERT_TRUE(fifo);
    feeder_ = std::thread([this, next, fifo = std::move(fifo)] {
      uint8_t bytes[512];
      while (feeding_) {
        for (uint8_t& b : bytes) b = next();
        if (write(fifo.get(), bytes, sizeof(bytes)) < 0) return;
      }
    });
  }
  void StopFeeding() {
    if (!feeder_.joinable()) return;
    feeding_ = false;
    // The feeder may be blocked in a write that nobody reads any more.
    UniqueFd drain(open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    uint8_t bytes[65536];
    if (read(drain.get(), bytes, sizeof(bytes)) < 0) return;
    feeder_.join();
  }
  void CreateWithFifo() {
    Create(absl::StrCat(kHead, "  - {name: trng0, driver: char_device, path: ", path_, "}\n",
                        PoolWith("sources: [trng0]")));
  }
  v1::SourceState State() { return supply_->ListSources()[0].state(); }

  const TempDir directory_;
  const std::string path_ = directory_ / "device";
  std::atomic<bool> feeding_{false};
  std::thread feeder_;
};

TEST_F(FifoSupplyTest, DeviceThatIsPluggedInLateStillSeedsThePool) {
  CreateWithFifo();
  ASSERT_TRUE(Await([&] { return State() == v1::SOURCE_STATE_GONE; }));
  // The feeder outlives the test's body.
  Feed([generator = std::mt19937(1)]() mutable { return static_cast<uint8_t>(generator()); });
  ASSERT_TRUE(Await([&] { return pool()->State().ready(); }));
  EXPECT_FALSE(pool()->State().degraded());
}

TEST_F(FifoSupplyTest, StuckDeviceIsLatchedAndThePoolNeverReady) {
  Feed([] { return uint8_t{0x5a}; });
  CreateWithFifo();
  ASSERT_TRUE(Await([&] { return State() == v1::SOURCE_STATE_LATCHED; }));
  EXPECT_FALSE(pool()->State().ready());
  EXPECT_THAT(pool()->State().Text(), HasSubstr("trng0 is latched"));
  EXPECT_EQ(supply_->ListSources()[0].credited_bits(), 0);
}

}  // namespace
}  // namespace entropyd
