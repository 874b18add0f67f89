// The assembled server takes other sources, pools, classes and limits while peers use it.
#include <atomic>
#include <thread>

#include "gmock/gmock.h"
#include "tests/server/rpc/reload_fixture.h"

namespace entropyd {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using ::testing::Not;

class ReconfigurerTest : public ReloadFixture {
 protected:
  // What changed.
  std::vector<std::string> Reloaded() {
    v1::ReloadServerResponse response;
    const grpc::Status status = Reload(&response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(response.needs_restart_size(), 0);
    return {response.change().begin(), response.change().end()};
  }
  std::vector<v1::Class> Classes() {
    BoundedContext context;
    v1::ListClassesResponse response;
    EXPECT_TRUE(v1::Admin::NewStub(Channel("operator"))->ListClasses(&context, {}, &response).ok());
    return {response.class_().begin(), response.class_().end()};
  }
  std::vector<std::string> Sources() {
    BoundedContext context;
    v1::ListSourcesResponse response;
    EXPECT_TRUE(v1::Admin::NewStub(Channel("operator"))->ListSources(&context, {}, &response).ok());
    std::vector<std::string> names;
    for (const v1::Source& source : response.source()) names.push_back(source.name());
    return names;
  }
  grpc::Status GetFrom(const std::string& name, uint32_t bytes = 64) {
    v1::GetResponse response;
    const grpc::Status status = Get("reader", name, bytes, &response);
    EXPECT_EQ(response.data().size(), status.ok() ? bytes : 0);
    return status;
  }
  static void Check(Agent* agent, uint64_t from, uint64_t to) {
    agent->Credit(1, to, from);
    v1::ServerMessage message;
    while (from < to && agent->stream->Read(&message)) {
      for (const v1::Grant& grant : message.grant()) {
        EXPECT_EQ(grant.offset(), from) << "bytes are lost";
        from += grant.data().size();
      }
    }
    EXPECT_EQ(from, to);
  }
};

TEST_F(ReconfigurerTest, ARemovedClassLetsItsPeersGoAndTheOthersNoticeNothing) {
  std::unique_ptr<Agent> agent = AttachReady("h1");
  agent->Open(2, "default/slow");
  EXPECT_EQ(agent->WaitForState().phase(), v1::PHASE_OPEN);
  grpc::Status status;
  std::thread reader([&] { status = GetFrom("default/slow", 32 * 1024); });
  EXPECT_TRUE(AwaitWaiting("default", "slow"));
  Change("server.yaml", "      - {name: slow, parent: root, rate: 1KiB/s, ceil: 1KiB/s}\n", "");
  Change("server.yaml", "[default/gold, default/slow]", "[\"default/*\"]");
  EXPECT_THAT(Reloaded(), ElementsAre("class removed default/slow", "policy changed"));
  reader.join();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(status.error_message(),
            "get from default/slow: a new configuration has no such leaf class");
  const v1::ChannelState state = agent->WaitForState();
  EXPECT_EQ(state.channel(), 2u);
  EXPECT_EQ(state.phase(), v1::PHASE_CLOSED);
  EXPECT_EQ(state.reason(), "open default/slow: a new configuration has no such leaf class");
  Check(agent.get(), 0, 100'000);
  Change("server.yaml", "      - {name: secret,",
         "      - {name: slow, parent: gold, rate: 1KiB/s}\n      - {name: secret,");
  Reloaded();
  const v1::ChannelState gold = agent->WaitForState();
  EXPECT_EQ(gold.channel(), 1u) << "gold is no leaf any more";
  EXPECT_EQ(gold.phase(), v1::PHASE_CLOSED);
  EXPECT_TRUE(GetFrom("default/slow").ok());
  agent->stream->WritesDone();
  EXPECT_TRUE(agent->Finish().ok());
}

TEST_F(ReconfigurerTest, AMovedClassKeepsItsStreams) {
  std::unique_ptr<Agent> agent = AttachReady("h1");
  Check(agent.get(), 0, 1000);
  Change("server.yaml", "      - {name: gold, parent: root,",
         "      - {name: metals, parent: root, rate: 20MiB/s}\n"
         "      - {name: gold, parent: metals,");
  EXPECT_THAT(Reloaded(), ElementsAre("class moved default/gold: below metals now",
                                      "class added default/metals"));
  Check(agent.get(), 1000, 200'000);
  EXPECT_THAT(Classes(), Contains(::testing::ResultOf(
                             [](const v1::Class& one) { return one.parent(); }, "metals")));
  agent->stream->WritesDone();
  EXPECT_TRUE(agent->Finish().ok());
}

TEST_F(ReconfigurerTest, LimitsBelowWhatIsInUseEndNobodyAndHoldForWhoComes) {
  std::unique_ptr<Agent> first = AttachReady("h1");
  std::unique_ptr<Agent> second = AttachReady("h2");
  Change("server.yaml", "allow_software: true", "allow_software: true\nmax_agents: 1\nmax_gets: 1");
  EXPECT_THAT(Reloaded(), ElementsAre("limit changed max_agents: 10000 -> 1",
                                      "limit changed max_gets: 1024 -> 1"));
  Issue("h3", "spiffe://test/agent/h3");
  const grpc::Status third = Attach("h3")->Finish();
  EXPECT_EQ(third.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(third.error_message(), HasSubstr("max_agents"));
  Check(first.get(), 0, 100'000);
  Check(second.get(), 0, 100'000);
  Change("server.yaml", "max_agents: 1\nmax_gets: 1", "max_agents: 3");
  Reloaded();
  Check(AttachReady("h3").get(), 0, 64);
}

TEST_F(ReconfigurerTest, SourcesComeAndGoAndChangeUnderLoad) {
  std::unique_ptr<Agent> agent = AttachReady("h1");
  const auto other = [](const char* keys) {
    return absl::StrCat("sources:\n  - {name: other, driver: getrandom", keys, "}\n");
  };
  Change("server.yaml", "sources:\n", other(""));
  Change("server.yaml", "sources: [kernel]", "sources: [kernel, other]");
  EXPECT_THAT(Reloaded(), ElementsAre("source added other", "pool changed default: sources"));
  EXPECT_THAT(Sources(), ElementsAre("other", "kernel"));
  Check(agent.get(), 0, 100'000);

  // Its recording ends, and says why.
  BoundedContext context;
  v1::RecordSourceRequest request;
  request.set_name("other");
  request.set_samples(1 << 30);
  const auto admin = v1::Admin::NewStub(Channel("operator"));
  const auto recording = admin->RecordSource(&context, request);
  v1::RecordSourceResponse response;
  ASSERT_TRUE(recording->Read(&response));
  Change("server.yaml", other(""), other(", max_rate: 1MiB/s"));
  EXPECT_THAT(Reloaded(), ElementsAre("source changed other: max_rate"));
  while (recording->Read(&response)) {
  }
  const grpc::Status ended = recording->Finish();
  EXPECT_EQ(ended.error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_THAT(ended.error_message(), HasSubstr("a new configuration has taken it away"));
  Check(agent.get(), 100'000, 200'000);

  Change("server.yaml", other(", max_rate: 1MiB/s"), "sources:\n");
  Change("server.yaml", "sources: [kernel, other]", "sources: [kernel]");
  EXPECT_THAT(Reloaded(), ElementsAre("source removed other", "pool changed default: sources"));
  EXPECT_THAT(Sources(), ElementsAre("kernel"));
  Check(agent.get(), 200'000, 300'000);
  agent->stream->WritesDone();
  EXPECT_TRUE(agent->Finish().ok());
}

TEST_F(ReconfigurerTest, APoolComesAndChangesItsQualityAndGoes) {
  std::unique_ptr<Agent> agent = AttachReady("h1");
  const auto pool = [](const char* keys) {
    return absl::StrCat("pools:\n  - {name: other, sources: [kernel], ", keys,
                        "classes: [{name: top, rate: 1MiB/s}, "
                        "{name: x, parent: top, rate: 1MiB/s}]}\n");
  };
  const auto get = [this] {  // its sources seed it soon
    grpc::Status status;
    EXPECT_TRUE(Await([&] {
      status = GetFrom("other/x");
      return status.error_code() != grpc::StatusCode::UNAVAILABLE;
    }));
    return status;
  };
  Change("server.yaml", "pools:\n", pool(""));
  Change("server.yaml", "\"default/*\"", "\"*/*\"");
  EXPECT_THAT(Reloaded(), ElementsAre("pool added other", "class added other/top",
                                      "class added other/x", "policy changed"));
  EXPECT_TRUE(get().ok()) << get().error_message();
  Change("server.yaml", pool(""), pool("quality: full, capacity: 4KiB, "));
  EXPECT_THAT(Reloaded(), ElementsAre("pool changed other: quality, capacity"));
  EXPECT_TRUE(get().ok());
  Change("server.yaml", "capacity: 4KiB", "capacity: 8KiB");
  EXPECT_THAT(Reloaded(), ElementsAre("pool changed other: capacity"));
  EXPECT_TRUE(get().ok());
  // Two Gets are in its class when it goes: one waits for stored bytes.
  grpc::Status waits;
  std::thread reader([&] {
    do {
      waits = GetFrom("other/x", 32 * 1024);
    } while (waits.ok());
  });
  EXPECT_TRUE(AwaitWaiting("other", "x"));
  Change("server.yaml", pool("quality: full, capacity: 8KiB, "), "pools:\n");
  EXPECT_THAT(Reloaded(), ElementsAre("pool removed other", "class removed other/top",
                                      "class removed other/x"));
  reader.join();
  EXPECT_EQ(waits.error_code(), grpc::StatusCode::NOT_FOUND) << waits.error_message();
  EXPECT_EQ(GetFrom("other/x").error_code(), grpc::StatusCode::NOT_FOUND);
  Change("server.yaml", "\"*/*\"", "\"default/*\"");
  EXPECT_THAT(Reloaded(), ElementsAre("policy changed"));
  EXPECT_EQ(GetFrom("other/x").error_code(), grpc::StatusCode::PERMISSION_DENIED);
  Check(agent.get(), 0, 100'000);
  agent->stream->WritesDone();
  EXPECT_TRUE(agent->Finish().ok());
}

TEST_F(ReconfigurerTest, OneMistakeKeepsAllElseOutAndIsToldWithItsPlace) {
  const std::vector<v1::Class> before = Classes();
  const std::string good = Read("server.yaml");
  const struct {
    const char *from, *to, *error;
  } mistakes[] = {
      {"driver: getrandom", "driver: getrandom, path: /x", "server.yaml:10:45: sources[0].path:"},
      {"sources: [kernel]", "sources: [kernel, none]", "server.yaml:13:23: pools[0].sources[1]:"},
      {"parent: root, rate: 10MiB/s", "parent: rot, rate: 10MiB/s", "server.yaml:16:"},
      {"role: reader", "role: raeder", "server.yaml:"},
      {"audit.log", "none/audit.log", "server.yaml:8:12: audit_log:"},
      {"state_dir:", "max_agents: 0\nstate_dir:", "server.yaml:7:"},
  };
  for (const auto& mistake : mistakes) {
    // All of this would be taken without it.
    WriteFile("server.yaml", good);
    Change("server.yaml", "rate: 100MiB/s", "rate: 99MiB/s");
    Change("server.yaml", "      - {name: slow, parent: root, rate: 1KiB/s, ceil: 1KiB/s}\n", "");
    Change("server.yaml", ", default/slow", "");
    Change("server.yaml", "allow_recording: true", "allow_recording: false");
    Change("server.yaml", mistake.from, mistake.to);
    v1::ReloadServerResponse response;
    const grpc::Status status = Reload(&response);
    EXPECT_FALSE(status.ok()) << mistake.to;
    EXPECT_THAT(status.error_message(), HasSubstr(mistake.error));
    EXPECT_EQ(response.change_size(), 0);
    EXPECT_THAT(Problem(), HasSubstr(mistake.error));
    const std::vector<v1::Class> after = Classes();
    ASSERT_EQ(after.size(), before.size()) << mistake.to;
    for (size_t i = 0; i < after.size(); ++i) EXPECT_EQ(after[i].rate(), before[i].rate());
  }
  WriteFile("server.yaml", good);
  Reloaded();
  EXPECT_EQ(Problem(), "");
}

TEST_F(ReconfigurerTest, AnotherAuditLogGetsTheLinesFromThenOn) {
  Change("server.yaml", "audit.log", "other.log");
  EXPECT_THAT(Reloaded(), ElementsAre(HasSubstr("setting changed audit_log")));
  Reloaded();
  server_.reset();
  EXPECT_THAT(Read("other.log"), HasSubstr("call=Reload"));
}

// Agents draw without a pause while everything changes again and again.
TEST_F(ReconfigurerTest, NoStreamThatMayStayIsClosedOrLosesAByte) {
  const std::string plain = Read("server.yaml");
  Change("server.yaml", "sources:\n", "sources:\n  - {name: other, driver: getrandom}\n");
  Change("server.yaml", "sources: [kernel]", "sources: [kernel, other]");
  Change("server.yaml", "      - {name: gold, parent: root, rate: 10MiB/s}",
         "      - {name: metals, parent: root, rate: 20MiB/s}\n"
         "      - {name: gold, parent: metals, rate: 12MiB/s}");
  Change("server.yaml", "      - {name: slow, parent: root, rate: 1KiB/s, ceil: 1KiB/s}\n", "");
  Change("server.yaml", ", default/slow", "");
  Change("server.yaml", "\"default/*\"", "\"default/*\", \"scarce/*\"");
  Change("server.yaml", "pools:\n",
         "pools:\n  - {name: scarce, quality: full, capacity: 4KiB, sources: [other], "
         "classes: [{name: top, rate: 1MiB/s}, {name: x, parent: top, rate: 1MiB/s}]}\n");
  Change("server.yaml", "allow_software: true",
         "allow_software: true\nmax_agents: 2\nmax_payload: 8KiB\nmax_in_flight: 1MiB");
  const std::string rich = Read("server.yaml");
  WriteFile("server.yaml", plain);

  std::atomic<bool> ending{false};
  std::atomic<uint64_t> drawn{0};
  std::vector<std::thread> threads;
  for (const char* who : {"h1", "h2"}) {
    threads.emplace_back([&, agent = std::shared_ptr<Agent>(AttachReady(who))] {
      uint64_t at = 0;
      for (; !ending && !HasFailure(); at += 50'000) Check(agent.get(), at, at + 50'000);
      drawn += at;
      agent->stream->WritesDone();
      EXPECT_TRUE(agent->Finish().ok());
    });
  }
  threads.emplace_back([&] {
    while (!ending) (void)GetFrom("scarce/x", 1000);
  });
  for (int i = 0; i < 60; ++i) {
    WriteFile("server.yaml", i % 2 == 0 ? rich : plain);
    EXPECT_THAT(Reloaded(),
                IsSupersetOf({i % 2 == 0 ? "source added other" : "source removed other",
                              i % 2 == 0 ? "pool added scarce" : "pool removed scarce"}));
  }
  ending = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(drawn, 100'000u);
}

}  // namespace
}  // namespace entropyd
