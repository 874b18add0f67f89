#include "hostagent/doors.h"

#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/process/clock.h"
#include "gtest/gtest.h"
#include "tests/temp_dir.h"

namespace entropyd {
namespace {

class DoorsTest : public testing::Test, public ControlServer::Subject {
 protected:
  void FillStatus(v1::GetStatusResponse*) const override {}
  void FillGuests(v1::ListGuestsResponse*) const override {}
  absl::StatusOr<config::v1::GuestSocket> AddGuestSocket(const config::v1::GuestSocket&) override {
    return absl::UnimplementedError("");
  }
  absl::StatusOr<config::v1::GuestSocket> RemoveGuestSocket(const std::string&) override {
    return absl::UnimplementedError("");
  }
  config::v1::GuestState GuestSockets() const override { return {}; }
  void Upgrade(Upgraded) override {}
  void Reload(Upgraded) override {}
  std::string ConfigPath() const override { return ""; }

  Doors::Options Options(const std::string& http) {
    Doors::Options options;
    options.control = Control();
    options.state_dir = dir_ / "state";
    options.http.address = http;
    options.http.healthy = [] { return absl::OkStatus(); };
    options.http.ready = [] { return absl::OkStatus(); };
    return options;
  }
  std::unique_ptr<Doors> Make(const std::string& http = "127.0.0.1:0") {
    return std::make_unique<Doors>(Options(http), loop_.get(), this, &metrics_, &log_);
  }
  std::string Control() const { return dir_ / "agent.sock"; }
  bool ControlIsOpen() const { return access(Control().c_str(), F_OK) == 0; }
  void Turn(int64_t nanos = 0) {
    clock_.AdvanceNanos(nanos);
    loop_->RunOnce(0);
  }

  TempDir dir_;
  ManualClock clock_{kSecondNanos};
  Log log_{&clock_, -1};
  Metrics metrics_;
  std::unique_ptr<EventLoop> loop_ = EventLoop::Create(&clock_).value();
};

TEST_F(DoorsTest, BothOpenAndClose) {
  auto doors = Make();
  EXPECT_FALSE(ControlIsOpen());
  ASSERT_TRUE(doors->Open().ok());
  EXPECT_TRUE(ControlIsOpen());
  EXPECT_GT(doors->http_port(), 0);
  doors->Close();
  EXPECT_FALSE(ControlIsOpen());
  EXPECT_EQ(doors->http_port(), 0);
}

TEST_F(DoorsTest, WithoutAnAddressThereIsNoHttp) {
  auto doors = Make("");
  ASSERT_TRUE(doors->Open().ok());
  EXPECT_TRUE(ControlIsOpen());
  EXPECT_EQ(doors->http_port(), 0);
}

TEST_F(DoorsTest, WhereHttpCannotOpenTheControlSocketStaysClosed) {
  auto other = Make();
  ASSERT_TRUE(other->Open().ok());
  const std::string taken = absl::StrCat("127.0.0.1:", other->http_port());
  other->CloseControl();
  EXPECT_FALSE(ControlIsOpen());
  EXPECT_GT(other->http_port(), 0) << "HTTP stays";
  auto doors = Make(taken);
  EXPECT_FALSE(doors->Open().ok());
  EXPECT_FALSE(ControlIsOpen());
}

TEST_F(DoorsTest, AnAddressInUseIsTriedUntilItIsFree) {
  auto other = Make();
  ASSERT_TRUE(other->Open().ok());
  auto doors = Make(absl::StrCat("127.0.0.1:", other->http_port()));
  int opened = 0;
  doors->OpenInTheEnd([&] { ++opened; });
  Turn(Doors::kRetryNanos);
  EXPECT_EQ(opened, 0);
  other.reset();
  Turn(Doors::kRetryNanos - 1);
  EXPECT_EQ(opened, 0);
  Turn(1);
  EXPECT_EQ(opened, 1);
  EXPECT_TRUE(ControlIsOpen());
  Turn(Doors::kRetryNanos);
  EXPECT_EQ(opened, 1);
}

// Both would write the file of the guests' sockets.
TEST_F(DoorsTest, TwoAgentsCannotShareOneStateDir) {
  ASSERT_EQ(mkdir((dir_ / "state").c_str(), 0700), 0);
  auto first = Make("");
  ASSERT_TRUE(first->Open().ok());
  Doors::Options options = Options("");
  options.control = dir_ / "other.sock";
  Doors second(options, loop_.get(), this, &metrics_, &log_);
  const absl::Status refused = second.Open();
  EXPECT_EQ(refused.code(), absl::StatusCode::kAlreadyExists) << refused;
  EXPECT_NE(access(options.control.c_str(), F_OK), 0) << "nothing stays open";
  first->CloseControl();
  EXPECT_TRUE(second.Open().ok()) << "a taker gets it when the giver leaves";
}

TEST_F(DoorsTest, WhoGivesUpTriesNoMore) {
  auto other = Make();
  ASSERT_TRUE(other->Open().ok());
  auto doors = Make(absl::StrCat("127.0.0.1:", other->http_port()));
  int opened = 0;
  doors->OpenInTheEnd([&] { ++opened; });
  doors->GiveUp();
  other.reset();
  Turn(Doors::kRetryNanos + 1);
  EXPECT_EQ(opened, 0);
  EXPECT_FALSE(ControlIsOpen());
}

}  // namespace
}  // namespace entropyd
