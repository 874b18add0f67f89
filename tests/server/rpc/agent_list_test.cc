#include "server/rpc/agent_list.h"

#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/server/attach/attach_protocol_fixture.h"

namespace entropyd {
namespace {

class AgentListTest : public AttachProtocolFixture {
 protected:
  void Come(size_t count) {
    for (size_t i = 0; i < count; ++i) {
      agents_.push_back(Greet(absl::StrCat("spiffe://test/agent/", agents_.size())));
    }
  }
  bool AddSome(AgentList* list) {
    return list->AddSome(attach().registry(), clock_.NowNanos(), &response_);
  }

  std::vector<FakePeer*> agents_;
  v1::ListAgentsResponse response_;
};

TEST_F(AgentListTest, ThousandsTakeSeveralTurnsAndKeepTheirOrder) {
  Come(2 * AgentList::kAgentsPerTurn + 1);
  AgentList list(attach().registry());
  EXPECT_TRUE(AddSome(&list));
  EXPECT_EQ(response_.agent_size(), static_cast<int>(AgentList::kAgentsPerTurn));
  EXPECT_TRUE(AddSome(&list));
  EXPECT_FALSE(AddSome(&list));
  ASSERT_EQ(response_.agent_size(), static_cast<int>(agents_.size()));
  for (int i = 0; i < response_.agent_size(); ++i) {
    EXPECT_EQ(response_.agent(i).identity(), absl::StrCat("spiffe://test/agent/", i));
  }
}

TEST_F(AgentListTest, WhoStaysIsInItOnceWhoeverComesAndGoesMeanwhile) {
  Come(3 * AgentList::kAgentsPerTurn);
  AgentList list(attach().registry());
  std::set<std::string> stay;
  for (size_t i = 10; i < agents_.size(); ++i) stay.insert(absl::StrCat("spiffe://test/agent/", i));
  size_t gone = 0;
  for (; AddSome(&list); ++gone) {
    Die(agents_[gone]);  // one that was listed takes its place
    Come(1);
  }
  EXPECT_GE(gone, 2u) << "nobody came or went meanwhile";
  std::multiset<std::string> listed;
  for (const v1::Agent& agent : response_.agent()) listed.insert(agent.identity());
  for (const std::string& identity : stay) EXPECT_EQ(listed.count(identity), 1u) << identity;
}

TEST_F(AgentListTest, NobodyIsAnEmptyList) {
  AgentList list(attach().registry());
  EXPECT_FALSE(AddSome(&list));
  EXPECT_EQ(response_.agent_size(), 0);
}

}  // namespace
}  // namespace entropyd
