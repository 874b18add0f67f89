#include "server/attach/deliveries.h"

#include <array>
#include <memory>
#include <random>

#include "gtest/gtest.h"

namespace entropyd {
namespace {

TEST(DeliveriesTest, ACountChangesAllSumsAboveIt) {
  Deliveries all;
  Deliveries session(&all);
  Deliveries::Count channel(&session);
  channel.Send(1000);
  channel.Acknowledge(400);
  EXPECT_EQ(channel.sent(), 1000u);
  EXPECT_EQ(channel.received(), 400u);
  EXPECT_EQ(channel.unconfirmed(), 600u);
  EXPECT_EQ(session.sent(), 1000u);
  EXPECT_EQ(session.received(), 400u);
  EXPECT_EQ(session.unconfirmed(), 600u);
  EXPECT_EQ(all.sent(), 1000u);
  EXPECT_EQ(all.received(), 400u);
  EXPECT_EQ(all.unconfirmed(), 600u);
}

TEST(DeliveriesTest, ASumHasWhatItsCountsHaveAndNothingOfItsNeighbours) {
  std::mt19937 random(20261129);
  Deliveries all;
  std::array<Deliveries, 3> sessions{Deliveries(&all), Deliveries(&all), Deliveries(&all)};
  std::array<std::array<std::unique_ptr<Deliveries::Count>, 4>, 3> channels;
  for (size_t i = 0; i < sessions.size(); ++i) {
    for (auto& channel : channels[i]) channel = std::make_unique<Deliveries::Count>(&sessions[i]);
  }
  for (int step = 0; step < 10'000; ++step) {
    Deliveries::Count& channel = *channels[random() % 3][random() % 4];
    if (random() % 2 == 0) {
      channel.Send(random() % 1000);
    } else {
      channel.Acknowledge(random() % (channel.unconfirmed() + 1));
    }
    uint64_t of_all = 0;
    for (size_t i = 0; i < sessions.size(); ++i) {
      uint64_t of_session = 0;
      for (const auto& one : channels[i]) of_session += one->unconfirmed();
      ASSERT_EQ(sessions[i].unconfirmed(), of_session) << "after step " << step;
      of_all += of_session;
    }
    ASSERT_EQ(all.unconfirmed(), of_all) << "after step " << step;
  }
  EXPECT_GT(all.received(), 0u);
  EXPECT_GT(all.unconfirmed(), 0u);
}

TEST(DeliveriesTest, WhatWasCountedStaysWhenTheChannelIsGone) {
  Deliveries session;
  {
    Deliveries::Count channel(&session);
    channel.Send(1000);
    channel.Acknowledge(400);
  }
  EXPECT_EQ(session.sent(), 1000u);
  EXPECT_EQ(session.unconfirmed(), 600u);
}

}  // namespace
}  // namespace entropyd
