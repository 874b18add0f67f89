#include "client/show/tables.h"

#include <algorithm>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

v1::ListPoolsResponse OnePool(bool ready) {
  v1::ListPoolsResponse pools;
  auto* pool = pools.add_pool();
  pool->set_name("default");
  pool->set_quality(v1::QUALITY_DRBG);
  pool->set_ready(ready);
  return pools;
}

v1::GetStatusResponse Attached(v1::Phase phase) {
  v1::GetStatusResponse status;
  status.set_connected(true);
  status.set_memory_locked(true);
  auto* one = status.add_class_();
  one->set_class_("default/gold");
  one->set_phase(phase);
  return status;
}

TEST(TablesTest, AGuestThatDoesNotGetItsClassIsSeen) {
  v1::ListGuestsResponse guests;
  guests.add_guest()->set_class_("default/gold");
  EXPECT_THAT(GuestsTable(guests), Not(HasSubstr("refused")));
  guests.mutable_guest(0)->set_class_refused("default/bulk");
  EXPECT_THAT(GuestsTable(guests), HasSubstr("default/gold (refused: default/bulk)"));
}

TEST(TablesTest, AGuestWhoseClassNoServerServesIsSeen) {
  v1::ListGuestsResponse guests;
  guests.add_guest()->set_class_("default/gold");
  guests.mutable_guest(0)->set_class_mode("upstream");
  EXPECT_THAT(GuestsTable(guests), Not(HasSubstr("(")));
  guests.mutable_guest(0)->set_class_mode("closed");
  EXPECT_THAT(GuestsTable(guests), HasSubstr("default/gold (closed)"));
}

TEST(TablesTest, APeerInAnotherPidNamespaceHasNoPid) {
  v1::ListGuestsResponse guests;
  guests.add_guest()->set_name("user 107");
  EXPECT_THAT(GuestsTable(guests), ContainsRegex("user 107 +- +- "));
  guests.mutable_guest(0)->set_pid(4711);
  EXPECT_THAT(GuestsTable(guests), HasSubstr(" 4711 "));
}

TEST(TablesTest, AHostThatWeighsAsMuchAsItMayIsSeen) {
  v1::ListAgentsResponse agents;
  v1::Agent::Channel* const channel = agents.add_agent()->add_channel();
  channel->set_class_("default/gold");
  channel->set_phase(v1::PHASE_OPEN);
  channel->set_guests(64);
  channel->set_weight(64);
  channel->set_max_weight(64);
  EXPECT_THAT(AgentsTable(agents), Not(HasSubstr("weight")));
  channel->set_guests(4096);
  EXPECT_THAT(AgentsTable(agents), HasSubstr("default/gold (weight 64, its most)"));
}

TEST(TablesTest, LittleEntropyIsNotShownAsNone) {
  v1::ListSourcesResponse sources;
  v1::Source* source = sources.add_source();
  for (const auto& [entropy, text] : std::vector<std::pair<double, std::string>>{
           {0, " 0.00 "}, {256.0 / 65536, " 0.004 "}, {0.01, " 0.01 "}, {7.5, " 7.50 "}}) {
    source->set_min_entropy_bits_per_byte(entropy);
    EXPECT_THAT(SourcesTable(sources), HasSubstr(text));
  }
}

size_t Widest(const std::string& text) {
  size_t widest = 0;
  size_t at = 0;
  for (const char c : text) {
    at = c == '\n' ? 0 : at + ((static_cast<unsigned char>(c) & 0xC0) != 0x80);
    widest = std::max(widest, at);
  }
  return widest;
}

