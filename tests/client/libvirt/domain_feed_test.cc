#include "client/libvirt/domain_feed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/libvirt/libvirt_domain.h"

namespace entropyd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const LibvirtName kOneGuest = {"6695eb01-f6a4-8304-79aa-97f2502e193f", "g1", "1"};

std::string Bare(const LibvirtName& domain) {
  return absl::StrCat("<domain>\n  <name>", domain.name, "</name>\n  <uuid>", domain.uuid,
                      "</uuid>\n  <devices/>\n</domain>\n");
}

// A fake libvirt with one domain. It changes the XML as libvirt would.
class FakeLibvirt final : public LibvirtHost {
 public:
  LibvirtState state{.running = true, .persistent = true};
  std::string defined = Bare(kOneGuest);
  std::string running = Bare(kOneGuest);
  std::vector<std::string> calls;
  absl::Status attach_status;
  int stubborn = 0;  // after a detach, the device is still there in so many dumps
  std::function<void()> on_defined_dump;

  absl::StatusOr<std::vector<LibvirtName>> Domains() override {
    return std::vector<LibvirtName>{kOneGuest};
  }
  absl::StatusOr<LibvirtState> State(const std::string& uuid) override {
    if (uuid != kOneGuest.uuid) return absl::NotFoundError("no domain");
    return state;
  }
  absl::StatusOr<std::string> DumpXml(const std::string&, LibvirtView view) override {
    if (view == LibvirtView::kDefined) {
      const std::string now = defined;
      if (on_defined_dump) on_defined_dump();
      return now;
    }
    if (detaching_ && stubborn-- <= 0) {
      devices_.clear();
      detaching_ = false;
      Render();
    }
    return running;
  }
  absl::Status Define(const std::string& xml) override {
    calls.push_back("define");
    defined = xml;
    return absl::OkStatus();
  }
  absl::Status AttachDevice(const std::string&, const std::string& xml) override {
    calls.push_back("attach");
    if (!attach_status.ok()) return attach_status;
    devices_ += xml;
    Render();
    return absl::OkStatus();
  }
  absl::Status DetachDevice(const std::string&, const std::string& xml) override {
    calls.push_back("detach");
    EXPECT_THAT(running, HasSubstr(xml));
    detaching_ = true;
    return absl::OkStatus();
  }
  absl::Status SetMetadata(const std::string&, const std::string& element) override {
    calls.push_back(element.empty() ? "no metadata" : "metadata");
    metadata_ = absl::StrReplaceAll(
        element, {{"<backend", "<entropyd:backend xmlns:entropyd='urn:entropyd:libvirt:1'"}});
    Render();
    return absl::OkStatus();
  }
  std::string RunningClass() const { return ParseLibvirtDomain(running)->class_name; }

 private:
  void Render() {
    running = absl::StrCat("<domain><name>g1</name><uuid>", kOneGuest.uuid, "</uuid><metadata>",
                           metadata_, "</metadata><devices>", devices_, "</devices></domain>");
  }

  std::string metadata_;
  std::string devices_;
  bool detaching_ = false;
};

FeedOptions Gold(bool live) {
  FeedOptions options;
  options.feed.pool_class = "default/gold";
  options.live = live;
  options.rest = [] {};
  return options;
}

TEST(DomainFeedTest, TheDefinitionIsChangedAndTheRunningDomainOnlyOnDemand) {
  FakeLibvirt host;
  const auto report = FeedDomain(host, kOneGuest, Gold(false));
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(host.calls, ElementsAre("define"));
  EXPECT_EQ(ParseLibvirtDomain(host.defined)->class_name, "default/gold");
  EXPECT_THAT(report->defined, SizeIs(2));
  EXPECT_THAT(report->running, IsEmpty());
  EXPECT_THAT(report->notes, ElementsAre(HasSubstr("--live")));
}

TEST(DomainFeedTest, LiveNamesTheClassBeforeQemuConnects) {
  FakeLibvirt host;
  const auto report = FeedDomain(host, kOneGuest, Gold(true));
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(host.calls, ElementsAre("define", "metadata", "attach"));
  EXPECT_THAT(report->running, SizeIs(2));
  EXPECT_EQ(host.RunningClass(), "default/gold");
}

TEST(DomainFeedTest, TwiceIsOnce) {
  FakeLibvirt host;
  ASSERT_TRUE(FeedDomain(host, kOneGuest, Gold(true)).ok());
  host.calls.clear();
  const auto again = FeedDomain(host, kOneGuest, Gold(true));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_THAT(host.calls, IsEmpty());
  EXPECT_THAT(again->defined, IsEmpty());
  EXPECT_THAT(again->running, IsEmpty());
}

TEST(DomainFeedTest, AnotherClassOfARunningDomainPlugsNothing) {
  FakeLibvirt host;
  ASSERT_TRUE(FeedDomain(host, kOneGuest, Gold(true)).ok());
  host.calls.clear();
  FeedOptions bulk = Gold(true);
  bulk.feed.pool_class = "default/bulk";
  ASSERT_TRUE(FeedDomain(host, kOneGuest, bulk).ok());
  EXPECT_THAT(host.calls, ElementsAre("define", "metadata"));
  EXPECT_EQ(host.RunningClass(), "default/bulk");
}

