#include "client/libvirt/domain_edit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/libvirt/libvirt_domain.h"

namespace entropyd {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

// Has what a careless rewrite would lose: a comment, metadata of others, text that needs escapes,
// an element that we do not know.
constexpr char kDomain[] = R"(<domain type="kvm" id="7">
  <name>web1</name>
  <uuid>6f6fb5ee-4a4c-4f44-9d0a-4e2a3a2c1b01</uuid>
  <title>Web &amp; mail, Zürich</title>
  <metadata>
    <app:owner xmlns:app="http://example.org/app/1">ops</app:owner>
  </metadata>
  <memory unit="KiB">262144</memory>
  <!-- asked for by the audit -->
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <rng model="virtio">
      <rate period="2000" bytes="1234"/>
      <backend model="random">/dev/urandom</backend>
      <alias name="rng0"/>
    </rng>
    <surprise a="1"/>
  </devices>
</domain>
)";

constexpr char kClass[] =
    R"(    <entropyd:backend xmlns:entropyd="urn:entropyd:libvirt:1" model="pool" name="default" class="gold"/>
)";
constexpr char kRng[] = R"(    <rng model="virtio">
      <backend model="egd" type="unix">
        <source mode="connect" path="/run/entropyd/egd.sock">
          <reconnect enabled="yes" timeout="1"/>
        </source>
      </backend>
    </rng>
)";

Feed Gold() {
  Feed feed;
  feed.pool_class = "default/gold";
  return feed;
}

DomainEdit Set(absl::string_view xml, const Feed& feed = Gold()) {
  const auto edit = SetFeed(xml, feed);
  EXPECT_TRUE(edit.ok()) << edit.status();
  return edit.value_or(DomainEdit());
}

std::string ClassOf(const std::string& xml) { return ParseLibvirtDomain(xml)->class_name; }

std::string Fed() { return Set(kDomain).xml; }

// The domain with another text in its one place.
std::string With(absl::string_view from, absl::string_view text, absl::string_view to) {
  EXPECT_THAT(std::string(from), HasSubstr(std::string(text)));
  return absl::StrReplaceAll(from, {{text, to}});
}

TEST(DomainEditTest, SetAddsClassAndDeviceAndKeepsEverythingElse) {
  const DomainEdit edit = Set(kDomain);
  EXPECT_EQ(edit.before, kDomain);
  const std::string expected =
      With(With(kDomain, "  </metadata>", absl::StrCat(kClass, "  </metadata>")), "    <surprise",
           absl::StrCat(kRng, "    <surprise"));
  EXPECT_EQ(edit.xml, expected);
  EXPECT_THAT(edit.changes, ElementsAre("metadata: class default/gold",
                                        "rng: added, fed from /run/entropyd/egd.sock"));
}

TEST(DomainEditTest, SetTwiceChangesNothing) {
  const std::string once = Fed();
  const DomainEdit twice = Set(once);
  EXPECT_EQ(twice.xml, once);
  EXPECT_THAT(twice.changes, IsEmpty());
}

TEST(DomainEditTest, AnotherGeneratorStaysAndIsRemarkedUnlessOnlyOursIsWanted) {
  const DomainEdit both = Set(kDomain);
  EXPECT_THAT(both.xml, HasSubstr("/dev/urandom"));
  EXPECT_THAT(both.notes, ElementsAre(HasSubstr("random /dev/urandom")));
  Feed feed = Gold();
  feed.only = true;
  const DomainEdit only = Set(kDomain, feed);
  EXPECT_THAT(only.xml, AllOf(Not(HasSubstr("/dev/urandom")), HasSubstr("egd.sock")));
  EXPECT_THAT(only.changes, testing::Contains("rng: random /dev/urandom removed"));
  EXPECT_THAT(only.notes, IsEmpty());
}

TEST(DomainEditTest, AnotherClassReplacesTheFirst) {
  Feed feed;
  feed.pool_class = "default/bulk";
  const DomainEdit edit = Set(Fed(), feed);
  EXPECT_EQ(ClassOf(edit.xml), "default/bulk");
  EXPECT_THAT(edit.xml, Not(HasSubstr("gold")));
  EXPECT_THAT(edit.changes, ElementsAre("metadata: class default/bulk (was default/gold)"));
}

