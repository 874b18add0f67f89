// Faults of a server, one at a time.
#include <fcntl.h>
#include <sys/stat.h>

#include "tests/client/doctor/planted_fault.h"

namespace entropyd::doctor {
namespace {

void AddServerUnit(Rig& rig, const std::string& more) {
  rig.AddUnit("entropyd", rig.dir / "server.yaml", more);
}

const PlantedFault kServerFaults[] = {
    {"YamlIsBroken", "server.config", kBroken, "unknown key 'lisen'",
     [](Rig& rig) { rig.Replace("server.yaml", "listen:", "lisen:"); }},
    {"TheProgramRefusesTheConfiguration", "server.config", kBroken,
     "policy: no rule lets anybody draw",
     [](Rig& rig) {
       rig.check_status = 2;
       rig.check_config = (rig.dir / "server.yaml") + ":9:1: policy: no rule lets anybody draw";
     }},
    {"TheProgramWarns", "server.config", kWarning, "draw from one generator",
     [](Rig& rig) {
       rig.check_config = "warning: " + (rig.dir / "server.yaml") +
                          ":9:1: sources[1].name: draw from one generator";
     }},
    {"CertificateHasExpired", "server.certificate", kBroken, "server.crt: expired at ",
     [](Rig& rig) {
       rig.WriteTls(
           "server",
           rig.ca.Issue({.uris = {kServerId}, .not_before = Before(9), .not_after = Before(8)}));
     }},
    {"CertificateIsNotYetValid", "server.certificate", kBroken, "server.crt: not valid before ",
     [](Rig& rig) {
       rig.WriteTls(
           "server",
           rig.ca.Issue({.uris = {kServerId}, .not_before = Before(-8), .not_after = Before(-9)}));
     }},
    {"CertificateExpiresSoon", "server.certificate", kWarning, "server.crt expires at ",
     [](Rig& rig) {
       rig.WriteTls("server",
                    rig.ca.Issue({.uris = {kServerId}, .not_after = Before(-24 * 7 + 1)}));
     }},
    {"CertificateIsMissing", "server.certificate", kBroken, "tls/server.crt: No such file",
     [](Rig& rig) { rig.Remove("tls/server.crt"); }},
    {"CertificateIsCutOff", "server.certificate", kBroken, "no certificate in PEM, or a broken one",
     [](Rig& rig) { rig.Write("tls/server.crt", rig.Text("tls/server.crt").substr(0, 200)); }},
    {"KeyIsOfAnotherCertificate", "server.certificate", kBroken,
     "does not belong to the certificate",
     [](Rig& rig) {
       rig.Write("tls/server.key", rig.other_ca.Issue({.uris = {kServerId}}).key_pem, 0600);
     }},
    {"CaIsMissing", "server.certificate", kBroken, "tls/clients.crt: No such file",
     [](Rig& rig) { rig.Replace("server.yaml", "tls/ca.crt", "tls/clients.crt"); }},
    {"EverybodyMayReadTheKey", "server.key", kWarning, "others may use the key ",
     [](Rig& rig) { chmod((rig.dir / "tls/server.key").c_str(), 0604); }},
    {"TheServersUserMayNotReadTheKey", "server.key", kBroken, "user 65534 may not enter ",
     [](Rig& rig) {
       rig.RunAs(kServerPid, kStranger);
       rig.Write(absl::StrCat("system/proc/", kServerPid, "/status"), Rig::Status(kStranger));
       chmod((rig.dir / "state").c_str(), 0777);
       ASSERT_EQ(chown((rig.dir / "state").c_str(), kStranger, kStranger), 0);
       chmod((rig.dir / "state").c_str(), 0700);
       for (const char* file : {"tls/server.crt", "tls/ca.crt", "tls/crl.pem"}) {
         const std::string name = std::string(file).substr(4);
         rig.Write("open/" + name, rig.Text(file));
         rig.Replace("server.yaml", file, "open/" + name);
       }
     }},
    {"ListIsDamaged", "server.crl", kBroken, "no revocation list in PEM",
     [](Rig& rig) { rig.Write("tls/crl.pem", "-----BEGIN X509 CRL-----\n"); }},
    {"ListIsOfAnotherCa", "server.crl", kBroken, "is not signed by a certificate of ",
     [](Rig& rig) { rig.Write("tls/crl.pem", rig.other_ca.Crl({}, Rig::Later())); }},
    {"ListIsOld", "server.crl", kWarning,
     "crl.pem is old: ", [](Rig& rig) { rig.Write("tls/crl.pem", rig.ca.Crl({}, Before(1))); }},
    {"ServersCertificateIsRevoked", "server.crl", kBroken, "server.crt is revoked",
     [](Rig& rig) { rig.Write("tls/crl.pem", rig.ca.Crl({0x1f}, Rig::Later())); }},
    {"ClockWasSetBack", "server.clock", kBroken, "crl.pem was written 59m",
     [](Rig& rig) {
       const timespec later = absl::ToTimespec(absl::Now() + absl::Hours(1));
       const timespec times[] = {later, later};
       utimensat(AT_FDCWD, (rig.dir / "tls/crl.pem").c_str(), times, 0);
     }},
    {"ItDoesNotRun", "server.process", kBroken, "entropyd does not run with ",
     [](Rig& rig) {
       rig.Stop(kServerPid);
       rig.Remove("system/proc/net/tcp");
     }},
    {"ItsUnitHasFailed", "server.process", kBroken, "entropyd does not run with ",
     [](Rig& rig) {
       rig.Stop(kServerPid);
       rig.Remove("system/proc/net/tcp");
       AddServerUnit(rig, "ActiveState=failed\nResult=exit-code\n");
     }},
    {"ItDoesNotListen", "server.port", kBroken, "does not listen on port 7743",
     [](Rig& rig) { rig.Remove("system/proc/net/tcp"); }},
    {"SomebodyElseHasThePort", "server.port", kBroken, "nginx (pid 99) listens on port 7743",
     [](Rig& rig) {
       rig.WriteProcess(99, "nginx", "x");
       rig.Remove(absl::StrCat("system/proc/", kServerPid, "/fd"));
       rig.Listen(99);
     }},
    {"MemoryIsNotLocked", "server.memory", kWarning,
     "pid 71, cannot lock its memory (8388608 bytes",
     [](Rig& rig) {
       rig.Write("system/proc/71/status",
                 absl::StrReplaceAll(Rig::Status(0, "39999"), {{"ffffffffff", "ffffffbfff"}}));
       rig.Write("system/proc/71/limits", Rig::Limits("65536", "8388608"));
     }},
    {"FewerFilesThanAgents", "server.descriptors", kWarning,
     "may open 12123 files, and needs 12124",
     [](Rig& rig) { rig.Write("system/proc/71/limits", Rig::Limits("12123", "unlimited")); }},
    {"NoFilesForAnyAgent", "server.descriptors", kBroken, "may open 115 files",
     [](Rig& rig) { rig.Write("system/proc/71/limits", Rig::Limits("115", "unlimited")); }},
    {"DeviceIsMissing", "server.devices", kBroken, "source trng0: there is no ",
     [](Rig& rig) { rig.Remove("device"); }},
    {"ItMayNotReadTheDevice", "server.devices", kBroken, "source trng0: user 65534 may not read ",
     [](Rig& rig) {
       rig.RunAs(kServerPid, kStranger);
       rig.Write("system/proc/71/status",
                 absl::StrReplaceAll(Rig::Status(kStranger),
                                     {{"CapEff:\t0000000000000000", "CapEff:\t0000000000000000"}}));
       ASSERT_EQ(chown((rig.dir / "state").c_str(), kStranger, kStranger), 0);
       for (const char* file : {"server.crt", "ca.crt", "crl.pem", "server.key"}) {
         ASSERT_EQ(chown((rig.dir / absl::StrCat("tls/", file)).c_str(), kStranger, kStranger), 0);
       }
       chmod((rig.dir / "tls").c_str(), 0755);
       chmod((rig.dir / "device").c_str(), 0600);
     }},
    {"NoGeneratorBehindHwrng", "server.devices", kBroken, "/dev/hwrng has no generator",
     [](Rig& rig) {
       rig.Replace("server.yaml", rig.dir / "device", "/dev/hwrng");
       rig.Write("system/sys/class/misc/hw_random/rng_current", "none\n");
     }},
    {"TheUnitDoesNotAllowTheDevice", "server.devices", kBroken, "no DeviceAllow=/dev/zero",
     [](Rig& rig) {
       rig.Replace("server.yaml", rig.dir / "device", "/dev/zero");
       AddServerUnit(rig, "DevicePolicy=closed\nDeviceAllow=/dev/hwrng r\nActiveState=active\n");
     }},
    {"TheProcessorLacksTheInstruction", "server.devices", kBroken, "this processor has no rdseed",
     [](Rig& rig) {
       rig.Replace("server.yaml", "driver: char_device", "driver: rdseed");
       rig.Write("system/proc/cpuinfo", "flags\t\t: fpu rdrand\n");
     }},
    {"GuaranteesExceedTheClaims", "server.claims", kWarning,
     "guarantees its classes 4 KiB/s, and its sources claim 512 B/s",
     [](Rig& rig) { rig.Replace("server.yaml", "quality: drbg", "quality: full"); }},
    {"SourceIsQuarantined", "server.sources", kWarning, "source trng0 is quarantined",
     [](Rig& rig) {
       rig.page = absl::StrReplaceAll(rig.page, {{"state=\"healthy\"", "state=\"quarantined\""}});
     }},
    {"SourceIsGone", "server.sources", kWarning, "source trng0 is gone",
     [](Rig& rig) {
       rig.page = absl::StrReplaceAll(rig.page, {{"state=\"healthy\"} 1", "state=\"healthy\"} 0"},
                                                 {"state=\"gone\"} 0", "state=\"gone\"} 1"}});
     }},
    {"PoolIsNotReady", "server.sources", kBroken, "pool default is not ready",
     [](Rig& rig) {
       rig.page = absl::StrReplaceAll(rig.page,
                                      {{"ready{pool=\"default\"} 1", "ready{pool=\"default\"} 0"}});
     }},
    {"SourcesGiveLessThanTheyClaim", "server.sources", kWarning, "was last seeded 2m 1s ago",
     [](Rig& rig) {
       rig.page = absl::StrReplaceAll(rig.page, {{"} 61", "} 121"}});
     }},
    {"MetricsDoNotAnswer", "server.sources", kWarning, "/metrics does not answer",
     [](Rig& rig) { rig.page = ""; }},
    {"ChangedFileIsNotInUse", "server.sources", kWarning, "what is on disk is not in use",
     [](Rig& rig) {
       rig.page = absl::StrReplaceAll(rig.page, {{"failed 0", "failed 1"}});
     }},
    {"ItDrains", "server.sources", kWarning, "the server drains",
     [](Rig& rig) {
       rig.page = absl::StrReplaceAll(rig.page, {{"draining 0", "draining 1"}});
     }},
    {"RuleMatchesNobody", "server.policy", kWarning,
     "policy[1] matches nobody: 'spiffe://dc1/agent/'",
     [](Rig& rig) {
       rig.Write("server.yaml", rig.Text("server.yaml") +
                                    "  - {identity: \"spiffe://dc1/agent/\", role: operator}\n");
     }},
    {"RulesAreOfAnotherTrustDomain", "server.policy", kWarning,
     "for the trust domain of this server, dc1",
     [](Rig& rig) {
       rig.Replace("server.yaml", "spiffe://dc1/agent", "spiffe://dc2/agent");
       rig.WriteTls("agent",
                    rig.ca.Issue({.uris = {"spiffe://dc2/agent/h7"}, .not_after = Rig::Later()}));
     }},
    {"NoRuleKnowsTheAgent", "server.policy", kBroken, "gives spiffe://dc1/agent/h7",
     [](Rig& rig) { rig.Replace("server.yaml", "dc1/agent/*", "dc1/host/*"); }},
    {"TheAgentsRuleIsForOperators", "server.policy", kBroken, "the role agent",
     [](Rig& rig) {
       rig.Replace("server.yaml", "role: agent, allow: [\"default/*\"]", "role: operator");
     }},
    {"NoRuleKnowsTheOperator", "server.policy", kBroken,
     "gives spiffe://dc1/operator/you (client.yaml) any role",
     [](Rig& rig) {
       rig.WriteTls("you", rig.ca.Issue({.uris = {"spiffe://dc1/operator/you"}}));
       rig.client_cert = rig.dir / "tls/you.crt";
     }},
    {"StateCannotBeWritten", "server.state_dir", kBroken, "user 65534 may not write ",
     [](Rig& rig) {
       rig.RunAs(kServerPid, kStranger);
       for (const char* file : {"server.crt", "ca.crt", "crl.pem", "server.key"}) {
         ASSERT_EQ(chown((rig.dir / absl::StrCat("tls/", file)).c_str(), kStranger, kStranger), 0);
       }
       chmod((rig.dir / "tls").c_str(), 0755);
     }},
    {"StateIsGone", "server.state_dir", kBroken, "there is no ",
     [](Rig& rig) { rig.Remove("state"); }},
    {"OthersMayWriteTheState", "server.state_dir", kWarning, "others may write into ",
     [](Rig& rig) { chmod((rig.dir / "state").c_str(), 0775); }},
    {"StateIsAFile", "server.state_dir", kBroken, "is a file, or leads through one",
     [](Rig& rig) { rig.Replace("server.yaml", rig.dir / "state", rig.dir / "device"); }},
};

class ServerFaults : public ::testing::TestWithParam<PlantedFault> {};

TEST_P(ServerFaults, AreFound) { ExpectFound(GetParam()); }

INSTANTIATE_TEST_SUITE_P(Planted, ServerFaults, ::testing::ValuesIn(kServerFaults),
                         [](const ::testing::TestParamInfo<PlantedFault>& info) {
                           return std::string(info.param.name);
                         });

}  // namespace
}  // namespace entropyd::doctor