TEST(DomainFeedTest, ADryRunTouchesNothingAndShowsTheDifference) {
  FakeLibvirt host;
  FeedOptions options = Gold(true);
  options.dry_run = true;
  const auto report = FeedDomain(host, kOneGuest, options);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(host.calls, IsEmpty());
  EXPECT_THAT(report->defined, SizeIs(2));
  EXPECT_THAT(report->running, SizeIs(2));
  EXPECT_THAT(report->diff, HasSubstr("+        <source mode=\"connect\""));
}

TEST(DomainFeedTest, ARunningDeviceThatDoesNotReconnectIsLeftForTheNextStart) {
  FakeLibvirt host;
  ASSERT_TRUE(FeedDomain(host, kOneGuest, Gold(true)).ok());
  host.running = absl::StrReplaceAll(host.running, {{"enabled=\"yes\"", "enabled=\"no\""}});
  host.calls.clear();
  const auto report = FeedDomain(host, kOneGuest, Gold(true));
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(host.calls, IsEmpty());
  EXPECT_THAT(report->notes, ElementsAre(HasSubstr("reconnects")));
}

TEST(DomainFeedTest, WhatCannotBePluggedIsInForceAtTheNextStart) {
  FakeLibvirt host;
  host.attach_status = absl::InternalError("No more available PCI slots");
  const absl::Status status = FeedDomain(host, kOneGuest, Gold(true)).status();
  EXPECT_THAT(std::string(status.message()), HasSubstr("pcie-root-port"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("next start"));
  EXPECT_EQ(ParseLibvirtDomain(host.defined)->class_name, "default/gold");
}

TEST(DomainFeedTest, ATransientOrStoppedDomainSaysWhatWouldHelp) {
  FakeLibvirt host;
  host.state = {.running = true, .persistent = false};
  EXPECT_THAT(std::string(FeedDomain(host, kOneGuest, Gold(false)).status().message()),
              HasSubstr("transient"));
  EXPECT_TRUE(FeedDomain(host, kOneGuest, Gold(true)).ok());
  EXPECT_THAT(host.calls, ElementsAre("metadata", "attach"));
  host.state = {.running = false, .persistent = true};
  EXPECT_EQ(FeedDomain(host, kOneGuest, Gold(true)).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(FeedDomain(host, {"6695eb01-f6a4-8304-79aa-97f2502e1930", "g2", ""}, Gold(true))
                .status()
                .code(),
            absl::StatusCode::kNotFound);
}

TEST(DomainFeedTest, ADefinitionThatChangesMeanwhileIsNotOverwritten) {
  FakeLibvirt host;
  host.on_defined_dump = [&] { host.defined += "<!-- somebody else -->\n"; };
  EXPECT_EQ(FeedDomain(host, kOneGuest, Gold(false)).status().code(), absl::StatusCode::kAborted);
  EXPECT_THAT(host.calls, IsEmpty());
}

TEST(DomainFeedTest, UnfeedingWaitsForTheGuestAndTakesTheClassLast) {
  FakeLibvirt host;
  ASSERT_TRUE(FeedDomain(host, kOneGuest, Gold(true)).ok());
  host.calls.clear();
  host.stubborn = 3;
  int rests = 0;
  FeedOptions options;
  options.feed.socket = "";
  options.live = true;
  options.rest = [&] { ++rests; };
  const auto report = UnfeedDomain(host, kOneGuest, options);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(host.calls, ElementsAre("define", "detach", "no metadata"));
  EXPECT_EQ(rests, 3);
  EXPECT_EQ(host.RunningClass(), "");
  EXPECT_EQ(host.defined, Bare(kOneGuest));
}

TEST(DomainFeedTest, AGuestThatKeepsItsDeviceIsReported) {
  FakeLibvirt host;
  ASSERT_TRUE(FeedDomain(host, kOneGuest, Gold(true)).ok());
  host.stubborn = 1'000'000;
  FeedOptions options = Gold(true);
  EXPECT_EQ(UnfeedDomain(host, kOneGuest, options).status().code(),
            absl::StatusCode::kDeadlineExceeded);
}

TEST(DomainFeedTest, TheXmlOfAnotherDomainIsNeverEdited) {
  FakeLibvirt host;
  const LibvirtName others[] = {{kOneGuest.uuid, "g2", "1"},
                                {"6695eb01-f6a4-8304-79aa-97f2502e1930", "g1", "1"}};
  for (const LibvirtName& other : others) {
    host.defined = Bare(other);
    EXPECT_EQ(FeedDomain(host, kOneGuest, Gold(true)).status().code(), absl::StatusCode::kAborted);
    EXPECT_EQ(UnfeedDomain(host, kOneGuest, Gold(true)).status().code(),
              absl::StatusCode::kAborted);
    EXPECT_EQ(host.defined, Bare(other));
    host.defined = Bare(kOneGuest);
    host.running = Bare(other);
    EXPECT_EQ(FeedDomain(host, kOneGuest, Gold(true)).status().code(), absl::StatusCode::kAborted);
    EXPECT_EQ(host.running, Bare(other));
  }
}

}  // namespace
}  // namespace entropyd
