#include "client/doctor/machine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "client/doctor/process_facts.h"
#include "tests/client/doctor/tls_server.h"

namespace entropyd::doctor {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(MachineTest, RunsAProgramAndTakesWhatItSays) {
  const Machine machine = ThisMachine();
  const auto output = machine.run({"sh", "-c", "echo out; echo err >&2; exit 3"});
  ASSERT_TRUE(output.ok()) << output.status();
  EXPECT_EQ(output->status, 3);
  EXPECT_EQ(output->out, "out\n");
  EXPECT_EQ(output->err, "err\n");
}

TEST(MachineTest, AProgramThatIsNotThereEndsAsInAShell) {
  const auto output = ThisMachine().run({"entropyd-no-such-program"});
  ASSERT_TRUE(output.ok()) << output.status();
  EXPECT_EQ(output->status, 127);
}

TEST(MachineTest, AProgramThatIsKilledHasNotSucceeded) {
  const auto output = ThisMachine().run({"sh", "-c", "kill -9 $$"});
  ASSERT_TRUE(output.ok()) << output.status();
  EXPECT_EQ(output->status, 127);
  EXPECT_EQ(output->err, "killed by signal 9");
}

TEST(MachineTest, WhoSpeaksNoHttpDoesNotAnswer) {
  TlsServer server("", "", "");
  const auto page = ThisMachine().http_get(absl::StrCat("0.0.0.0:", server.port()), "/metrics");
  EXPECT_EQ(page.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(page.status().message(), HasSubstr("does not answer in HTTP"));
}

TEST(MachineTest, FindsWhoListensOnAPort) {
  TlsServer server("", "", "");
  const Machine machine = ThisMachine();
  EXPECT_THAT(ListenersOnPort(machine, server.port()), ElementsAre(getpid()));
  EXPECT_THAT(ListenersOnPort(machine, 0), IsEmpty());
}

TEST(MachineTest, FindsItsOwnProcessByItsName) {
  const Machine machine = ThisMachine();
  const std::string name = NameOfProcess(machine, getpid());
  std::vector<pid_t> pids;
  const Believed everybody_like_us{.owners = {geteuid()}};
  for (const Process& process :
       FindProcesses(machine, name, "/etc/usual.yaml", everybody_like_us)) {
    pids.push_back(process.pid);
    EXPECT_EQ(process.config, "/etc/usual.yaml");
    EXPECT_EQ(process.actor.uid, geteuid());
    EXPECT_GT(process.descriptors, 0u);
  }
  EXPECT_THAT(pids, Contains(getpid()));
}

TEST(MachineTest, KnowsAUserWithTheGroups) {
  const auto root = ThisMachine().user("root");
  ASSERT_TRUE(root.has_value());
  EXPECT_EQ(root->uid, 0u);
  EXPECT_THAT(root->groups, Contains(0u));
  EXPECT_FALSE(ThisMachine().user("entropyd-no-such-user").has_value());
}

}  // namespace
}  // namespace entropyd::doctor
