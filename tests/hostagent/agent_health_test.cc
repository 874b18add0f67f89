// What an agent tells its service manager: over HTTP, by refusing to start, and by how it ends.
#include <fstream>
#include <iterator>
#include <string>

#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hostagent/agent.h"
#include "tests/hostagent/agent_rig.h"
#include "tests/http_get.h"
#include "tests/without_locks.h"

namespace entropyd {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::StartsWith;

using AgentHealthTest = AgentRig;

TEST_F(AgentHealthTest, HttpSaysThatItCannotServeAndThatItHangs) {
  WriteConfig();
  std::ifstream in(ConfigPath());
  std::string config((std::istreambuf_iterator<char>(in)), {});
  std::ofstream(ConfigPath()) << absl::StrReplaceAll(config,
                                                     {{"metrics: \"\"", "metrics: 127.0.0.1:0"}});
  Start();
  Turn();
  const int port = agent_->http_port();
  EXPECT_THAT(HttpGet(port, "/readyz"),
              AllOf(StartsWith("HTTP/1.1 503 "), HasSubstr("not yet attached to a server")));
  EXPECT_THAT(HttpGet(port, "/healthz"), StartsWith("HTTP/1.1 200 "));
  clock_.AdvanceNanos(kMinuteNanos);  // and the loop does not turn
  EXPECT_THAT(HttpGet(port, "/healthz"),
              AllOf(StartsWith("HTTP/1.1 503 "), HasSubstr("has not turned for 60 s")));
  EXPECT_THAT(HttpGet(port, "/readyz"),
              AllOf(StartsWith("HTTP/1.1 503 "), HasSubstr("has not turned for 60 s")));
}

TEST_F(AgentHealthTest, WithStrictMemoryItDoesNotStartWhereNothingCanBeLocked) {
  for (const bool strict : {false, true}) {
    WriteConfig(strict ? "strict_memory: true\n" : "");
    config::v1::HostAgent config;
    config::Locations locations;
    ASSERT_TRUE(config::Load(ConfigPath(), &config, &locations).ok());
    Metrics metrics;
    const WithoutLocks without_locks;
    const absl::Status made = Agent::Create(config, locations, &clock_, &log_, &metrics).status();
    EXPECT_EQ(made.ok(), !strict) << made;
    EXPECT_EQ(absl::IsResourceExhausted(made), strict) << made;
  }
}

// A service manager that looks at the status must see that nobody serves any more.
TEST_F(AgentHealthTest, WhoLingersEndsWithAnErrorWhenItsSuccessorEnds) {
  Start({.linger = true});
  const auto link = Taken();
  EXPECT_TRUE(Say(link.get(), Serving()).ok());
  Turn();
  ASSERT_EQ(agent_->phase(), Phase::kLingering);
  Succession::Subject* const agent = agent_.get();
  agent->SuccessorEnded(absl::AbortedError("the new process was ended by signal 9"));
  EXPECT_EQ(RunToTheEnd(), absl::AbortedError("the new process was ended by signal 9"));
  EXPECT_THAT(log_.lines(), Contains(HasSubstr("linger.ended")));
}

}  // namespace
}  // namespace entropyd
