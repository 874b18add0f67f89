// A file plays /dev/urandom.
#include "hostagent/feed/kernel_feed.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hostagent/agent_metrics.h"
#include "tests/hostagent/feed/feed_rig.h"

namespace entropyd {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class KernelFeedTest : public FeedTest {
 protected:
  struct Credit {
    int bits;
    Bytes bytes;
    friend bool operator==(const Credit&, const Credit&) = default;
  };

  KernelFeedTest() : log_file_(open((dir_ / "log").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600)) {
    host_.log = &warnings_;
    options_.every_nanos = 60 * kSecond;
    options_.device = dir_ / "urandom";
    std::ofstream(options_.device).close();
    options_.full_entropy = [this] { return full_; };
    options_.add = [this](absl::Span<const uint8_t> request) {
      errno = EPERM;
      if (!capable_) return false;
      int header[2];
      std::memcpy(header, request.data(), sizeof header);
      EXPECT_EQ(static_cast<size_t>(header[1]), request.size() - sizeof(rand_pool_info));
      credits_.push_back({header[0], Bytes(request.begin() + sizeof header, request.end())});
      return true;
    };
  }
  std::unique_ptr<KernelFeed> Started() {
    auto feed = KernelFeed::Open(options_, &host_, served_.get(), &metrics_.kernel_feed).value();
    EXPECT_TRUE(feed->Start().ok());
    Turn();
    return feed;
  }
  static Bytes Contents(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return Bytes(std::istreambuf_iterator<char>(in), {});
  }
  Bytes Written() const { return Contents(options_.device); }
  std::string Logged() {
    warnings_.Flush();
    const Bytes bytes = Contents(dir_ / "log");
    return std::string(bytes.begin(), bytes.end());
  }

