#include "client/show/top_view.h"

#include "absl/strings/str_cat.h"
#include "client/show/tables.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

using testing::HasSubstr;
using testing::Not;

v1::ListGuestsResponse Guests(int count) {
  v1::ListGuestsResponse guests;
  for (int i = 0; i < count; ++i) {
    v1::Guest* guest = guests.add_guest();
    guest->set_name(absl::StrCat("g", i));
    guest->set_rate(i % 3);
    guest->set_delivered(static_cast<uint64_t>(i));
  }
  return guests;
}

TEST(TopViewTest, TheBusiestComeFirst) {
  v1::ListGuestsResponse guests = Guests(5);
  SortByRate(&guests);
  EXPECT_EQ(guests.guest(0).name(), "g2");
  EXPECT_EQ(guests.guest(1).name(), "g4");
  EXPECT_EQ(guests.guest(2).name(), "g1");
  EXPECT_EQ(guests.guest(3).name(), "g3");
  v1::GetStatusResponse status;
  for (double rate : {1.0, 3.0, 2.0}) {
    auto* one = status.add_class_();
    one->set_class_(absl::StrCat("default/c", rate));
    one->set_delivered_rate(rate);
  }
  SortByRate(&status);
  EXPECT_EQ(status.class_(0).class_(), "default/c3");
  EXPECT_EQ(status.class_(2).class_(), "default/c1");
}

TEST(TopViewTest, ABufferIsShownWithItsTargetAsInTheStatus) {
  v1::GetStatusResponse status;
  auto* one = status.add_class_();
  one->set_buffer_level(4096);
  one->set_buffer_target(8192);
  for (const std::string& text : {TopText(status, Guests(0), 10), AgentClassesTable(status)}) {
    EXPECT_THAT(text, testing::ContainsRegex(" BUFFER +TARGET"));
    EXPECT_THAT(text, testing::ContainsRegex(" 4 KiB +8 KiB"));
    EXPECT_THAT(text, HasSubstr(" CONNECTIONS "));
  }
}

TEST(TopViewTest, WithoutConnectionsNoTableOfThemIsShown) {
  EXPECT_THAT(TopText(v1::GetStatusResponse(), Guests(0), 10), Not(HasSubstr("none")));
  EXPECT_THAT(TopText(v1::GetStatusResponse(), Guests(0), 10), HasSubstr("0 connections"));
}

TEST(TopViewTest, WhatDoesNotFitIsCounted) {
  v1::GetStatusResponse status;
  EXPECT_THAT(TopText(status, Guests(50), 10), HasSubstr("\n40 more\n"));
  EXPECT_THAT(TopText(status, Guests(10), 10), Not(HasSubstr("more")));
  EXPECT_THAT(TopText(status, Guests(10), 10), HasSubstr("10 connections, 0 B/s, no server"));
}

TEST(TopViewTest, JsonHasAllOnOneLine) {
  const std::string json = TopJson(v1::GetStatusResponse(), Guests(100));
  EXPECT_THAT(json, HasSubstr("\"g99\""));
  EXPECT_THAT(json, Not(HasSubstr("\n")));
}

TEST(TopViewTest, WaitsAreToldInReadableUnits) {
  EXPECT_EQ(WaitText(0), "-");
  EXPECT_EQ(WaitText(25e-6), "25 us");
  EXPECT_EQ(WaitText(1.25e-3), "1.2 ms");
  EXPECT_EQ(WaitText(61), "61.0 s");
}

}  // namespace
}  // namespace entropyd
