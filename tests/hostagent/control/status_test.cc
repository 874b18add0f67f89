#include "hostagent/control/status.h"

#include <sys/socket.h>

#include <string>

#include "base/process/fd.h"
#include "base/wire/egd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/hostagent/served_host.h"

namespace entropyd {
namespace {

class AgentStatusTest : public ServedHostTest {};

TEST_F(AgentStatusTest, StatusTellsClassesAndListeners) {
  Arrive(500);
  Client one = Connect(kAuto, {0x02, 100});
  Client two = Connect(kQemu, {0x04});
  v1::GetStatusResponse status;
  host_->status().Fill(&status);
  ASSERT_EQ(status.class__size(), 1);
  EXPECT_EQ(status.class_(0).class_(), "default/gold");
  EXPECT_EQ(status.class_(0).buffer_level(), 400u);
  EXPECT_EQ(status.class_(0).guests(), 2u);
  EXPECT_EQ(status.class_(0).delivered(), 100u);
  EXPECT_EQ(status.class_(0).requests(), 2u);
  EXPECT_EQ(status.class_(0).on_upstream_loss(), "block");
  ASSERT_EQ(status.listener_size(), 3);
  EXPECT_EQ(status.listener(kQemu).connections(), 1u);
  EXPECT_EQ(status.listener(kEgd).connections(), 0u);
}

TEST_F(AgentStatusTest, MetricsShowWhatWasServed) {
  Arrive(500);
  Client client = Connect(kAuto, {0x02, 100, 0x04});
  const std::string text = registry_->Serialize();
  for (const char* line :
       {"entropyd_agent_delivered_bytes_total{class=\"default/gold\"} 100",
        "entropyd_agent_buffer_fill_bytes{class=\"default/gold\"} 400",
        "entropyd_agent_requests_total{class=\"default/gold\",command=\"read_blocking\"} 1",
        "entropyd_agent_guests{class=\"default/gold\"} 1",
        "entropyd_agent_class_phase{class=\"default/gold\",phase=\"open\"} 0",
        "entropyd_agent_wait_seconds_count{class=\"default/gold\"} 2"}) {
    EXPECT_THAT(text, testing::HasSubstr(line));
  }
}

TEST_F(AgentStatusTest, AGuestOfAClassThatTheServerRefusesIsSeen) {
  Client client = Connect(kAuto, {0x02, 100});
  host_->classes()[0]->OnUpstream({UpstreamState::Kind::kRefused, kNever, "no such class"});
  Turn();
  v1::ListGuestsResponse guests;
  host_->status().FillGuests(&guests);
  ASSERT_EQ(guests.guest_size(), 1);
  EXPECT_EQ(guests.guest(0).class_mode(), "closed");
  for (const char* line : {"entropyd_agent_class_phase{class=\"default/gold\",phase=\"closed\"} 1",
                           "entropyd_agent_class_phase{class=\"default/gold\",phase=\"open\"} 0",
                           "entropyd_agent_class_mode{class=\"default/gold\",mode=\"closed\"} 1"}) {
    EXPECT_THAT(registry_->Serialize(), testing::HasSubstr(line));
  }
}

TEST_F(AgentStatusTest, APeerInAnotherPidNamespaceIsKnownByItsUser) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
  const UniqueFd peer(ends[0]);
  handover::v1::Connection saved;
  saved.set_id(9);
  saved.set_uid(107);
  for (size_t i = 0; i < egd::kCommandTypes; ++i) saved.mutable_session()->add_commands(0);
  ASSERT_TRUE(host_->connections()->Adopt(saved, kAuto, UniqueFd(ends[1])).ok());
  v1::ListGuestsResponse guests;
  host_->status().FillGuests(&guests);
  ASSERT_EQ(guests.guest_size(), 1);
  EXPECT_EQ(guests.guest(0).name(), "user 107");
  EXPECT_EQ(guests.guest(0).pid(), 0);
}

}  // namespace
}  // namespace entropyd
