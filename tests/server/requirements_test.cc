// Requirements of server/README.md that no single part fulfils: configuration with tests, drivers
// with pools, a hung device with its pool's readers. The tests of the others stand beside their
// part.
#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "server/driver/char_device_driver.h"
#include "server/driver/registry.h"
#include "server/health/health_monitor.h"
#include "server/pool/entropy_pool.h"
#include "server/source/source_thread.h"
#include "server/supply/supply.h"
#include "server/supply/supply_config.h"
#include "tests/server/driver/fake_driver.h"

namespace entropyd {
namespace {

absl::Status CheckSource(const std::string& source) {
  config::v1::Server server;
  config::Locations locations;
  const std::string yaml = absl::StrCat(
      "tls: {cert: c, key: k, client_ca: a}\nallow_software: true\nsources:\n  - {name: s, ",
      source, "}\npools:\n",
      "  - {name: default, sources: [s], classes: [{name: root, rate: 1MiB/s}]}\n");
  absl::Status status = config::Parse(yaml, "server.yaml", &server, &locations);
  return status.ok() ? Supply::Check(server, locations) : status;
}

// For every claim, the rate at which a sound source would latch once a year lies between the
// accepted and the refused rates.
TEST(RequirementsTest, M6_RateThatWouldLatchASoundSourceByChanceIsRefused) {
  for (const double claim : {0.5, 1.0, 4.0, 7.9}) {
    // Driver rdrand: words of 64 bits at any rate.
    const HealthMonitor test =
        HealthMonitor::Create({.min_entropy = claim, .word_bytes = 8}).value();
    uint64_t accepted = 1, refused = uint64_t{1} << 40;
    while (refused - accepted > 1) {
      const uint64_t rate = accepted + (refused - accepted) / 2;
      const absl::Status status = CheckSource(
          absl::StrCat("driver: rdrand, min_entropy_bits_per_byte: 0.1, ",
                       "health_min_entropy_bits_per_byte: ", claim, ", max_rate: ", rate, "B/s"));
      if (!status.ok()) {
        ASSERT_NE(status.message().find("sources[0].max_rate"), std::string::npos) << status;
      }
      (status.ok() ? accepted : refused) = rate;
    }
    EXPECT_LE(test.PermanentFalseAlarmsPerYear(static_cast<double>(accepted)), 1) << claim;
    EXPECT_GT(test.PermanentFalseAlarmsPerYear(static_cast<double>(refused)), 1) << claim;
    EXPECT_GT(accepted, 1'000'000u) << "room for every rate that makes sense";
  }
}

// virtio_rng, the kernel, SoftHSM, swtpm, an EGD daemon and another entropyd may all rest on this
// machine's host: so together they count as one.
TEST(RequirementsTest, M7_GeneratorsThatMayRestOnTheHostShareItsGroup) {
  EXPECT_EQ(CharDeviceDriver::IdentityFor("/dev/hwrng", true, "virtio_rng.0", 0).claims.group,
            "host");
  const auto group = [](const char* driver,
                        const std::function<void(config::v1::SourceConfig*)>& set) {
    config::v1::SourceConfig config;
    config.set_driver(driver);
    set(&config);
    return FindDriver(driver)->identify(config).claims.group;
  };
  EXPECT_EQ(group("getrandom", [](auto*) {}), "host");
  EXPECT_EQ(group("egd", [](auto* c) { c->set_path("/run/egd.sock"); }), "host");
  EXPECT_EQ(group("upstream", [](auto* c) { c->set_address("e:7743"); }), "host");
  EXPECT_EQ(group("pkcs11", [](auto* c) { c->set_module("/usr/lib/softhsm/libsofthsm2.so"); }),
            "host");
  EXPECT_EQ(group("tpm2", [](auto* c) { c->set_tcti("swtpm:path=/run/tpm"); }), "host");
  // All sources of one processor are one group as well.
  for (const char* driver : {"rdrand", "rdseed", "jitter"}) {
    EXPECT_EQ(group(driver, [](auto*) {}), "cpu");
  }
}

// A driver that blocks in its device, as it does when the other end is stopped.
class HungDriver final : public SourceDriver {
 public:
  explicit HungDriver(absl::Notification* hanging) : hanging_(hanging) {}
  absl::StatusOr<std::string> Open() override { return std::string("hung"); }
  absl::StatusOr<size_t> Read(absl::Span<uint8_t>) override {
    hanging_->Notify();
    interrupted_.WaitForNotification();
    return absl::CancelledError("interrupted");
  }
  void Close() override {}
  void Interrupt() override { interrupted_.Notify(); }

 private:
  absl::Notification* const hanging_;
  absl::Notification interrupted_;
};

TEST(RequirementsTest, M17_SourceThatHangsInItsDeviceDelaysNoReader) {
  const SystemClock clock;
  FakeLog log(&clock);
  Metrics metrics;
  const auto arena = SecretArena::Create(256 << 10, SecretArena::Locking::kBestEffort).value();
  const auto provider = SeedProvider::Create().value();
  EntropyPool::Options options;
  options.name = "default";
  options.members = {{.source = "hung", .group = "board", .min_entropy = 4},
                     {.source = "sound", .group = "other", .min_entropy = 4}};
  options.reseed_interval_nanos = 1;  // the hung one's seed is always due
  options.max_seed_age_nanos = std::numeric_limits<int64_t>::max() / 2;
  const auto pool =
      EntropyPool::Create(options, provider.get(), arena.get(), &clock, &log, &metrics).value();

  absl::Notification hanging;
  SourceSpec spec;
  spec.name = "hung";
  spec.identity.claims = {
      .group = "board", .min_entropy = 4, .health_min_entropy = 4, .max_rate = 1 << 20};
  HealthMonitor test = HealthMonitor::Create({.min_entropy = 4, .word_bytes = 1}).value();
  SecretBytes held = arena->Allocate(test.block_bytes()).value();
  SourceThread thread(std::make_unique<Source>(spec, std::make_unique<HungDriver>(&hanging),
                                               std::move(test), std::move(held), &clock, &log));
  thread.source()->AddSink(pool.get(), 0);
  ASSERT_TRUE(thread.Start().ok());
  hanging.WaitForNotification();

  pool->SetSourceState(1, v1::SOURCE_STATE_HEALTHY);
  pool->Add(1, std::vector<uint8_t>(144, 0x5c));
  const std::unique_ptr<PoolReader> reader = pool->NewReader();
  std::vector<uint8_t> out(1024);
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(reader->Read(absl::MakeSpan(out), 0).ok()) << i;
    if (i % 100 == 0) pool->Add(1, std::vector<uint8_t>(144, static_cast<uint8_t>(i)));
  }
  EXPECT_EQ(thread.source()->Snapshot().raw_bytes(), 0u) << "it hangs to this moment";
  thread.Stop();
}

}  // namespace
}  // namespace entropyd
