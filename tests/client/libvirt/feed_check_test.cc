#include "client/libvirt/feed_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace entropyd {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

v1::GetStatusResponse Agent() {
  v1::GetStatusResponse agent;
  for (const char* path : {"/run/entropyd/egd.sock", "/run/entropyd/class/bulk.sock"}) {
    agent.add_listener()->set_path(path);
  }
  const auto add = [&](const char* name, v1::Phase phase, const char* reason) {
    auto* one = agent.add_class_();
    one->set_class_(name);
    one->set_phase(phase);
    one->set_reason(reason);
  };
  add("default/gold", v1::PHASE_OPEN, "");
  add("default/slow", v1::PHASE_SUSPENDED, "no fresh seed");
  add("default/secret", v1::PHASE_CLOSED, "not allowed");
  return agent;
}

constexpr char kGoldClass[] =
    R"(<metadata><e:backend xmlns:e="urn:entropyd:libvirt:1" model="pool" name="default" class="gold"/></metadata>)";

std::string Egd(absl::string_view path, absl::string_view inside = "<reconnect enabled='yes'/>",
                absl::string_view mode = "connect") {
  return absl::StrCat("<rng model='virtio'><backend model='egd' type='unix'><source mode='", mode,
                      "' path='", path, "'>", inside, "</source></backend></rng>");
}

std::string Domain(absl::string_view metadata, absl::string_view devices) {
  return absl::StrCat("<domain><name>g1</name>", metadata, "<devices>", devices,
                      "</devices></domain>");
}

std::vector<std::string> Codes(const std::vector<LintFinding>& findings) {
  std::vector<std::string> codes;
  for (const LintFinding& finding : findings) codes.push_back(finding.code);
  return codes;
}

std::vector<std::string> Lint(absl::string_view metadata, absl::string_view devices) {
  const v1::GetStatusResponse agent = Agent();
  return Codes(LintDomain("g1", "defined", Domain(metadata, devices), &agent, ""));
}

const std::string kGood = Egd("/run/entropyd/egd.sock");

TEST(FeedCheckTest, AFedDomainAndOneWithoutAGeneratorAreFine) {
  EXPECT_THAT(Lint(kGoldClass, kGood), IsEmpty());
  EXPECT_THAT(Lint(kGoldClass, Egd("/run/entropyd/class/bulk.sock")), IsEmpty());
  EXPECT_THAT(Lint("", kGood), IsEmpty());  // the listener's class
  EXPECT_THAT(Lint("", ""), IsEmpty());
}

TEST(FeedCheckTest, EachTroubleHasItsCode) {
  EXPECT_THAT(Lint(kGoldClass, Egd("/run/entropyd/egd.sock", "")), ElementsAre("no-reconnect"));
  EXPECT_THAT(Lint(kGoldClass, Egd("/run/entropyd/egd.sock", "<reconnect enabled='no'/>")),
              ElementsAre("no-reconnect"));
  EXPECT_THAT(Lint(kGoldClass, Egd("/run/entropyd/egd.sock", "", "bind")), ElementsAre("listens"));
  EXPECT_THAT(Lint(kGoldClass, absl::StrCat(kGood, kGood)), ElementsAre("device-twice"));
  EXPECT_THAT(Lint(kGoldClass, ""), ElementsAre("class-without-device"));
  EXPECT_THAT(Lint("", Egd("/run/entropyd/old.sock")), ElementsAre("device-elsewhere"));
  EXPECT_THAT(Lint("", "<rng><backend model='random'>/dev/urandom</backend></rng>"),
              ElementsAre("kernel-device"));
  EXPECT_THAT(Lint("", "<rng><backend model='random'>/dev/random</backend></rng>"),
              ElementsAre("kernel-device"));
  EXPECT_THAT(Lint("", "<rng><backend model='builtin'/></rng>"), ElementsAre("kernel-device"));
  const std::string rated =
      "<rng><rate bytes='1'/><backend model='egd' type='unix'><source mode='connect' "
      "path='/run/entropyd/egd.sock'><reconnect enabled='yes'/></source></backend></rng>";
  EXPECT_THAT(Lint(kGoldClass, rated), ElementsAre("rate"));
}

TEST(FeedCheckTest, AClassMustExistAndBeAllowedAndReadable) {
  const auto with = [](absl::string_view attributes) {
    return Lint(absl::StrCat("<metadata><e:backend xmlns:e='urn:entropyd:libvirt:1' ", attributes,
                             "/></metadata>"),
                kGood);
  };
  EXPECT_THAT(with("model='pool' name='default' class='slow'"), IsEmpty());
  EXPECT_THAT(with("model='pool' name='default' class='secret'"), ElementsAre("class-closed"));
  EXPECT_THAT(with("model='pool' name='default' class='nope'"), ElementsAre("class-unknown"));
  EXPECT_THAT(with("model='pool' name='default'"), ElementsAre("class-unreadable"));
}

