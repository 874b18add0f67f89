// What guests have had: by connection, by guest, on /metrics/guests and across a handover.
#include "hostagent/guest/guest_accounts.h"

#include "base/process/nanos.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/hostagent/two_hosts.h"

namespace entropyd {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;

GuestTotals Had(uint64_t delivered, std::vector<int64_t> waits = {}) {
  GuestTotals totals;
  totals.delivered = delivered;
  for (int64_t nanos : waits) {
    ++totals.waits[WaitBucket(nanos)];
    totals.wait_sum_nanos += nanos;
  }
  return totals;
}

const GuestAccounts::Key kWeb{GuestKey::Named("web", "u"), "default/gold"};

TEST(GuestAccountsTest, WhatAConnectionHadStays) {
  GuestAccounts accounts;
  accounts.Join(kWeb);
  accounts.Join(kWeb);
  accounts.Leave(kWeb, Had(100), 0);
  ASSERT_EQ(accounts.all().count(kWeb), 1u);
  EXPECT_EQ(accounts.all().at(kWeb).connections, 1u);
  EXPECT_EQ(accounts.all().at(kWeb).departed.delivered, 100u);
  accounts.Leave(kWeb, Had(50), 0);
  accounts.Forget(300 * kSecondNanos - 1);
  ASSERT_EQ(accounts.all().count(kWeb), 1u);
  EXPECT_EQ(accounts.all().at(kWeb).connections, 0u);
  EXPECT_EQ(accounts.all().at(kWeb).departed.delivered, 150u);
  accounts.Forget(300 * kSecondNanos);
  EXPECT_THAT(accounts.all(), testing::IsEmpty());
}

TEST(GuestAccountsTest, AGuestThatCameAgainIsForgottenAfterItsLastTime) {
  GuestAccounts accounts;
  for (int64_t left_at : {0, 100}) {
    accounts.Join(kWeb);
    accounts.Leave(kWeb, Had(1), left_at * kSecondNanos);
  }
  accounts.Forget(300 * kSecondNanos + 99 * kSecondNanos);
  EXPECT_THAT(accounts.all(), SizeIs(1));
  accounts.Join(kWeb);
  accounts.Forget(3000 * kSecondNanos);
  EXPECT_EQ(accounts.all().at(kWeb).departed.delivered, 2u) << "it was forgotten while it was here";
}

TEST(GuestAccountsTest, AGuestThatHadNothingLeavesNothing) {
  GuestAccounts accounts;
  accounts.Join(kWeb);
  accounts.Leave(kWeb, Had(0), 0);
  EXPECT_THAT(accounts.all(), testing::IsEmpty());
}

TEST(GuestAccountsTest, ThoseThatLeftFirstGoWhenThereAreTooMany) {
  GuestAccounts accounts;
  for (size_t i = 0; i <= GuestAccounts::kMaxKept; ++i) {
    const GuestAccounts::Key key{GuestKey::Named(absl::StrCat("g", i)), "default/gold"};
    accounts.Join(key);
    accounts.Leave(key, Had(1), 0);
  }
  accounts.Forget(1);
  EXPECT_THAT(accounts.all(), SizeIs(GuestAccounts::kMaxKept));
  EXPECT_EQ(accounts.all().count({GuestKey::Named("g0"), "default/gold"}), 0u);
}

TEST(GuestAccountsTest, WhoComesAndGoesOftenMakesNobodyForgotten) {
  GuestAccounts accounts;
  const GuestAccounts::Key other{GuestKey::Named("db"), "default/gold"};
  accounts.Join(kWeb);
  accounts.Leave(kWeb, Had(1), 0);
  for (int i = 0; i < 20'000; ++i) {
    accounts.Join(other);
    accounts.Leave(other, Had(1), i);
  }
  accounts.Forget(20'000);
  EXPECT_THAT(accounts.all(), SizeIs(2));
}

TEST(GuestAccountsTest, WhatAnEarlierProcessKeptIsKeptAsLongAsEver) {
  GuestAccounts accounts;
  accounts.Restore(kWeb, Had(70));
  accounts.EndRestore(5);
  ASSERT_EQ(accounts.all().count(kWeb), 1u);
  EXPECT_EQ(accounts.all().at(kWeb).departed.delivered, 70u);
  accounts.Forget(4 + 300 * kSecondNanos);
  EXPECT_THAT(accounts.all(), SizeIs(1));
  accounts.Forget(5 + 300 * kSecondNanos);
  EXPECT_THAT(accounts.all(), testing::IsEmpty());
}

TEST(GuestMetricsTextTest, OneSeriesForEachGuestInFull) {
  const std::string text = GuestMetricsText(
      {{"a\"b\\", "u1", "default/gold", 2, 64, Had(123'456'789'012, {9'000, 9'000})}}, 10);
  const std::string labels = R"({guest="a\"b\\",uuid="u1",class="default/gold"})";
  EXPECT_THAT(
      text,
      AllOf(HasSubstr("entropyd_agent_guest_delivered_bytes_total" + labels + " 123456789012\n"),
            HasSubstr("entropyd_agent_guest_connections" + labels + " 2\n"),
            HasSubstr("entropyd_agent_guest_owed_bytes" + labels + " 64\n"),
            HasSubstr("entropyd_agent_guest_wait_seconds_count" + labels + " 2\n"),
            HasSubstr("entropyd_agent_guest_wait_seconds_sum" + labels + " 1.8e-05\n"),
            HasSubstr("# TYPE entropyd_agent_guest_wait_seconds summary\n")));
}

TEST(GuestMetricsTextTest, TheBusiestAreListed) {
  std::vector<GuestSeries> guests;
  for (int i = 0; i < 100; ++i) {
    guests.push_back({absl::StrCat("g", i), "", "p/c", 1, 0, Had(static_cast<uint64_t>(i))});
  }
  const std::string text = GuestMetricsText(guests, 2);
  EXPECT_THAT(text, AllOf(HasSubstr("\"g99\""), HasSubstr("\"g98\""), Not(HasSubstr("\"g97\""))));
}

// Two processes; the class has a ceiling for each guest of 1,000 B/s, which lets 4 KiB through at
// once.
class AccountingTest : public TwoHostsTest {
 protected:
  void Configure() override { settings_.classes[0].guest_ceil = 1'024; }
  v1::Guest Only(Side* side) {
    v1::ListGuestsResponse guests;
    side->host->status().FillGuests(&guests);
    EXPECT_EQ(guests.guest_size(), 1);
    return guests.guest_size() == 1 ? guests.guest(0) : v1::Guest();
  }
  static Bytes Ask(int count) {
    Bytes ask;
    for (int i = 0; i < count; ++i) ask.insert(ask.end(), {0x02, 0x80});
    return ask;
  }
};

TEST_F(AccountingTest, AGuestIsThrottledFromItsLastTokenToItsLastByte) {
  Arrive(&old_, 100'000);
  Client client = Connect(Ask(40));  // 5,120 bytes, of which 4,096 may go at once
  EXPECT_THAT(client.Receive(), SizeIs(4'096));
  EXPECT_EQ(Only(&old_).throttled_seconds(), 0);
  Turn(&old_, kSecondNanos / 2);
  EXPECT_NEAR(Only(&old_).throttled_seconds(), 0.5, 1e-9);
  Turn(&old_, 3 * kSecondNanos);
  EXPECT_THAT(client.Receive(), SizeIs(1'024));
  EXPECT_NEAR(Only(&old_).throttled_seconds(), 3.5, 1e-9);
  Turn(&old_, 10 * kSecondNanos);
  EXPECT_NEAR(Only(&old_).throttled_seconds(), 3.5, 1e-9);
  EXPECT_EQ(old_.counters().throttled_nanos.Get(), uint64_t{3'500'000'000});
}

TEST_F(AccountingTest, WhoWaitsForBytesIsNotThrottled) {
  Client client = Connect(Ask(1));
  Turn(&old_, 5 * kSecondNanos);
  Arrive(&old_, 1'000);
  EXPECT_THAT(client.Receive(), SizeIs(0x80));
  const v1::Guest guest = Only(&old_);
  EXPECT_EQ(guest.throttled_seconds(), 0);
  EXPECT_GT(guest.wait_p50_seconds(), 2.5);
  EXPECT_LE(guest.wait_p50_seconds(), 5);
}

// A pipe in the same class.
class FeedAccountingTest : public AccountingTest {
 protected:
  void Configure() override {
    AccountingTest::Configure();
    const std::string path = dir_ / "pipe";
    settings_.listeners.push_back({"fifo:" + path, 0600, "", 0, config::v1::CLIENTS_AUTO});
    settings_.listeners.back().fifo = path;
  }
};

TEST_F(FeedAccountingTest, WhatAPipeHasHadOfItsCeilingCrossesAHandover) {
  const UniqueFd reader(open(settings_.listeners.back().fifo.c_str(), O_RDONLY | O_NONBLOCK));
  ASSERT_TRUE(reader);
  const auto drain = [&reader] {
    Bytes bytes(1 << 16);
    return read(reader.get(), bytes.data(), bytes.size());
  };
  Arrive(&old_, 100'000);
  EXPECT_EQ(drain(), 4'096);
  Move();
  Turn(&new_);
  Arrive(&new_, 100'000);
  EXPECT_EQ(drain(), -1);  // nothing, although there is room
  Turn(&new_, 3 * kSecondNanos);
  EXPECT_EQ(drain(), 64 + 2 * 1'024);  // of 3,072 tokens: the floor's, and whole grants
}

TEST_F(AccountingTest, WaitsAndThrottlingCrossAHandover) {
  Arrive(&old_, 100'000);
  Client client = Connect(Ask(40));
  Turn(&old_, kSecondNanos / 2);
  const v1::Guest before = Only(&old_);
  Move();
  const v1::Guest after = Only(&new_);
  EXPECT_EQ(after.delivered(), before.delivered());
  EXPECT_EQ(after.throttled_seconds(), before.throttled_seconds());
  EXPECT_EQ(after.requests(), 40u);
  uint64_t waits_before = 0;
  uint64_t waits_after = 0;
  for (const LoopNumber& n : old_.counters().waits) waits_before += n.Get();
  for (const LoopNumber& n : new_.counters().waits) waits_after += n.Get();
  EXPECT_EQ(waits_after, waits_before);
  EXPECT_EQ(new_.counters().wait_sum_nanos.Get(), old_.counters().wait_sum_nanos.Get());
  Turn(&new_);
  EXPECT_EQ(new_.counters().throttled_nanos.Get(), uint64_t{500'000'000});
}

TEST_F(AccountingTest, AHandoverIsNoBurst) {
  Arrive(&old_, 100'000);
  Client client = Connect(Ask(80));
  EXPECT_THAT(client.Receive(), SizeIs(4'096));
  Move();
  Arrive(&new_, 100'000);
  EXPECT_THAT(client.Receive(), SizeIs(0)) << "the taker began with a full bucket";
  Turn(&new_, 2 * kSecondNanos);
  const size_t got = client.Receive().size();
  EXPECT_GE(got, 1'000u);
  EXPECT_LE(got, 2'048u);
}

TEST_F(AccountingTest, AGuestWithTwoConnectionsIsOneSeries) {
  Arrive(&old_, 100'000);
  Client first = Connect(Ask(1));
  Client second = Connect(Ask(2));
  ASSERT_THAT(old_.host->status().Series(), SizeIs(1));
  EXPECT_EQ(old_.host->status().Series()[0].connections, 2u);
  EXPECT_EQ(old_.host->status().Series()[0].totals.delivered, 3u * 0x80);
  first.Hangup();
  Turn(&old_);
  ASSERT_THAT(old_.host->status().Series(), SizeIs(1));
  EXPECT_EQ(old_.host->status().Series()[0].totals.delivered, 3u * 0x80) << "a counter went back";
  Move();
  ASSERT_THAT(new_.host->status().Series(), SizeIs(1));
  EXPECT_EQ(new_.host->status().Series()[0].totals.delivered, 3u * 0x80);
  second.Hangup();
  Turn(&new_);
  ASSERT_THAT(new_.host->status().Series(), SizeIs(1));
  EXPECT_EQ(new_.host->status().Series()[0].connections, 0u);
  EXPECT_EQ(new_.host->status().Series()[0].totals.delivered, 3u * 0x80);
  Turn(&new_, 300 * kSecondNanos);
  new_.host->Tick();
  EXPECT_THAT(new_.host->status().Series(), SizeIs(0));
}

TEST_F(AccountingTest, AGuestThatComesAgainGoesOnInItsSeries) {
  Arrive(&old_, 4'000'000);
  for (int i = 0; i < 20; ++i) {
    Client client = Connect(Ask(1));
    EXPECT_THAT(client.Receive(), SizeIs(0x80));
    client.Hangup();
    Turn(&old_, kSecondNanos);
    old_.host->Tick();
  }
  EXPECT_EQ(old_.host->connections()->size(), 0u);
  ASSERT_THAT(old_.host->status().Series(), SizeIs(1));
  EXPECT_EQ(old_.host->status().Series()[0].totals.delivered, 20u * 0x80);
  EXPECT_EQ(old_.host->connections()->guests()->size(), 1u);
  Turn(&old_, 300 * kSecondNanos);
  old_.host->Tick();
  EXPECT_THAT(old_.host->status().Series(), SizeIs(0));
  EXPECT_EQ(old_.host->connections()->guests()->size(), 0u);
}

}  // namespace
}  // namespace entropyd
