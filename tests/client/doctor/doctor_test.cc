#include "client/doctor/doctor.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "tests/client/doctor/doctor_rig.h"

namespace entropyd::doctor {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::vector<std::string> Texts(const Report& report) {
  std::vector<std::string> all;
  for (const Finding& one : report.findings()) {
    all.push_back(absl::StrCat(one.check, ": ", one.trouble.what));
  }
  for (const Remark& one : report.unknown()) {
    all.push_back(absl::StrCat("unknown: ", one.check, ": ", one.text));
  }
  return all;
}

mode_t ModeOf(const std::string& path) {
  struct stat found = {};
  EXPECT_EQ(stat(path.c_str(), &found), 0) << path;
  return found.st_mode & 07777;
}

TEST(DoctorTest, FindsNothingOnAHealthyMachine) {
  Rig rig;
  const Examination found = rig.Examine();
  EXPECT_THAT(Texts(found.report), IsEmpty());
  EXPECT_EQ(ExitStatusOf(found.report), 0);
  // Each check says that it has looked.
  EXPECT_THAT(found.report.passed(), SizeIs(ServerChecks().size() + AgentChecks().size()));
}

TEST(DoctorTest, FindsNothingWithLibvirtAppArmorAndUnits) {
  Rig rig;
  rig.AddLibvirt(
      "<domain><name>web1</name><devices><rng model='virtio'>"
      "<backend model='random'>/dev/urandom</backend></rng></devices></domain>");
  rig.Write("system/sys/module/apparmor/parameters/enabled", "Y\n");
  rig.Write("system/etc/apparmor.d/abstractions/libvirt-qemu", "  /dev/net/tun rw,\n");
  rig.Write("system/etc/apparmor.d/local/abstractions/libvirt-qemu",
            absl::StrCat(rig.dir / "run/*.sock", " rw,\n"));
  rig.Write("system/sys/fs/selinux/enforce", "1");
  rig.programs["semodule"] = "entropyd_hostagent\n";
  rig.AddUnit("entropyd", rig.dir / "server.yaml",
              "ActiveState=active\nDevicePolicy=closed\nDeviceAllow=/dev/hwrng r\n");
  rig.AddUnit("entropyd-hostagent", rig.dir / "agent.yaml", "ActiveState=active\n");
  EXPECT_THAT(Texts(rig.Examine().report), IsEmpty());
}

TEST(DoctorTest, AppArmorNeedsNoRuleForASocketThatIsForOthers) {
  Rig rig;
  rig.AddLibvirt("<domain><name>web1</name></domain>");
  rig.Replace("agent.yaml", "listeners:\n",
              absl::StrCat("listeners:\n  - {path: ", rig.dir / "run/own.sock",
                           ", class: default/gold}\n"));
  rig.MakeSocket("run/own.sock");
  chmod((rig.dir / "run/own.sock").c_str(), 0660);
  rig.Write("system/sys/module/apparmor/parameters/enabled", "Y\n");
  rig.Write("system/etc/apparmor.d/abstractions/libvirt-qemu",
            absl::StrCat(rig.dir / "run/egd.sock", " rw,\n"));
  EXPECT_THAT(Texts(rig.Examine().report), IsEmpty());
}

TEST(DoctorTest, SaysThatNothingIsHere) {
  Rig rig;
  rig.Stop(kServerPid);
  rig.Stop(kAgentPid);
  const Examination found = Examine(rig.machine, {});
  EXPECT_THAT(found.services, IsEmpty());
  EXPECT_THAT(Texts(found.report), ElementsAre(HasSubstr("no server and no agent is configured")));
  EXPECT_EQ(ExitStatusOf(found.report), 3);
}

TEST(DoctorTest, FindsServicesByTheirProcesses) {
  Rig rig;
  const Examination found = Examine(rig.machine, {});
  ASSERT_THAT(found.services, SizeIs(2));
  EXPECT_EQ(found.services[0].config_path, rig.dir / "server.yaml");
  EXPECT_EQ(found.services[1].config_path, rig.dir / "agent.yaml");
}

// A process of somebody, with the name of the server and a configuration of their own.
void Pretend(Rig& rig, uid_t uid) {
  rig.Write("evil.yaml", rig.Text("server.yaml"));
  rig.WriteProcess(99, "entropyd", rig.dir / "evil.yaml");
  rig.Write("system/proc/99/status", Rig::Status(uid));
}

TEST(DoctorTest, BelievesNoProcessOfAnotherUser) {
  Rig rig;
  rig.Stop(kServerPid);
  rig.Stop(kAgentPid);
  Pretend(rig, kStranger);
  EXPECT_THAT(Examine(rig.machine, {}).services, IsEmpty());
  // Neither is it the one that runs a configuration that is named.
  rig.WriteProcess(99, "entropyd", rig.dir / "server.yaml");
  rig.Write("system/proc/99/status", Rig::Status(kStranger));
  const Examination named = rig.Examine();
  EXPECT_FALSE(named.services[0].process.has_value());
  EXPECT_EQ(named.services[0].actor.uid, 0);
}

TEST(DoctorTest, BelievesTheProcessesOfAUnitAndOfItsUser) {
  Rig rig;
  rig.RunAs(kServerPid, kStranger);
  EXPECT_EQ(rig.Examine().services[0].actor.uid, kStranger) << "by its number";
  rig.machine.user = [](const std::string& name) -> absl::optional<Actor> {
    return Actor{.name = name, .uid = kStranger, .groups = {kStranger}};
  };
  rig.AddUnit("entropyd", rig.dir / "server.yaml", "ActiveState=active\nUser=entropyd\n");
  ASSERT_TRUE(rig.Examine().services[0].process.has_value()) << "by its user";
  EXPECT_EQ(rig.Examine().services[0].process->pid, kServerPid);
}

TEST(DoctorTest, AUserWithoutANumberIsNobodyToBelieve) {
  Rig rig;
  constexpr uid_t kStandIn = 65519;  // for dynamic users
  rig.AddUnit("entropyd", rig.dir / "server.yaml", "ActiveState=inactive\nUser=entropyd\n");
  rig.Write("system/proc/71/status", Rig::Status(kStandIn));
  const Examination found = rig.Examine();
  EXPECT_FALSE(found.services[0].process.has_value());
  EXPECT_EQ(found.services[0].owner, geteuid());
}

TEST(DoctorTest, AProcessNamesNoConfigurationThatOthersMayChange) {
  Rig rig;
  rig.Stop(kServerPid);
  rig.Stop(kAgentPid);
  Pretend(rig, 0);
  EXPECT_THAT(Examine(rig.machine, {}).services, SizeIs(1));
  chmod((rig.dir / "evil.yaml").c_str(), 0666);
  EXPECT_THAT(Examine(rig.machine, {}).services, IsEmpty()) << "the file";
  chmod((rig.dir / "evil.yaml").c_str(), 0644);
  chmod(rig.dir.path().c_str(), 0777);
  EXPECT_THAT(Examine(rig.machine, {}).services, IsEmpty()) << "the directory";
  chmod(rig.dir.path().c_str(), 0755);
  rig.WriteProcess(99, "entropyd", rig.dir / "link.yaml");
  std::filesystem::create_symlink(rig.dir / "evil.yaml", rig.dir / "link.yaml");
  EXPECT_THAT(Examine(rig.machine, {}).services, IsEmpty()) << "a link";
}

TEST(DoctorTest, AProcessDoesNotSayWhoseItsNewDirectoryIs) {
  Rig rig;
  rig.RunAs(kServerPid, kStranger);
  rig.Remove("state");
  const Examination examination = rig.Examine();
  const std::vector<Finding>& found = examination.report.findings();
  const auto state = std::find_if(found.begin(), found.end(), [](const Finding& one) {
    return one.check == "server.state_dir" && one.trouble.fix.has_value();
  });
  ASSERT_NE(state, found.end());
  EXPECT_EQ(state->trouble.fix->owner, 0) << "the unit's user is root";
}

TEST(DoctorTest, FindsServicesByTheirUsualFilesAndUnits) {
  Rig rig;
  rig.Stop(kServerPid);
  rig.Stop(kAgentPid);
  rig.Write("system/etc/entropyd/server.yaml", rig.Text("server.yaml"));
  rig.AddUnit("entropyd-hostagent", rig.dir / "agent.yaml", "ActiveState=inactive\n");
  const Examination found = Examine(rig.machine, {});
  ASSERT_THAT(found.services, SizeIs(2));
  EXPECT_EQ(found.services[0].config_path, rig.dir / "system/etc/entropyd/server.yaml");
  EXPECT_FALSE(found.services[0].unit.has_value());
  EXPECT_EQ(found.services[1].config_path, rig.dir / "agent.yaml");
  EXPECT_EQ(found.services[1].StartCommand(), "systemctl restart entropyd-hostagent");
}

TEST(DoctorTest, LooksAtNothingElseWithoutAConfiguration) {
  Rig rig;
  rig.Replace("server.yaml", "listen:", "lisen:");
  rig.Remove("tls/server.crt");
  const Examination found = rig.Examine();
  EXPECT_THAT(Texts(found.report), ElementsAre(HasSubstr("server.config: ")));
  EXPECT_EQ(found.report.findings().front().trouble.mend,
            absl::StrCat("sensible-editor +1 ", rig.dir / "server.yaml"));
}

TEST(DoctorTest, DoesNotKnowWhatItCouldNotRun) {
  Rig rig;
  rig.machine.run = [](const std::vector<std::string>&) {
    return ProgramOutput{127, "", "env: 'entropyd': No such file or directory"};
  };
  const Examination found = rig.Examine();
  EXPECT_THAT(found.report.findings(), IsEmpty());
  EXPECT_THAT(found.report.unknown(), SizeIs(2));
  EXPECT_EQ(ExitStatusOf(found.report), 3);
}

TEST(DoctorTest, TellsTheWorstFirst) {
  Rig rig;
  chmod((rig.dir / "tls/server.key").c_str(), 0644);
  rig.Stop(kAgentPid);
  EXPECT_THAT(Texts(rig.Examine().report),
              ElementsAre(HasSubstr("agent.process: "), HasSubstr("server.key: ")));
}

TEST(DoctorTest, TellsOnceWhatTheProgramTellsToo) {
  Rig rig;
  rig.Remove("tls/server.key");
  rig.check_status = 2;
  rig.check_config =
      absl::StrCat(rig.dir / "server.yaml", ":4:7: tls.key: read key ", rig.dir / "tls/server.key",
                   ": No such file or directory; correct the path\n", rig.dir / "server.yaml",
                   ":9:1: pools: something else");
  EXPECT_THAT(Texts(rig.Examine().report),
              ElementsAre(HasSubstr("server.config: "), HasSubstr("server.certificate: ")));
}

TEST(DoctorTest, TellsOnceWhatIsAboutTheSameKey) {
  Rig rig;
  rig.Replace("agent.yaml", "run/egd.sock", "class/egd.sock");
  rig.check_status = 2;
  rig.check_config =
      absl::StrCat(rig.dir / "agent.yaml", ":6:5: listeners[0].path: the program has other words");
  EXPECT_THAT(Texts(rig.Examine().report), ElementsAre(HasSubstr("agent.sockets: ")));
}

// The fix of what --check-config says about the way to a socket; "" = none.
std::string FixFor(Rig& rig, const std::string& socket, const std::string& directory) {
  rig.check_status = 2;
  rig.check_config = absl::StrCat(rig.dir / "agent.yaml", ":6:5: listeners[0].path: use ", socket,
                                  ": ", directory, " may be written by others, who could put");
  const Examination examination = rig.Examine();
  for (const Finding& finding : examination.report.findings()) {
    if (finding.check != "agent.config") continue;
    return finding.trouble.fix.has_value() ? finding.trouble.fix->command() : "";
  }
  return "not found";
}

TEST(DoctorTest, FixesADirectoryOnTheWayToASocketThatTheConfigurationNames) {
  Rig rig;
  const std::string socket = rig.dir / "run/egd.sock";
  chmod((rig.dir / "run").c_str(), 0777);
  EXPECT_EQ(FixFor(rig, socket, rig.dir / "run"), "chmod 0755 " + (rig.dir / "run"));
  EXPECT_EQ(FixFor(rig, socket, rig.dir.path()), "chmod 0755 " + rig.dir.path());
  EXPECT_EQ(FixFor(rig, socket, rig.dir / "state"), "") << "not on the way";
  EXPECT_EQ(FixFor(rig, rig.dir / "other.sock", rig.dir.path()), "") << "not in the configuration";
  EXPECT_EQ(FixFor(rig, socket, "/tmp"), "") << "it is for everybody";
}

TEST(DoctorTest, APathCannotMisleadTheFix) {
  Rig rig;
  chmod((rig.dir / "state").c_str(), 0777);
  std::filesystem::create_directories(rig.dir / "run/x: ");
  const std::string odd = absl::StrCat(rig.dir / "run/x: ", rig.dir / "state");
  std::filesystem::create_directories(odd);
  rig.Replace("agent.yaml", rig.dir / "run/egd.sock", absl::StrCat("\"", odd, "/egd.sock\""));
  chmod(odd.c_str(), 0777);
  EXPECT_EQ(FixFor(rig, odd + "/egd.sock", odd), absl::StrCat("chmod 0755 '", odd, "'"));
}

TEST(DoctorTest, FixTakesRightsAwayAndMakesDirectories) {
  Rig rig;
  chmod((rig.dir / "tls/server.key").c_str(), 0644);
  rig.Replace("agent.yaml", "run/egd.sock", "class/egd.sock");
  rig.Stop(kAgentPid);
  const Examination found = rig.Examine();
  for (const Finding& finding : found.report.findings()) {
    if (!finding.trouble.fix.has_value()) continue;
    EXPECT_TRUE(Apply(*finding.trouble.fix).ok());
  }
  EXPECT_EQ(ModeOf(rig.dir / "tls/server.key"), 0640);
  EXPECT_EQ(ModeOf(rig.dir / "class"), 0755);
  EXPECT_THAT(Texts(rig.Examine().report), ElementsAre(HasSubstr("agent.process: ")));
}

TEST(DoctorTest, FixFollowsNoLinkAndGivesNoRight) {
  Rig rig;
  const std::string key = rig.dir / "tls/server.key", link = rig.dir / "link";
  ASSERT_EQ(symlink(key.c_str(), link.c_str()), 0);
  EXPECT_FALSE(Apply({Fix::Kind::kMode, link, 0400}).ok());
  EXPECT_EQ(Apply({Fix::Kind::kMode, key, 0640}).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ModeOf(key), 0600);
}

TEST(DoctorTest, FixTouchesNothingWhereOthersMayWrite) {
  Rig rig;
  rig.Write("open/in/key", "secret", 0644);
  const std::string reason = (rig.dir / "open") + " may be written by others; mend that first";
  chmod((rig.dir / "open").c_str(), 0777);
  for (const Fix& fix : {Fix{Fix::Kind::kMode, rig.dir / "open/in/key", 0600},
                         Fix{Fix::Kind::kMode, rig.dir / "open/in", 0700},
                         Fix{Fix::Kind::kDirectory, rig.dir / "open/in/new", 0700},
                         Fix{Fix::Kind::kDirectory, rig.dir / "open/new", 0700}}) {
    const absl::Status status = Apply(fix);
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(reason));
  }
  EXPECT_EQ(ModeOf(rig.dir / "open/in/key"), 0644);
  EXPECT_FALSE(std::filesystem::exists(rig.dir / "open/new"));
  EXPECT_FALSE(std::filesystem::exists(rig.dir / "open/in/new"));
  // The directory itself is in one that is ours.
  EXPECT_TRUE(Apply({Fix::Kind::kMode, (rig.dir / "open") + "/", 0755}).ok());
  EXPECT_EQ(ModeOf(rig.dir / "open"), 0755);
  EXPECT_TRUE(Apply({Fix::Kind::kMode, rig.dir / "open/in/key", 0600}).ok());
}