TEST(DomainEditTest, ADeviceOnTheSocketIsMendedInItsPlace) {
  const std::string fed = Fed();
  const std::string without = With(fed, R"(          <reconnect enabled="yes" timeout="1"/>
)",
                                   "");
  EXPECT_THAT(Set(without).changes, ElementsAre("rng: reconnects when the connection is lost"));
  EXPECT_THAT(Set(without).xml, HasSubstr(R"(<reconnect enabled="yes" timeout="1"/>)"));
  const std::string off =
      With(fed, R"(<reconnect enabled="yes" timeout="1"/>)", R"(<reconnect enabled="no"/>)");
  EXPECT_EQ(Set(off).xml, fed);
  const std::string rated =
      With(fed, R"(<backend model="egd")", R"(<rate bytes="99"/><backend model="egd")");
  EXPECT_THAT(Set(rated).changes, ElementsAre(HasSubstr(R"(without <rate bytes="99"/>)")));
  EXPECT_THAT(Set(rated).xml, AllOf(Not(HasSubstr("\"99\"")), HasSubstr("\"1234\"")));
  const std::string listening = With(fed, R"(mode="connect")", R"(mode="bind")");
  EXPECT_EQ(Set(listening).xml, fed);
}

TEST(DomainEditTest, ALongerReconnectTimeIsTheOwnersChoice) {
  const std::string slow = With(Fed(), R"(timeout="1")", R"(timeout="5")");
  EXPECT_THAT(Set(slow).changes, IsEmpty());
}

TEST(DomainEditTest, ADeviceOnAnotherSocketOfOursMovesAndOneOfSomebodyElseStays) {
  Feed feed = Gold();
  feed.socket = "/run/entropyd/class/bulk.sock";
  const DomainEdit moved = Set(Fed(), feed);
  EXPECT_THAT(moved.xml, AllOf(HasSubstr("class/bulk.sock"), Not(HasSubstr("egd.sock"))));
  EXPECT_THAT(moved.changes, ElementsAre(HasSubstr("instead of egd /run/entropyd/egd.sock")));
  const std::string foreign = With(Fed(), "/run/entropyd/egd.sock", "/run/esdm.sock");
  const DomainEdit added = Set(foreign);
  EXPECT_THAT(added.xml, AllOf(HasSubstr("/run/esdm.sock"), HasSubstr("/run/entropyd/egd.sock")));
}

TEST(DomainEditTest, ADomainWithoutMetadataOrDevicesGetsThem) {
  const DomainEdit edit = Set("<domain><name>x</name></domain>");
  EXPECT_EQ(ClassOf(edit.xml), "default/gold");
  EXPECT_THAT(edit.xml, HasSubstr("<devices><rng"));
  const DomainEdit laid = Set("<domain>\n  <name>x</name>\n  <devices/>\n</domain>\n");
  EXPECT_EQ(laid.xml,
            absl::StrCat("<domain>\n  <name>x</name>\n  <metadata>\n", kClass,
                         "  </metadata>\n  <devices>\n", kRng, "  </devices>\n</domain>\n"));
}

TEST(DomainEditTest, AClassThatTheAgentWouldNotReadIsRefused) {
  for (const char* name : {"gold", "default/", "default/a b", "default/gold/x"}) {
    Feed feed;
    feed.pool_class = name;
    EXPECT_EQ(SetFeed(kDomain, feed).status().code(), absl::StatusCode::kInvalidArgument) << name;
  }
}

TEST(DomainEditTest, WhatIsNoDomainIsRefusedWithItsLine) {
  EXPECT_THAT(std::string(SetFeed("<domain>\n<name>x</domain>", Gold()).status().message()),
              HasSubstr("domain XML:2:"));
  EXPECT_THAT(std::string(SetFeed("", Gold()).status().message()), HasSubstr("empty"));
  EXPECT_THAT(std::string(SetFeed("<network/>", Gold()).status().message()),
              HasSubstr("<network>"));
  EXPECT_THAT(std::string(SetFeed("<!DOCTYPE domain [<!ENTITY e 'x'>]><domain>&e;</domain>", Gold())
                              .status()
                              .message()),
              HasSubstr("document type"));
}

TEST(DomainEditTest, RemoveUndoesSet) {
  const auto edit = RemoveFeed(Fed(), "");
  ASSERT_TRUE(edit.ok()) << edit.status();
  EXPECT_EQ(edit->xml, kDomain);
  EXPECT_THAT(edit->changes, SizeIs(2));
  EXPECT_THAT(RemoveFeed(kDomain, "")->changes, IsEmpty());
}