v1::ListSourcesResponse ABadSource() {
  v1::ListSourcesResponse sources;
  v1::Source* source = sources.add_source();
  source->set_name("kernel");
  source->set_driver("kernel-random");
  source->set_group("software");
  source->set_state(v1::SOURCE_STATE_QUARANTINED);
  source->set_software(true);
  source->set_raw_bytes(123'456'789);
  source->set_raw_bytes_per_second(123'456);
  source->set_reason("the repetition count test has failed: 41 equal samples, at most 40 may be");
  return sources;
}

TEST(TablesTest, TheTablesOfAServerFitOnATerminal) {
  EXPECT_LE(Widest(SourcesTable(ABadSource(), 80)), 80u);
  EXPECT_THAT(SourcesTable(ABadSource(), 80), HasSubstr("test has"));
  v1::ListClassesResponse classes;
  v1::Class* one = classes.add_class_();
  one->set_pool("default");
  one->set_name("gold");
  one->set_rate(123'456'789);
  one->set_ceil(123'456'789);
  one->set_members(100);
  one->set_waiting_members(100);
  one->set_waiting_bytes(123'456'789);
  one->set_delivered_bytes(123'456'789);
  one->set_borrowed_bytes(123'456'789);
  one->set_throttled_seconds(1e6);
  EXPECT_LE(Widest(ClassesTable(classes, 80)), 80u);
  EXPECT_LE(Widest(ClassesTable(classes, classes, 1, 80)), 80u);
  v1::ListAgentsResponse agents;
  v1::Agent* agent = agents.add_agent();
  agent->set_identity("spiffe://datacenter.example/agent/rack-17/host-42");
  agent->set_peer("ipv6:[2001:db8:1234:5678:9abc:def0:1234:5678]:54321");
  for (const char* name : {"default/gold", "default/bulk", "full/keys"}) {
    agent->add_channel()->set_class_(name);
  }
  const std::string text = AgentsTable(agents, 80);
  EXPECT_LE(Widest(text), 80u) << text;
  EXPECT_THAT(text, HasSubstr("host-42"));
  EXPECT_THAT(AgentsTable(agents), HasSubstr(agent->identity()));
  EXPECT_LE(Widest(PoolsTable(OnePool(true), 80)), 80u);
}

TEST(TablesTest, TheTablesOfAnAgentFitOnATerminal) {
  v1::GetStatusResponse status = Attached(v1::PHASE_OPEN);
  auto* one = status.mutable_class_(0);
  one->set_mode("upstream");
  one->set_buffer_level(123'456'789);
  one->set_buffer_target(123'456'789);
  one->set_owed(123'456'789);
  one->set_delivered(123'456'789);
  one->set_requests(123'456'789);
  one->set_on_upstream_loss("local");
  EXPECT_LE(Widest(AgentClassesTable(status, 80)), 80u);
  v1::ListGuestsResponse guests;
  v1::Guest* guest = guests.add_guest();
  guest->set_id(1234);
  guest->set_name("instance-00000123-of-the-shop");
  guest->set_uuid("00000000-0000-4000-8000-000000000001");
  guest->set_pid(123'456);
  guest->set_class_("default/gold");
  guest->set_rate(123'456'789);
  guest->set_delivered(123'456'789);
  guest->set_requests(123'456'789);
  guest->set_wait_p50_seconds(0.0123);
  guest->set_wait_p99_seconds(0.123);
  guest->set_listener("/run/entropyd/egd.sock");
  const std::string text = GuestsTable(guests, 80);
  EXPECT_LE(Widest(text), 80u) << text;
  EXPECT_THAT(text, HasSubstr("left out on this terminal: UUID, "));
  EXPECT_THAT(GuestsTable(guests), HasSubstr(guest->uuid()));
}

TEST(TablesTest, EmptyAnswersSayNone) {
  EXPECT_EQ(SourcesTable({}), "none\n");
  EXPECT_EQ(PoolsTable({}), "none\n");
  EXPECT_EQ(ClassesTable({}), "none\n");
  EXPECT_EQ(AgentsTable({}), "none\n");
  EXPECT_EQ(GuestsTable({}), "none\n");
  EXPECT_EQ(AgentClassesTable({}), "none\n");
}

TEST(TablesTest, ClassesSayWhatWaitsWasBorrowedAndThrottled) {
  v1::ListClassesResponse answer;
  v1::Class* one = answer.add_class_();
  one->set_pool("default");
  one->set_name("gold");
  one->set_members(3);
  one->set_waiting_members(2);
  one->set_waiting_bytes(5 << 10);
  one->set_delivered_bytes(6 << 20);
  one->set_borrowed_bytes(7 << 20);
  one->set_throttled_seconds(8);
  EXPECT_THAT(ClassesTable(answer),
              ContainsRegex("MEMBERS +WAITING +DELIVERED +BORROWED +THROTTLED\n.* 3 \\(2 wait\\) "
                            "+5(.0)? KiB +6(.0)? MiB +7(.0)? MiB +8(.0)? s"));
}

TEST(TablesTest, AWeightThatIsTheRateIsToldAsThat) {
  v1::ListClassesResponse answer;
  v1::Class* one = answer.add_class_();
  one->set_rate(1 << 30);
  one->set_weight(1 << 30);
  EXPECT_THAT(ClassesTable(answer), ContainsRegex("1 GiB/s +- +rate "));
  one->set_weight(2.5);
  EXPECT_THAT(ClassesTable(answer), ContainsRegex("1 GiB/s +- +2.5 "));
}

TEST(TablesTest, ClassesAreIndentedAsTheirTree) {
  v1::ListClassesResponse answer;
  const auto add = [&](const char* name, const char* parent) {
    auto* one = answer.add_class_();
    one->set_pool("default");
    one->set_name(name);
    one->set_parent(parent);
  };
  add("root", "");
  add("gold", "root");
  add("fast", "gold");
  const std::string text = ClassesTable(answer);
  EXPECT_THAT(text, HasSubstr("\ndefault/root"));
  EXPECT_THAT(text, HasSubstr("\n  default/gold"));
  EXPECT_THAT(text, HasSubstr("\n    default/fast"));
}

TEST(TablesTest, ActualRatesAreWhatWasDeliveredBetweenTwoAnswers) {
  v1::ListClassesResponse before;
  v1::ListClassesResponse after;
  const auto add = [](v1::ListClassesResponse& answer, const char* name, uint64_t delivered) {
    auto* one = answer.add_class_();
    one->set_pool("default");
    one->set_name(name);
    one->set_delivered_bytes(delivered);
  };
  add(before, "gold", 10'240);
  add(after, "gold", 30'720);
  add(before, "restarted", 500);
  add(after, "restarted", 100);
  add(after, "new", 100);
  const std::string text = ClassesTable(after, before, 2);
  EXPECT_THAT(text, HasSubstr("ACTUAL"));
  EXPECT_THAT(text, testing::ContainsRegex("gold +- +- +10 KiB/s"));
  EXPECT_THAT(text, testing::ContainsRegex("restarted +- +- +- "));
  EXPECT_THAT(text, testing::ContainsRegex("new +- +- +- "));
  EXPECT_THAT(ClassesTable(after), Not(HasSubstr("ACTUAL")));
}

TEST(TablesTest, AClassThatIsItsOwnParentStillPrints) {
  v1::ListClassesResponse answer;
  auto* one = answer.add_class_();
  one->set_pool("p");
  one->set_name("loop");
  one->set_parent("loop");
  EXPECT_THAT(ClassesTable(answer), HasSubstr("p/loop"));
}

TEST(TablesTest, AHealthySystemHasNoTroubles) {
  EXPECT_THAT(ServerTroubles(OnePool(true), {}), IsEmpty());
  EXPECT_THAT(AgentTroubles(Attached(v1::PHASE_OPEN)), IsEmpty());
  EXPECT_THAT(AgentWarnings(Attached(v1::PHASE_OPEN)), IsEmpty());
}

TEST(TablesTest, APoolThatIsNotReadyIsATroubleWithItsReason) {
  v1::ListPoolsResponse pools = OnePool(false);
  pools.mutable_pool(0)->set_reason("no healthy group");
  EXPECT_THAT(ServerTroubles(pools, {}),
              ElementsAre("pool default is not ready: no healthy group"));
}

TEST(TablesTest, AServerThatDrainsServesNobody) {
  v1::ListAgentsResponse agents;
  agents.set_draining(true);
  agents.set_drain_reason("kernel update");
  EXPECT_THAT(ServerTroubles(OnePool(true), agents),
              ElementsAre("the server drains and serves nobody: kernel update; entropyctl drain "
                          "--end ends that"));
}

TEST(TablesTest, AServerThatStopsIsNotOneThatDrains) {
  v1::ListAgentsResponse agents;
  agents.set_draining(true);
  agents.set_stopping(true);
  agents.set_drain_reason("the server shuts down");
  EXPECT_THAT(ServerTroubles(OnePool(true), agents),
              ElementsAre("the server stops and serves nobody"));
}

TEST(TablesTest, ASourceThatIsOutIsAWarningWhileThePoolServes) {
  v1::ListSourcesResponse sources;
  auto* source = sources.add_source();
  source->set_name("trng0");
  source->set_state(v1::SOURCE_STATE_QUARANTINED);
  source->set_reason("rct");
  EXPECT_THAT(ServerWarnings(sources, OnePool(true), v1::ListAgentsResponse()),
              ElementsAre("source trng0 is quarantined: rct"));
  EXPECT_THAT(ServerTroubles(OnePool(true), {}), IsEmpty());
}

TEST(TablesTest, WhatOnlyARestartTakesIsAWarning) {
  v1::ListAgentsResponse agents;
  agents.add_needs_restart("listen");
  agents.add_needs_restart("metrics");
  EXPECT_THAT(ServerWarnings({}, OnePool(true), agents),
              ElementsAre(HasSubstr("changed on disk: listen, metrics; restart it to use")));
}

TEST(TablesTest, AnAgentThatIsNotAttachedSaysWhyAndWhenItTriesAgain) {
  v1::GetStatusResponse status;
  status.set_server("a:7743");
  status.set_last_error("connection refused");
  status.set_next_attempt_seconds(3);
  const std::vector<std::string> troubles = AgentTroubles(status);
  ASSERT_EQ(troubles.size(), 1u);
  EXPECT_THAT(troubles[0], HasSubstr("not attached to a:7743: connection refused"));
  EXPECT_THAT(troubles[0], HasSubstr("3 s"));
  status.set_last_error("UNAVAILABLE: last error: Connection refused");
  status.set_next_attempt_seconds(0);
  EXPECT_THAT(AgentTroubles(status),
              ElementsAre(AllOf(HasSubstr("; it tries now; nothing listens there"),
                                Not(HasSubstr("0 s")))));
}

TEST(TablesTest, WhatAPersonMustDoStandsBesideTheReason) {
  v1::GetStatusResponse status = Attached(v1::PHASE_CLOSED);
  status.mutable_class_(0)->set_reason("no such class");
  status.mutable_class_(0)->set_remedy("name another");
  status.set_reload_problem("agent.yaml:1:1: unknown key 'x'");
  status.set_handover_problem("the socket is gone");
  EXPECT_THAT(AgentTroubles(status),
              ElementsAre(HasSubstr("unknown key 'x'; mend it and run `entropyctl agent reload`"),
                          HasSubstr("the socket is gone; restart it before the next upgrade"),
                          HasSubstr("is closed: no such class; name another")));
}

TEST(TablesTest, WhatIsNotOpenIsATrouble) {
  v1::GetStatusResponse status = Attached(v1::PHASE_OPEN);
  status.set_http_problem("listen on 192.0.2.1:9744: bind: Cannot assign requested address");
  status.add_listener()->set_path("/run/entropyd/egd.sock");
  status.add_listener()->set_path("192.0.2.1:7744");
  status.mutable_listener(1)->set_problem("this machine has no such address now");
  EXPECT_THAT(AgentTroubles(status),
              ElementsAre(HasSubstr("does not answer HTTP: listen on 192.0.2.1:9744"),
                          AllOf(HasSubstr("no guest can connect at 192.0.2.1:7744"),
                                HasSubstr("tried again every second"))));
}

TEST(TablesTest, WhoServesLocallyOrNotAtAllAndAnExpiredCertificateAreTroubles) {
  v1::GetStatusResponse status = Attached(v1::PHASE_OPEN);
  status.mutable_class_(0)->set_mode("upstream");
  EXPECT_THAT(AgentTroubles(status), IsEmpty());
  status.mutable_class_(0)->set_mode("local");
  status.mutable_class_(0)->set_mode_seconds(90);
  EXPECT_THAT(AgentTroubles(status),
              ElementsAre(HasSubstr("default/gold has been served by this host's own DRBG for 1")));
  EXPECT_THAT(AgentClassesTable(status), HasSubstr("local"));
  status.mutable_class_(0)->set_mode("blocked");
  status.set_certificate_problem("tls.crt expired");
  EXPECT_THAT(AgentTroubles(status),
              ElementsAre(HasSubstr("tls.crt expired"),
                          HasSubstr("guests of class default/gold have waited")));
  status.mutable_class_(0)->set_local_refused(true);
  EXPECT_THAT(AgentWarnings(status), ElementsAre(HasSubstr("quality full")));
}

TEST(TablesTest, NobodyServesAClassThatIsNotOpenUnlessTheHostItselfDoes) {
  v1::GetStatusResponse status = Attached(v1::PHASE_OPEN);
  status.mutable_class_(0)->set_mode("upstream");
  EXPECT_THAT(AgentClassesTable(status), ContainsRegex("open +upstream "));
  for (const v1::Phase phase : {v1::PHASE_CLOSED, v1::PHASE_SUSPENDED, v1::PHASE_UNSPECIFIED}) {
    status.mutable_class_(0)->set_phase(phase);
    EXPECT_THAT(AgentClassesTable(status), Not(HasSubstr("upstream"))) << phase;
  }
  status.mutable_class_(0)->set_mode("local");
  EXPECT_THAT(AgentClassesTable(status), ContainsRegex("opening +local "));
}

TEST(TablesTest, EveryPhaseButOpenIsATrouble) {
  EXPECT_THAT(AgentTroubles(Attached(v1::PHASE_SUSPENDED)),
              ElementsAre("class default/gold is suspended"));
  EXPECT_THAT(AgentTroubles(Attached(v1::PHASE_CLOSED)),
              ElementsAre("class default/gold is closed"));
  EXPECT_THAT(AgentTroubles(Attached(v1::PHASE_UNSPECIFIED)),
              ElementsAre("class default/gold is opening"));
}

TEST(TablesTest, AFullPoolShowsItsStoreAndADrbgPoolItsSeed) {
  v1::ListPoolsResponse pools = OnePool(true);
  pools.mutable_pool(0)->set_seed_generation(42);
  pools.mutable_pool(0)->set_available_bytes(4096);
  EXPECT_THAT(PoolsTable(pools), HasSubstr("42"));
  EXPECT_THAT(PoolsTable(pools), Not(HasSubstr("4 KiB")));
  pools.mutable_pool(0)->set_quality(v1::QUALITY_FULL);
  EXPECT_THAT(PoolsTable(pools), Not(HasSubstr("42")));
  EXPECT_THAT(PoolsTable(pools), HasSubstr("4 KiB"));
}

TEST(ReloadTextTest, AnAgentSaysWhatChangedALineEach) {
  v1::ReloadResponse answer;
  answer.set_config("/etc/entropyd/agent.yaml");
  EXPECT_EQ(AgentReloadText(answer), "the agent serves by /etc/entropyd/agent.yaml now\n")
      << "an older agent does not say";
  answer.set_compared(true);
  EXPECT_EQ(AgentReloadText(answer),
            "the agent serves by /etc/entropyd/agent.yaml now; nothing has changed in it\n");
  answer.add_change("max_guests changed");
  answer.add_change("classes[default/x] added");
  EXPECT_EQ(AgentReloadText(answer),
            "the agent serves by /etc/entropyd/agent.yaml now\n"
            "max_guests changed\nclasses[default/x] added\n");
}

TEST(ReloadTextTest, WhatChangedIsListedAndKeysThatNeedARestartAreAnException) {
  v1::ReloadServerResponse answer;
  EXPECT_EQ(ReloadText(answer), "the server uses what is on disk now, and used it before\n");
  answer.add_change("class added default/gold");
  answer.add_change("policy changed\x1b[2J");
  EXPECT_EQ(ReloadText(answer),
            "the server uses what is on disk now\n"
            "class added default/gold\n"
            "policy changed\\x1b[2J\n");
  answer.clear_change();
  answer.add_needs_restart("listen");
  answer.add_needs_restart("metrics");
  EXPECT_EQ(ReloadText(answer),
            "the server uses what is on disk now, except for these keys, which need a restart: "
            "listen, metrics\n");
}

TEST(TablesTest, WhatWasUndoneIsToldAsNowAndBefore) {
  v1::ResetClassResponse answer;
  v1::ClassDifference* const one = answer.add_undone();
  one->set_pool("p");
  one->set_class_("gold");
  one->set_key("rate");
  one->set_configured("1MiB/s");
  one->set_in_force("2MiB/s");
  const std::string undone = DifferencesTable(answer.undone(), kAnyWidth, /*undone=*/true);
  EXPECT_THAT(undone, HasSubstr("NOW"));
  EXPECT_THAT(undone, HasSubstr("WAS"));
  EXPECT_THAT(undone, Not(HasSubstr("IN FORCE")));
  EXPECT_THAT(DifferencesTable(answer.undone()), HasSubstr("IN FORCE"));
}

}  // namespace
}  // namespace entropyd