TEST(DoctorTest, FixFollowsNoLinkOnTheWay) {
  Rig rig;
  rig.Write("else/file", "", 0666);
  std::filesystem::create_symlink(rig.dir / "else", rig.dir / "link");
  EXPECT_FALSE(Apply({Fix::Kind::kMode, rig.dir / "link/file", 0600}).ok());
  EXPECT_FALSE(Apply({Fix::Kind::kDirectory, rig.dir / "link/a/b", 0700}).ok());
  EXPECT_FALSE(Apply({Fix::Kind::kDirectory, rig.dir / "link", 0700}).ok());
  EXPECT_EQ(ModeOf(rig.dir / "else/file"), 0666);
  EXPECT_FALSE(std::filesystem::exists(rig.dir / "else/a"));
}

TEST(DoctorTest, FixLeavesWhatIsThere) {
  Rig rig;
  chmod((rig.dir / "state").c_str(), 0711);
  EXPECT_TRUE(Apply({Fix::Kind::kDirectory, rig.dir / "state", 0700}).ok());
  EXPECT_EQ(ModeOf(rig.dir / "state"), 0711);
  EXPECT_FALSE(Apply({Fix::Kind::kDirectory, rig.dir / "device/x", 0700}).ok());
}

TEST(DoctorTest, AnotherFileThanTheAgentRunsWithIsNoStandstill) {
  Rig rig;
  rig.Write("other.yaml", rig.Text("agent.yaml"));
  rig.WriteProcess(kAgentPid, "entropyd-hostag", rig.dir / "other.yaml");
  const Examination found = rig.Examine();
  const auto& findings = found.report.findings();
  const auto one = std::find_if(findings.begin(), findings.end(), [](const Finding& finding) {
    return finding.check == "agent.process";
  });
  ASSERT_NE(one, findings.end());
  EXPECT_THAT(one->trouble.why, HasSubstr("/other.yaml, pid "));
  EXPECT_THAT(one->trouble.why, ::testing::Not(HasSubstr("get no bytes")));
  EXPECT_THAT(one->trouble.mend, HasSubstr("entropyctl doctor --agent-config "));
}

}  // namespace
}  // namespace entropyd::doctor
