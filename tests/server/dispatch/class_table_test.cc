#include "server/dispatch/class_table.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/server/fakes.h"

namespace entropyd {
namespace {

constexpr uint64_t kNone = ClassTree::kUnlimited;

// A root, and below it `gold` and the inner class `bulk` with the leaf `fine`.
class ClassTableTest : public ::testing::Test {
 protected:
  static ClassTree::ClassSpec Spec(const std::string& name, const std::string& parent,
                                   uint64_t ceil) {
    ClassTree::ClassSpec spec;
    spec.name = name;
    spec.parent = parent;
    spec.rate = 1000;
    spec.ceil = ceil;
    return spec;
  }
  static ClassUpdate With(uint64_t root, uint64_t bulk, uint64_t fine) {
    ClassUpdate update;
    update.pool = "pool";
    update.specs = {Spec("root", "", root), Spec("gold", "root", kNone), Spec("bulk", "root", bulk),
                    Spec("fine", "bulk", fine)};
    update.specs[0].rate = 10'000;
    update.specs[2].rate = 2000;
    return update;
  }
  // As the configuration has them. 0 = no ceil.
  ClassTable Configured(uint64_t root, uint64_t bulk, uint64_t fine) {
    config::v1::PoolConfig config;
    config.set_name("pool");
    const struct {
      const char* name;
      const char* parent;
      uint64_t ceil;
    } kClasses[] = {
        {"root", "", root}, {"gold", "root", 0}, {"bulk", "root", bulk}, {"fine", "bulk", fine}};
    for (const auto& one : kClasses) {
      config::v1::ClassConfig* const entry = config.add_classes();
      entry->set_name(one.name);
      entry->set_parent(one.parent);
      entry->set_rate(one.parent[0] == '\0' ? 10'000 : 1000);
      entry->set_ceil(one.ceil);
    }
    std::vector<PoolSetup> setups;
    setups.push_back(MakePoolSetup(config, 0, {}, &pool_).value());
    return ClassTable(std::move(setups));
  }
  static std::vector<std::string> Names(const std::vector<const Leaf*>& leaves) {
    std::vector<std::string> names;
    for (const Leaf* leaf : leaves) names.push_back(leaf->name);
    std::sort(names.begin(), names.end());
    return names;
  }

  FakePool pool_{"pool"};
};

using Strings = std::vector<std::string>;

TEST_F(ClassTableTest, TheCeilOfALeafIsTheSmallestFromThereToTheRoot) {
  EXPECT_EQ(Configured(0, 0, 0).FindLeaf("pool/fine")->ceil, kNone) << "no class has one";
  EXPECT_EQ(Configured(20'000, 0, 0).FindLeaf("pool/fine")->ceil, 20'000u);
  EXPECT_EQ(Configured(20'000, 5000, 0).FindLeaf("pool/fine")->ceil, 5000u);
  EXPECT_EQ(Configured(20'000, 5000, 0).FindLeaf("pool/gold")->ceil, 20'000u);
  EXPECT_EQ(Configured(20'000, 5000, 2000).FindLeaf("pool/fine")->ceil, 2000u);
  EXPECT_EQ(Configured(20'000, 5000, 7000).FindLeaf("pool/fine")->ceil, 5000u)
      << "its own is of no use";
}

TEST_F(ClassTableTest, ANewCeilOfAClassAboveIsOneOfAllLeavesThatItHolds) {
  ClassTable table = Configured(20'000, 0, 3000);
  EXPECT_EQ(Names(table.Update(With(15'000, kNone, 3000), 1).value()),
            (Strings{"pool/fine", "pool/gold"}));
  EXPECT_EQ(table.FindLeaf("pool/gold")->ceil, 15'000u);
  EXPECT_EQ(table.FindLeaf("pool/fine")->ceil, 3000u);
  EXPECT_EQ(table.FindLeaf("pool/fine")->above, (std::vector<SharedCeiling>{{"pool/root", 15'000}}))
      << "without its own";
  EXPECT_EQ(Names(table.Update(With(15'000, 2500, 3000), 1).value()), Strings{"pool/fine"});
  EXPECT_EQ(table.FindLeaf("pool/fine")->ceil, 2500u);
  EXPECT_EQ(Names(table.Update(With(kNone, kNone, kNone), 1).value()),
            (Strings{"pool/fine", "pool/gold"}));
  EXPECT_EQ(table.FindLeaf("pool/gold")->ceil, kNone);
  EXPECT_EQ(table.FindLeaf("pool/fine")->ceil, kNone);
}

TEST_F(ClassTableTest, ANewLeafAndOneThatMovesHaveTheCeilOfTheirNewPlace) {
  ClassTable table = Configured(20'000, 5000, 0);
  ClassesChange change;
  change.update = With(20'000, 5000, kNone);
  change.update.specs.push_back(Spec("new", "bulk", kNone));
  change.update.specs[1].parent = "bulk";  // gold
  change.update.specs[3].parent = "root";  // fine
  EXPECT_EQ(Names(table.Change(change, 1).value()), (Strings{"pool/fine", "pool/gold"}));
  EXPECT_EQ(table.FindLeaf("pool/new")->ceil, 5000u);
  EXPECT_EQ(table.FindLeaf("pool/gold")->ceil, 5000u);
  EXPECT_EQ(table.FindLeaf("pool/fine")->ceil, 20'000u);
}

}  // namespace
}  // namespace entropyd