  Metrics registry_;
  AgentMetrics metrics_{&registry_, {"default/gold"}};
  UniqueFd log_file_;
  Log warnings_{&clock_, log_file_.get()};
  KernelFeed::Options options_;
  bool full_ = true;
  bool capable_ = true;
  std::vector<Credit> credits_;
};

TEST_F(KernelFeedTest, BytesGoAtStartAndAfterEveryInterval) {
  Fill(10'000);
  auto feed = Started();
  EXPECT_EQ(Written(), StreamBytes(0, 64));
  for (int second = 1; second < 60; ++second) Turn(kSecond);
  EXPECT_EQ(Written().size(), 64u);
  Turn(kSecond);
  EXPECT_EQ(Written(), StreamBytes(0, 128));
  EXPECT_EQ(counters_.delivered_bytes.Get(), 128u);
  EXPECT_EQ(metrics_.kernel_feed.bytes.Get(), 128u);
  EXPECT_EQ(metrics_.kernel_feed.credited_bits.Get(), 0u);
  EXPECT_THAT(credits_, IsEmpty());
  EXPECT_TRUE(StagingIsClean());
  feed.reset();
  Turn(600 * kSecond);
  EXPECT_EQ(buffer().level(), 10'000u - 128);
}

TEST_F(KernelFeedTest, WhatAClassCouldNotGiveInTimeIsNotMadeUpFor) {
  auto feed = Started();
  for (int minute = 0; minute < 10; ++minute) Turn(60 * kSecond);
  EXPECT_EQ(served_->queue()->owed(), 64u);
  Arrive(24);
  EXPECT_EQ(Written().size(), 24u);
  Arrive(1'000);
  EXPECT_EQ(Written(), StreamBytes(0, 64));
}

TEST_F(KernelFeedTest, ARoundInPiecesIsCreditedWithItsBitsAndNoMore) {
  options_.credit_bits = 511;
  auto feed = Started();
  Arrive(1);
  Arrive(20);
  Arrive(107);
  EXPECT_THAT(credits_, ElementsAre(Credit{7, StreamBytes(0, 1)}, Credit{160, StreamBytes(1, 20)},
                                    Credit{344, StreamBytes(21, 43)}));
  EXPECT_EQ(metrics_.kernel_feed.credited_bits.Get(), 511u);
  EXPECT_EQ(metrics_.kernel_feed.bytes.Get(), 64u);
  EXPECT_THAT(Written(), IsEmpty());
  Turn(60 * kSecond);
  EXPECT_EQ(metrics_.kernel_feed.credited_bits.Get(), 2u * 511);
  EXPECT_THAT(Logged(), IsEmpty());
  EXPECT_TRUE(StagingIsClean());
}

TEST_F(KernelFeedTest, OnlyBytesOfQualityFullAreCredited) {
  options_.credit_bits = 512;
  full_ = false;
  Fill(10'000);
  auto feed = Started();
  Turn(60 * kSecond);
  EXPECT_THAT(credits_, IsEmpty());
  EXPECT_EQ(Written(), StreamBytes(0, 128));
  EXPECT_EQ(metrics_.kernel_feed.credited_bits.Get(), 0u);
  EXPECT_EQ(metrics_.kernel_feed.credit_refused.Get(), 0u);
  EXPECT_EQ(metrics_.kernel_feed.uncredited.Get(), 1u);
  EXPECT_THAT(Logged(), HasSubstr("not of quality full"));
  const size_t told = Logged().size();
  full_ = true;
  Turn(60 * kSecond);
  EXPECT_THAT(credits_, ElementsAre(Credit{512, StreamBytes(128, 64)}));
  EXPECT_EQ(metrics_.kernel_feed.uncredited.Get(), 0u);
  EXPECT_EQ(Logged().size(), told) << "each reason is told once";
}

TEST_F(KernelFeedTest, CreditThatTheKernelRefusesLeavesTheBytesWritten) {
  options_.credit_bits = 512;
  capable_ = false;
  Fill(10'000);
  auto feed = Started();
  const size_t told = Logged().size();
  EXPECT_THAT(Logged(), HasSubstr("CAP_SYS_ADMIN"));
  Turn(60 * kSecond);
  EXPECT_EQ(Written(), StreamBytes(0, 128));
  EXPECT_EQ(metrics_.kernel_feed.credit_refused.Get(), 2u);
  EXPECT_EQ(metrics_.kernel_feed.uncredited.Get(), 1u);
  EXPECT_EQ(metrics_.kernel_feed.failing.Get(), 0u);
  EXPECT_EQ(metrics_.kernel_feed.credited_bits.Get(), 0u);
  EXPECT_EQ(metrics_.kernel_feed.bytes.Get(), 128u);
  EXPECT_EQ(Logged().size(), told);
}

TEST_F(KernelFeedTest, AWriteThatFailsIsCountedAndTriedAgain) {
  options_.device = "/dev/full";
  Fill(10'000);
  auto feed = Started();
  Turn(60 * kSecond);
  EXPECT_EQ(metrics_.kernel_feed.failed_writes.Get(), 2u);
  EXPECT_EQ(metrics_.kernel_feed.failing.Get(), 1u);
  EXPECT_EQ(metrics_.kernel_feed.bytes.Get(), 0u);
  EXPECT_THAT(Logged(), HasSubstr("kernel_feed.failed"));
  EXPECT_THAT(registry_.Serialize(),
              HasSubstr("entropyd_agent_kernel_feed_failures_total{what=\"write\"} 2"));
}

TEST_F(KernelFeedTest, ARoundThatTheKernelCreditsEndsAFailure) {
  options_.device = "/dev/full";
  options_.credit_bits = 512;
  full_ = false;
  Fill(10'000);
  auto feed = Started();
  ASSERT_EQ(metrics_.kernel_feed.failing.Get(), 1u);
  full_ = true;
  Turn(60 * kSecond);
  EXPECT_GT(metrics_.kernel_feed.credited_bits.Get(), 0u);
  EXPECT_EQ(metrics_.kernel_feed.failing.Get(), 0u);
}

TEST_F(KernelFeedTest, ADeviceThatIsNotThereIsToldWithTheRemedy) {
  options_.device = dir_ / "none";
  auto feed = KernelFeed::Open(options_, &host_, served_.get(), &metrics_.kernel_feed);
  EXPECT_EQ(feed.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(feed.status().message()), HasSubstr("remove feed_kernel"));
}

}  // namespace
}  // namespace entropyd
