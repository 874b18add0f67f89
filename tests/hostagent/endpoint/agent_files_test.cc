// Socket files of a running agent that somebody removes or replaces.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/hostagent/handover/agent_steps.h"

namespace entropyd {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;

class AgentFilesTest : public AgentSteps {};

TEST_F(AgentFilesTest, SocketFilesThatSomebodyRemovesAreMadeAnew) {
  Start();
  const std::string handover = Control() + ".handover";
  for (const std::string& path : {Socket(), Control(), handover}) {
    ASSERT_EQ(unlink(path.c_str()), 0) << path;
  }
  Turn(kSecondNanos);
  for (const std::string& path : {Socket(), Control(), handover}) {
    EXPECT_TRUE(std::filesystem::is_socket(path)) << path;
    EXPECT_THAT(log_.lines(), Contains(AllOf(HasSubstr("warning listener.lost"),
                                             HasSubstr(absl::StrCat("path=", path, " ")))));
  }
  EXPECT_THAT(metrics_.back()->Serialize(), HasSubstr("entropyd_agent_lost_sockets_total 3"));
  // Successors find the new one.
  link_ = Offered();
  EXPECT_NE(link_, nullptr);
}

TEST_F(AgentFilesTest, ASocketFileThatCannotBeMadeAnewIsAProblemUntilItCan) {
  Start();
  for (const std::string& path : {Socket(), Control() + ".handover"}) {
    ASSERT_EQ(unlink(path.c_str()), 0) << path;
    ASSERT_EQ(mkdir(path.c_str(), 0700), 0) << path;
  }
  Turn(kSecondNanos);
  Turn(kSecondNanos);
  v1::GetStatusResponse status;
  agent_->answers()->FillStatus(&status);
  EXPECT_THAT(status.listener(0).problem(),
              HasSubstr("something else than a socket; choose another path"));
  EXPECT_THAT(status.handover_problem(),
              HasSubstr("something else than a socket; choose another path"));
  EXPECT_THAT(agent_->answers()->Ready().message(), HasSubstr("its file is lost"));
  EXPECT_TRUE(absl::IsFailedPrecondition(Upgrade()));
  const auto lines = log_.lines();
  EXPECT_EQ(
      std::count_if(lines.begin(), lines.end(),
                    [](const auto& line) { return line.starts_with("warning listener.lost"); }),
      2)
      << "once each";
  for (const std::string& path : {Socket(), Control() + ".handover"}) {
    ASSERT_EQ(rmdir(path.c_str()), 0) << path;
  }
  Turn(kSecondNanos);
  status.Clear();
  agent_->answers()->FillStatus(&status);
  EXPECT_EQ(status.listener(0).problem(), "");
  EXPECT_EQ(status.handover_problem(), "");
  EXPECT_TRUE(std::filesystem::is_socket(Socket()));
}

}  // namespace
}  // namespace entropyd