TEST(DomainEditTest, RemoveTakesAnEmptyMetadataAlongButNotThatOfOthers) {
  const std::string bare =
      "<domain>\n  <name>x</name>\n  <devices>\n    <a/>\n  </devices>\n</domain>\n";
  EXPECT_EQ(RemoveFeed(Set(bare).xml, "")->xml, bare);
  EXPECT_THAT(RemoveFeed(Fed(), "")->xml, HasSubstr("app:owner"));
}

TEST(DomainEditTest, RemoveTakesTheClassOutOfEachMetadata) {
  const std::string twice =
      With(Fed(), "</metadata>", absl::StrCat("</metadata><metadata>", kClass, "</metadata>"));
  const auto edit = RemoveFeed(twice, "");
  ASSERT_TRUE(edit.ok()) << edit.status();
  EXPECT_THAT(edit->xml, Not(HasSubstr("entropyd:backend")));
  EXPECT_THAT(RemoveFeed(edit->xml, "")->changes, IsEmpty());
}

TEST(DomainEditTest, RemoveWithASocketLeavesOtherSocketsAlone) {
  const auto other = RemoveFeed(Fed(), "/run/entropyd/other.sock");
  EXPECT_THAT(other->xml, HasSubstr("/run/entropyd/egd.sock"));
  const std::string foreign = With(Fed(), "/run/entropyd/egd.sock", "/run/esdm.sock");
  EXPECT_THAT(RemoveFeed(foreign, "")->xml, HasSubstr("/run/esdm.sock"));
  EXPECT_THAT(RemoveFeed(foreign, "/run/esdm.sock")->xml, Not(HasSubstr("/run/esdm.sock")));
}

// The element as the idea was first written down.
constexpr char kPoolBackend[] = R"(<backend model='pool' name='default' class='hostclass1'/>)";

TEST(DomainEditTest, ConvertTurnsAPoolBackendIntoWhatSetMakes) {
  const std::string asked =
      With(kDomain, R"(<backend model="random">/dev/urandom</backend>)", kPoolBackend);
  const auto edit = ConvertPoolBackends(asked, kDefaultEgdSocket);
  ASSERT_TRUE(edit.ok()) << edit.status();
  EXPECT_EQ(ClassOf(edit->xml), "default/hostclass1");
  EXPECT_THAT(edit->xml,
              AllOf(Not(HasSubstr("hostclass1\"/>\n      <")), HasSubstr("alias"),
                    HasSubstr("path=\"/run/entropyd/egd.sock\""), Not(HasSubstr("<rate"))));
  Feed feed;
  feed.pool_class = "default/hostclass1";
  EXPECT_THAT(Set(edit->xml, feed).changes, IsEmpty());
}

TEST(DomainEditTest, ConvertSaysWhatIsMissing) {
  const auto complaint = [](absl::string_view backend) {
    return std::string(
        ConvertPoolBackends(
            With(kDomain, R"(<backend model="random">/dev/urandom</backend>)", backend), "/s")
            .status()
            .message());
  };
  EXPECT_THAT(complaint("<backend model='pool' name='default'/>"),
              AllOf(HasSubstr("domain XML:14:"), HasSubstr("no class=")));
  EXPECT_THAT(complaint("<backend model='pool' class='x'/>"), HasSubstr("no name="));
  EXPECT_THAT(complaint(absl::StrCat(kPoolBackend,
                                     "</rng><rng><backend model='pool' name='a' class='b'/>")),
              HasSubstr("a domain has one class"));
  EXPECT_EQ(ConvertPoolBackends(kDomain, "/s").status().code(), absl::StatusCode::kNotFound);
}

TEST(DomainEditTest, ThePartsOfARunningDomainAreThoseOfItsDefinition) {
  const std::string fed = Fed();
  EXPECT_THAT(FedRngXml(kDefaultEgdSocket), HasSubstr(R"(<reconnect enabled="yes" timeout="1"/>)"));
  EXPECT_THAT(FedRngXmls(fed, ""), SizeIs(1));
  EXPECT_THAT(FedRngXmls(fed, "/run/other.sock"), IsEmpty());
  EXPECT_THAT(FedRngXmls(kDomain, ""), IsEmpty());
  EXPECT_EQ(ClassElementXml("default/gold"),
            R"(<backend model="pool" name="default" class="gold"/>)");
}

TEST(DomainEditTest, ADeclarationStaysAndNoneIsAdded) {
  EXPECT_THAT(Set(absl::StrCat("<?xml version='1.0'?>\n", kDomain)).xml,
              testing::StartsWith("<?xml version=\"1.0\""));
  EXPECT_THAT(Fed(), testing::StartsWith("<domain"));
}

}  // namespace
}  // namespace entropyd
