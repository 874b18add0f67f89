// A class tree with a clock of its own, and the order in which its members are served.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "base/class_tree/class_tree.h"

namespace entropyd {

// A tree with chunks of 100 bytes, and the order in which its members are served.
class ClassTreeTest : public ::testing::Test {
 protected:
  using MemberId = ClassTree::MemberId;
  using Specs = std::vector<ClassTree::ClassSpec>;

  static constexpr uint64_t kMuch = uint64_t{1} << 40;

  void Make(const Specs& specs, ClassTree::Options options = {.chunk_bytes = 100}) {
    auto tree = ClassTree::Create(options, specs);
    ASSERT_TRUE(tree.ok()) << tree.status();
    tree_ = *std::move(tree);
  }
  MemberId Add(const std::string& leaf, const ClassTree::MemberSpec& spec = {}) {
    return tree_->AddMember(tree_->FindLeaf(leaf).value(), spec);
  }
  MemberId AddBacklogged(const std::string& leaf, const ClassTree::MemberSpec& spec = {}) {
    const MemberId member = Add(leaf, spec);
    tree_->Want(member, kMuch, now_);
    return member;
  }
  // The members that were served, in order; each takes all that it is offered.
  std::vector<MemberId> Serve(uint64_t capacity, uint32_t max_grants = 1u << 30) {
    std::vector<MemberId> order;
    result_ = tree_->Distribute(now_, {.capacity_bytes = capacity, .max_grants = max_grants},
                                [&](MemberId id, void*, uint32_t bytes) {
                                  order.push_back(id);
                                  return bytes;
                                });
    return order;
  }
  ClassTree::ClassStats Stats(const std::string& name) {
    for (const auto& stats : tree_->Stats(now_)) {
      if (stats.spec.name == name) return stats;
    }
    ADD_FAILURE() << "no class " << name;
    return {};
  }

  std::unique_ptr<ClassTree> tree_;
  ClassTree::PassResult result_;
  int64_t now_ = 0;
};

}  // namespace entropyd
