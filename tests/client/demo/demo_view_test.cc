#include "client/demo/demo_view.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

using testing::HasSubstr;

DemoSnapshot At(double seconds, uint64_t delivered) {
  DemoSnapshot now;
  now.seconds = seconds;
  auto* status = now.agent.emplace().add_class_();
  status->set_class_("default/demo");
  status->set_buffer_level(255 * 1024);
  status->set_buffer_size(256 * 1024);
  status->set_buffer_target(128 * 1024);
  status->set_phase(v1::PHASE_OPEN);
  status->set_delivered(delivered);
  status->set_guests(2);
  auto* source = now.sources.emplace().add_source();
  source->set_name("hwrng");
  source->set_state(v1::SOURCE_STATE_HEALTHY);
  auto* pool = now.pools.emplace().add_pool();
  pool->set_name("default");
  pool->set_quality(v1::QUALITY_DRBG);
  pool->set_ready(true);
  pool->set_seed_generation(7);
  return now;
}

std::string Joined(const std::vector<std::string>& lines) {
  std::string all;
  for (const std::string& line : lines) all += line + "\n";
  return all;
}

TEST(DemoViewTest, RateIsWhatWasDeliveredBetweenTwoLooks) {
  EXPECT_DOUBLE_EQ(DeliveredRate(At(1, 1000), At(3, 5000)), 2000);
  EXPECT_DOUBLE_EQ(DeliveredRate(At(1, 5000), At(3, 1000)), 0);
  EXPECT_DOUBLE_EQ(DeliveredRate(At(1, 1000), At(1, 5000)), 0);
  DemoSnapshot silent;
  silent.seconds = 3;
  EXPECT_DOUBLE_EQ(DeliveredRate(At(1, 1000), silent), 0);
}

TEST(DemoViewTest, ShowsSourcesPoolClassAndWhatWasServed) {
  const std::string all = Joined(DemoLines(At(5, 2048), 1024, 200));
  EXPECT_THAT(all, HasSubstr("hwrng healthy"));
  EXPECT_THAT(all, HasSubstr("default drbg, seed 7"));
  EXPECT_THAT(all, HasSubstr("default/demo open"));
  EXPECT_THAT(all, HasSubstr("buffer 255 KiB, target 128 KiB, 2 connections"));
  EXPECT_THAT(all, HasSubstr("served   2 KiB, now 1 KiB/s"));
}

TEST(DemoViewTest, SaysWhoDoesNotAnswer) {
  const std::string all = Joined(DemoLines(DemoSnapshot(), 0, 200));
  EXPECT_THAT(all, HasSubstr("the server does not answer"));
  EXPECT_THAT(all, HasSubstr("the agent does not answer"));
}

TEST(DemoViewTest, LoudWhenAPoolIsNotReady) {
  DemoSnapshot now = At(1, 0);
  now.pools->mutable_pool(0)->set_ready(false);
  now.pools->mutable_pool(0)->set_reason("no healthy source");
  const std::string all = Joined(DemoLines(now, 0, 200));
  EXPECT_THAT(all, HasSubstr("NOT READY"));
  EXPECT_THAT(all, HasSubstr("no healthy source"));
}

TEST(DemoViewTest, NoLineIsWiderThanTheTerminal) {
  DemoSnapshot now = At(1, 0);
  for (int i = 0; i < 20; ++i) *now.sources->add_source() = now.sources->source(0);
  for (int columns : {10, 40, 80}) {
    const std::vector<std::string> lines = DemoLines(now, 0, columns);
    EXPECT_GT(lines.size(), 4u);
    for (const std::string& line : lines) {
      int characters = 0;
      for (char c : line) characters += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
      EXPECT_LE(characters, columns) << line;
    }
  }
}

TEST(DemoViewTest, TheGuestHasALineOnlyWhenThereIsOne) {
  DemoSnapshot now = At(1, 0);
  const size_t without = DemoLines(now, 0, 80).size();
  now.guest = "booting";
  EXPECT_EQ(DemoLines(now, 0, 80).size(), without + 1);
  EXPECT_THAT(DemoLine(now, 0), HasSubstr("guest booting"));
}

}  // namespace
}  // namespace entropyd
