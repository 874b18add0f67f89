#include "server/classes/class_changes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/config/config.h"
#include "client/ctl/figure_arguments.h"
#include "tests/server/fakes.h"

namespace entropyd {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr char kOperator[] = "spiffe://test/operator";

// A pool `default` of root (100 MiB/s), slow (16 KiB/s, at most 64 KiB/s) and gold (10 MiB/s).
class ClassChangesTest : public ::testing::Test {
 protected:
  void SetUp() override { Start(); }

  // Starts with the kept changes, as after a restart.
  void Start(const std::string& slow = "rate: 16KiB/s, ceil: 64KiB/s",
             const std::string& gold = "{name: gold, parent: root, rate: 10MiB/s}") {
    const config::v1::Server config = Config(slow, gold);
    log_.Clear();
    pool_ = config.pools(0);
    changes_ = std::make_unique<ClassChanges>(
        config, kept_,
        [this](const config::v1::ClassState& state) {
          ++saves_;
          if (save_status_.ok() || absl::IsDataLoss(save_status_)) kept_ = state;
          return save_status_;
        },
        &clock_, &log_);
  }
  void Reload(const std::string& slow = "rate: 16KiB/s, ceil: 64KiB/s",
              const std::string& gold = "{name: gold, parent: root, rate: 10MiB/s}") {
    changes_->Reload(Config(slow, gold), [this](std::vector<ClassChanges::EffectivePool> pools) {
      reloaded_ = std::move(pools);
    });
  }
  uint64_t EffectiveCeil(const std::string& name) const {
    for (const config::v1::ClassConfig& config : reloaded_[0].config.classes()) {
      if (config.name() == name) return config.ceil();
    }
    return 1;
  }
  static config::v1::Server Config(const std::string& slow, const std::string& gold) {
    config::v1::Server config;
    config::Locations locations;
    const absl::Status parsed = config::Parse(
        absl::StrCat("tls: {cert: c, key: k, client_ca: a}\n"
                     "sources: [{name: trng0, driver: char_device, path: /dev/hwrng}]\n"
                     "pools:\n  - name: default\n    sources: [trng0]\n    classes:\n"
                     "      - {name: root, rate: 100MiB/s}\n"
                     "      - {name: slow, parent: root, ",
                     slow, "}\n      - ", gold, "\n"),
        "server.yaml", &config, &locations);
    EXPECT_TRUE(parsed.ok()) << parsed;
    return config;
  }

  absl::Status Set(const std::string& name, const std::vector<std::string>& figures,
                   bool dry_run = false) {
    v1::SetClassRequest request;
    request.set_pool("default");
    request.set_class_(name);
    *request.mutable_set() = ParseFigureArguments(figures).value();
    request.set_dry_run(dry_run);
    return changes_->Set(request, kOperator, Publish());
  }
  absl::Status Reset(const std::string& pool = "", const std::string& name = "") {
    v1::ResetClassRequest request;
    request.set_pool(pool);
    request.set_class_(name);
    return changes_->Reset(request, kOperator, Publish());
  }
  std::function<void(ClassChanges::Outcome)> Publish() {
    updates_.clear();
    published_ = 0;
    return [this](ClassChanges::Outcome outcome) {
      ++published_;
      updates_ = std::move(outcome.updates);
      told_ = std::move(outcome.differences);
      durable_ = std::move(outcome.durable);
    };
  }
  uint64_t Ceil(const std::string& name) {
    const config::v1::PoolConfig effective = changes_->Effective(pool_);
    for (const config::v1::ClassConfig& config : effective.classes()) {
      if (config.name() == name) return config.ceil();
    }
    return 1;
  }
  // "slow ceil 64KiB/s->8KiB/s"
  std::vector<std::string> Diff() {
    std::vector<std::string> lines;
    for (const v1::ClassDifference& one : changes_->Differences()) {
      lines.push_back(absl::StrCat(one.class_(), " ", one.key(), " ", one.configured(), "->",
                                   one.in_force(), one.ignored().empty() ? "" : " ignored"));
    }
    return lines;
  }