TEST(FeedCheckTest, ASocketThatHeedsNoMetadataIsTold) {
  v1::GetStatusResponse agent = Agent();
  const auto lint = [&](absl::string_view metadata) {
    return LintDomain("g1", "defined", Domain(metadata, kGood), &agent, "");
  };
  auto* listener = agent.mutable_listener(0);
  listener->set_class_("default/slow");
  EXPECT_THAT(lint(kGoldClass), IsEmpty()) << "an agent that does not tell";
  for (const char* identify : {"none", "cgroup"}) {
    listener->set_identify(identify);
    const auto found = lint(kGoldClass);
    ASSERT_THAT(Codes(found), ElementsAre("class-ignored"));
    EXPECT_THAT(found[0].message, HasSubstr("serves the guest in default/slow"));
    EXPECT_EQ(found[0].remedy,
              "set identify: libvirt for the listener /run/entropyd/egd.sock in agent.yaml and run "
              "`entropyctl agent reload`");
    EXPECT_THAT(lint(""), IsEmpty());
  }
  agent.mutable_listener(1)->set_identify("libvirt");
  EXPECT_THAT(lint(kGoldClass).at(0).remedy,
              HasSubstr("; or `entropyctl libvirt set g1 --class default/gold --socket "
                        "/run/entropyd/class/bulk.sock`"));
  listener->set_class_("default/gold");
  EXPECT_THAT(lint(kGoldClass), IsEmpty()) << "it gets the class it names";
  listener->set_class_("default/slow");
  listener->set_identify("libvirt");
  EXPECT_THAT(lint(kGoldClass), IsEmpty());
}

TEST(FeedCheckTest, WithoutAnAgentOnlyTheXmlIsJudged) {
  const std::string nope =
      "<metadata><e:backend xmlns:e='urn:entropyd:libvirt:1' model='pool' name='default' "
      "class='nope'/></metadata>";
  EXPECT_THAT(Codes(LintDomain("g1", "defined", Domain(nope, kGood), nullptr, "")), IsEmpty());
  EXPECT_THAT(Codes(LintDomain("g1", "defined", Domain("", Egd("/run/x.sock")), nullptr, "")),
              ElementsAre("device-elsewhere"));
  EXPECT_THAT(
      Codes(LintDomain("g1", "defined", Domain("", Egd("/run/x.sock")), nullptr, "/run/x.sock")),
      IsEmpty());
}

TEST(FeedCheckTest, WhatIsNoDomainIsAFinding) {
  EXPECT_THAT(Codes(LintDomain("g1", "defined", "<domain", nullptr, "")), ElementsAre("xml"));
}

TEST(FeedCheckTest, ARemedyIsACommandWithTheClassThatIsMeant) {
  const auto found = LintDomain("g1", "defined",
                                Domain(kGoldClass, Egd("/run/entropyd/egd.sock", "")), nullptr, "");
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].remedy, "entropyctl libvirt set g1 --class default/gold");
  EXPECT_EQ(found[0].domain, "g1");
}

TEST(FeedCheckTest, WhatBothViewsSayIsSaidOnce) {
  const LintFinding rate{"g1", "defined", "rate", "m", "r"};
  LintFinding running = rate;
  running.view = "running";
  auto merged = MergeViews({rate}, {running});
  ASSERT_EQ(merged.size(), 1u);
  EXPECT_EQ(merged[0].view, "both");
  running.code = "listens";
  merged = MergeViews({rate}, {running});
  ASSERT_EQ(merged.size(), 2u);
  EXPECT_EQ(merged[0].view, "defined");
  EXPECT_THAT(merged[1].remedy, HasSubstr("start it"));
}

TEST(FeedCheckTest, RefusalsNameWhatThereIs) {
  EXPECT_TRUE(CheckClass(Agent(), "default/gold").ok());
  EXPECT_TRUE(CheckClass(Agent(), "default/slow").ok());
  EXPECT_THAT(std::string(CheckClass(Agent(), "default/secret").message()),
              AllOf(HasSubstr("not allowed"), HasSubstr("policy")));
  EXPECT_THAT(std::string(CheckClass(Agent(), "default/nope").message()),
              AllOf(HasSubstr("default/gold, default/slow"), HasSubstr("agent.yaml")));
  EXPECT_TRUE(CheckSocket(Agent(), "/run/entropyd/class/bulk.sock").ok());
  EXPECT_THAT(std::string(CheckSocket(Agent(), "/tmp/x").message()),
              HasSubstr("/run/entropyd/egd.sock, /run/entropyd/class/bulk.sock"));
}

}  // namespace
}  // namespace entropyd