  ManualClock clock_{0};
  FakeLog log_{&clock_};
  absl::Status save_status_;
  config::v1::ClassState kept_;
  config::v1::PoolConfig pool_;
  std::unique_ptr<ClassChanges> changes_;
  std::vector<ClassUpdate> updates_;
  std::vector<ClassChanges::EffectivePool> reloaded_;
  std::vector<v1::ClassDifference> told_;
  absl::Status durable_;
  int published_ = 0;
  int saves_ = 0;
};

TEST_F(ClassChangesTest, OnlyTheGivenKeysChange) {
  ASSERT_TRUE(Set("slow", {"ceil=32KiB/s"}).ok());
  ASSERT_TRUE(Set("slow", {"prio=3", "weight=2.5"}).ok());
  EXPECT_THAT(Diff(), ElementsAre("slow ceil 64KiB/s->32KiB/s", "slow weight default->2.5",
                                  "slow prio 0->3"));
  ASSERT_EQ(updates_.size(), 1u);
  EXPECT_EQ(updates_[0].pool, "default");
  EXPECT_THAT(updates_[0].differing, ElementsAre("slow"));
  ASSERT_EQ(updates_[0].specs.size(), 3u);
  const ClassTree::ClassSpec& slow = updates_[0].specs[1];
  EXPECT_EQ(slow.rate, 16u << 10);
  EXPECT_EQ(slow.ceil, 32u << 10);
  EXPECT_EQ(slow.weight, 2.5);
  EXPECT_EQ(slow.prio, 3u);
  EXPECT_EQ(changes_->Differences()[0].by(), kOperator);
  EXPECT_THAT(changes_->Differences()[0].at(), HasSubstr("Z"));
  EXPECT_THAT(log_.events(), ElementsAre("class.changed", "class.changed"));
}

TEST_F(ClassChangesTest, NoneTakesTheCeilingAndItsBurstAway) {
  Start("rate: 16KiB/s, ceil: 64KiB/s, cburst: 8KiB");
  ASSERT_TRUE(Set("slow", {"ceil=none"}).ok());
  EXPECT_EQ(updates_[0].specs[1].ceil, ClassTree::kUnlimited);
  EXPECT_EQ(updates_[0].specs[1].cburst, 0u);
  EXPECT_THAT(Diff(), ElementsAre("slow ceil 64KiB/s->none"));
}

TEST_F(ClassChangesTest, ARefusedChangeNamesClassValueAndRemedyAndChangesNothing) {
  ASSERT_TRUE(Set("slow", {"ceil=32KiB/s"}).ok());
  const std::string before = kept_.SerializeAsString();
  const auto refused = [&](const std::string& name, const std::vector<std::string>& figures) {
    const absl::Status status = Set(name, figures);
    EXPECT_FALSE(status.ok());
    EXPECT_EQ(published_, 0);
    EXPECT_EQ(kept_.SerializeAsString(), before);
    EXPECT_EQ(Ceil("slow"), 32u << 10);
    return std::string(status.message());
  };
  EXPECT_THAT(
      refused("slow", {"ceil=8KiB/s"}),
      AllOf(HasSubstr("set default/slow: class 'slow': ceil 8KiB/s is below the rate 16KiB/s"),
            HasSubstr("raise the ceil or lower the rate")));
  EXPECT_THAT(refused("slow", {"rate=95MiB/s", "ceil=none"}),
              AllOf(HasSubstr("class 'root'"), HasSubstr("is below the sum of its children's")));
  EXPECT_THAT(refused("slow", {"burst=1KiB"}), HasSubstr("raise it or leave it out"));
  EXPECT_THAT(refused("slow", {"rate=0B/s"}), HasSubstr("starve"));
  EXPECT_THAT(refused("slow", {}), HasSubstr("no figure is given"));
  EXPECT_THAT(refused("slwo", {"prio=1"}), HasSubstr("there are root, slow, gold"));
}

TEST_F(ClassChangesTest, FiguresThatNoLoaderWouldReadAreRefused) {
  v1::SetClassRequest request;
  request.set_pool("default");
  request.set_class_("slow");
  const auto complaint = [&] {
    return std::string(changes_->Set(request, kOperator, Publish()).message());
  };
  request.mutable_set()->set_prio(8);
  EXPECT_THAT(complaint(), HasSubstr("prio: '8' is too large; the most is 7"));
  request.mutable_set()->Clear();
  request.mutable_set()->set_cburst(0);
  EXPECT_THAT(complaint(), HasSubstr("cburst: '0B' is too small"));
  request.mutable_set()->Clear();
  for (const double weight :
       {-1.0, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    request.mutable_set()->set_weight(weight);
    EXPECT_THAT(complaint(), HasSubstr("weight: "));
  }
  request.mutable_set()->Clear();
  request.mutable_set()->set_rate(~uint64_t{0});
  EXPECT_THAT(complaint(), HasSubstr("rate: "));
  EXPECT_THAT(changes_->Differences(), IsEmpty());
}

TEST_F(ClassChangesTest, WhatCannotBeKeptIsNotInForceEither) {
  save_status_ = absl::ResourceExhaustedError("write classes.yaml.new: No space left on device");
  const absl::Status status = Set("slow", {"ceil=32KiB/s"});
  EXPECT_TRUE(absl::IsResourceExhausted(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("nothing has changed: write"));
  EXPECT_EQ(published_, 0);
  EXPECT_THAT(Diff(), IsEmpty());
  save_status_ = absl::OkStatus();
  ASSERT_TRUE(Set("slow", {"ceil=32KiB/s"}).ok());
  save_status_ = absl::ResourceExhaustedError("write classes.yaml.new: No space left on device");
  EXPECT_FALSE(Reset().ok());
  EXPECT_THAT(Diff(), ElementsAre("slow ceil 64KiB/s->32KiB/s"));
}

// The file has the change, so the next start would bring it. Then it is in force now, too.
TEST_F(ClassChangesTest, WhatIsKeptButMayBeUndoneByAPowerCutIsInForceAndToldAsSuch) {
  save_status_ = absl::DataLossError("a power cut may undo this: sync /state: Input/output error");
  EXPECT_TRUE(Set("slow", {"ceil=32KiB/s"}).ok());
  EXPECT_TRUE(absl::IsDataLoss(durable_)) << durable_;
  EXPECT_THAT(std::string(durable_.message()),
              AllOf(HasSubstr("set default/slow: the change is in force and written"),
                    HasSubstr("a power cut may undo this"), Not(HasSubstr("nothing has changed"))));
  EXPECT_EQ(updates_.size(), 1u);
  EXPECT_THAT(Diff(), ElementsAre("slow ceil 64KiB/s->32KiB/s"));
  save_status_ = absl::OkStatus();
  const int before = saves_;
  EXPECT_TRUE(Set("slow", {"ceil=32KiB/s"}).ok());
  EXPECT_EQ(saves_, before + 1) << "the same once more makes sure";
  EXPECT_TRUE(durable_.ok()) << durable_;
  EXPECT_TRUE(Set("slow", {"ceil=32KiB/s"}).ok());
  EXPECT_EQ(saves_, before + 1) << "and then there is nothing to do";
}

TEST_F(ClassChangesTest, ASaveThatFailsMakesAnEarlierOneNoSurer) {
  save_status_ = absl::DataLossError("a power cut may undo this: sync /state: Input/output error");
  ASSERT_TRUE(Set("slow", {"ceil=32KiB/s"}).ok());
  save_status_ = absl::ResourceExhaustedError("write /state/classes.yaml.new: disk full");
  EXPECT_FALSE(Set("slow", {"ceil=16KiB/s"}).ok());
  save_status_ = absl::OkStatus();
  const int before = saves_;
  EXPECT_TRUE(Set("slow", {"ceil=32KiB/s"}).ok());
  EXPECT_EQ(saves_, before + 1);
}

TEST_F(ClassChangesTest, AResetThatAPowerCutMayUndoCanBeRepeated) {
  ASSERT_TRUE(Set("slow", {"ceil=32KiB/s"}).ok());
  save_status_ = absl::DataLossError("a power cut may undo this: sync /state: Input/output error");
  EXPECT_TRUE(Reset().ok());
  EXPECT_TRUE(absl::IsDataLoss(durable_));
  EXPECT_THAT(Diff(), IsEmpty());
  save_status_ = absl::OkStatus();
  const int before = saves_;
  EXPECT_TRUE(Reset().ok());
  EXPECT_EQ(saves_, before + 1);
  EXPECT_TRUE(durable_.ok());
}

TEST_F(ClassChangesTest, ADryRunOnlyChecks) {
  EXPECT_TRUE(Set("slow", {"ceil=32KiB/s"}, true).ok());
  EXPECT_EQ(published_, 1);
  EXPECT_THAT(updates_, IsEmpty());
  EXPECT_EQ(told_.size(), 1u) << "what would differ";
  EXPECT_THAT(Diff(), IsEmpty());
  EXPECT_EQ(kept_.changes_size(), 0);
  EXPECT_FALSE(Set("slow", {"ceil=8KiB/s"}, true).ok());
}

TEST_F(ClassChangesTest, AKeptChangeWinsOverTheConfigurationUntilItIsReset) {
  ASSERT_TRUE(Set("slow", {"ceil=32KiB/s"}).ok());
  Start();
  EXPECT_EQ(Ceil("slow"), 32u << 10);
  EXPECT_THAT(changes_->Differing("default"), ElementsAre("slow"));
  EXPECT_THAT(log_.events(), ElementsAre("class.change_kept"));
  Start("rate: 16KiB/s, ceil: 128KiB/s");
  EXPECT_THAT(Diff(), ElementsAre("slow ceil 128KiB/s->32KiB/s"));
  Start("rate: 16KiB/s, ceil: 32KiB/s");
  EXPECT_THAT(Diff(), IsEmpty()) << "the configuration was brought in line";
  EXPECT_THAT(changes_->Differing("default"), IsEmpty());
  Start();
  ASSERT_TRUE(Reset("default", "slow").ok());
  ASSERT_EQ(updates_.size(), 1u);
  EXPECT_EQ(updates_[0].specs[1].ceil, 64u << 10);
  EXPECT_THAT(updates_[0].differing, IsEmpty());
  EXPECT_EQ(told_.size(), 1u);
  EXPECT_THAT(log_.events(), Contains("class.reset"));
  Start();
  EXPECT_EQ(Ceil("slow"), 64u << 10);
}

TEST_F(ClassChangesTest, SettingTheConfiguredFigureIsAReset) {
  ASSERT_TRUE(Set("slow", {"ceil=32KiB/s", "prio=2"}).ok());
  ASSERT_TRUE(Set("slow", {"ceil=64KiB/s"}).ok());
  EXPECT_THAT(Diff(), ElementsAre("slow prio 0->2"));
  ASSERT_TRUE(Set("slow", {"prio=0"}).ok());
  EXPECT_THAT(Diff(), IsEmpty());
  EXPECT_EQ(kept_.changes_size(), 0);
  ASSERT_EQ(updates_.size(), 1u) << "it has to be applied all the same";
  ASSERT_TRUE(Set("slow", {"prio=0"}).ok());
  EXPECT_THAT(updates_, IsEmpty()) << "nothing is to be done";
}

TEST_F(ClassChangesTest, ResetWithoutAClassReturnsAll) {
  ASSERT_TRUE(Set("root", {"rate=200MiB/s"}).ok());
  ASSERT_TRUE(Set("gold", {"rate=150MiB/s"}).ok());
  const absl::Status alone = Reset("default", "root");
  EXPECT_THAT(std::string(alone.message()), HasSubstr("does not go together"));
  EXPECT_EQ(Diff().size(), 2u);
  ASSERT_TRUE(Reset().ok());
  EXPECT_EQ(updates_.size(), 1u);
  EXPECT_THAT(Diff(), IsEmpty());
  EXPECT_TRUE(Reset("default", "slow").ok()) << "nothing was to be reset";
  EXPECT_TRUE(absl::IsNotFound(Reset("default", "nobody")));
  EXPECT_TRUE(absl::IsNotFound(Reset("nowhere", "slow")));
}

TEST_F(ClassChangesTest, AChangeOfAClassThatIsGoneIsIgnoredAndKept) {
  ASSERT_TRUE(Set("gold", {"prio=4"}).ok());
  ASSERT_TRUE(Set("slow", {"prio=5"}).ok());
  Start("rate: 16KiB/s", "{name: silver, parent: root, rate: 1MiB/s}");
  EXPECT_THAT(log_.events(), ElementsAre("class.change_ignored", "class.change_kept"));
  EXPECT_THAT(Diff(), ElementsAre("gold prio -> ignored", "slow prio 0->5"));
  ASSERT_TRUE(Set("silver", {"prio=1"}).ok());
  EXPECT_EQ(kept_.changes_size(), 3) << "kept, for the class may come back";
  Start();
  EXPECT_THAT(Diff(), Contains("gold prio 0->4"));
  EXPECT_THAT(Diff(), Contains("silver prio -> ignored"));
  ASSERT_TRUE(Reset("default", "silver").ok()) << "what is ignored can be forgotten";
  EXPECT_EQ(kept_.changes_size(), 2);
}

TEST_F(ClassChangesTest, ChangesThatNoLongerFitAreIgnoredAndTheOthersHold) {
  ASSERT_TRUE(Set("gold", {"prio=4"}).ok());
  ASSERT_TRUE(Set("slow", {"ceil=32KiB/s"}).ok());
  Start("rate: 48KiB/s, ceil: 64KiB/s");
  EXPECT_EQ(Ceil("slow"), 64u << 10);
  EXPECT_THAT(Diff(), ElementsAre("gold prio 0->4", "slow ceil 64KiB/s->64KiB/s ignored"));
  EXPECT_THAT(changes_->Differing("default"), ElementsAre("gold"));
  EXPECT_THAT(changes_->Differences()[1].ignored(),
              AllOf(HasSubstr("ceil=32KiB/s"), HasSubstr("below the rate 48KiB/s")));
  ASSERT_TRUE(Set("slow", {"prio=1"}).ok());
  EXPECT_THAT(Diff(), Not(Contains(HasSubstr("ceil")))) << "a new change does not revive it";
}

TEST_F(ClassChangesTest, ChangesThatOnlyFitTogetherHoldInWhateverOrderTheyAreKept) {
  ASSERT_TRUE(Set("root", {"rate=200MiB/s"}).ok());
  ASSERT_TRUE(Set("gold", {"rate=150MiB/s"}).ok());
  ASSERT_TRUE(Set("slow", {"ceil=32KiB/s"}).ok());
  kept_.mutable_changes()->SwapElements(0, 1);
  Start("rate: 48KiB/s, ceil: 64KiB/s");
  EXPECT_THAT(changes_->Differing("default"), ElementsAre("gold", "root"));
}

TEST_F(ClassChangesTest, AKeptChangeWinsOverANewConfigurationAsOverTheFirst) {
  ASSERT_TRUE(Set("slow", {"ceil=32KiB/s"}).ok());
  Reload("rate: 16KiB/s, ceil: 48KiB/s");
  EXPECT_EQ(EffectiveCeil("slow"), 32u << 10);
  EXPECT_THAT(reloaded_[0].differing, ElementsAre("slow"));
  EXPECT_THAT(Diff(), ElementsAre("slow ceil 48KiB/s->32KiB/s"));
  ASSERT_TRUE(Reset("default", "slow").ok());
  ASSERT_EQ(updates_.size(), 1u);
  EXPECT_EQ(updates_[0].specs[1].ceil, 48u << 10) << "what the new configuration says";
}

TEST_F(ClassChangesTest, AKeptChangeOfAClassThatGoesIsIgnoredAndIsInForceWhenItComesBack) {
  ASSERT_TRUE(Set("gold", {"rate=12MiB/s"}).ok());
  log_.Clear();
  Reload("rate: 16KiB/s", "{name: silver, parent: root, rate: 1MiB/s}");
  EXPECT_THAT(log_.events(), ElementsAre("class.change_ignored"));
  EXPECT_THAT(reloaded_[0].differing, IsEmpty());
  EXPECT_EQ(kept_.changes_size(), 1) << "it stays kept";
  Reload("rate: 16KiB/s", "{name: silver, parent: root, rate: 1MiB/s}");
  EXPECT_EQ(log_.events().size(), 1u) << "told once";
  EXPECT_EQ(Set("gold", {"rate=1MiB/s"}).code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(Set("silver", {"rate=2MiB/s"}).ok()) << "a class that the start did not know";
  Reload("rate: 16KiB/s");
  EXPECT_THAT(log_.events(), Contains("class.change_kept"));
  EXPECT_THAT(reloaded_[0].differing, ElementsAre("gold"));
  EXPECT_EQ(reloaded_[0].config.classes(2).rate(), 12u << 20);
}

TEST_F(ClassChangesTest, AKeptChangeThatDoesNotFitTheNewConfigurationIsIgnored) {
  ASSERT_TRUE(Set("slow", {"ceil=32KiB/s"}).ok());
  Reload("rate: 40KiB/s, ceil: 64KiB/s");  // a ceiling below the guarantee
  EXPECT_EQ(EffectiveCeil("slow"), 64u << 10);
  EXPECT_THAT(Diff(), ElementsAre("slow ceil 64KiB/s->64KiB/s ignored"));
}

}  // namespace
}  // namespace entropyd
