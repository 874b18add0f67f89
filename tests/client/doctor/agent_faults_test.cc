// Faults of an agent, its host and the way to its server, one at a time.
#include <sys/stat.h>

#include "tests/client/doctor/planted_fault.h"

namespace entropyd::doctor {
namespace {

// A domain on the agent's socket.
std::string DomainXml(const Rig& rig, const std::string& inner) {
  return absl::StrCat(
      "<domain><name>web1</name><devices><rng model='virtio'><backend model='egd' type='unix'>"
      "<source mode='connect' path='",
      rig.dir / "run/egd.sock", "'>", inner, "</source></backend></rng></devices></domain>");
}

std::string GoodDomain(const Rig& rig) {
  return DomainXml(rig, "<reconnect enabled='yes' timeout='1'/>");
}

void AddAppArmor(Rig& rig, const std::string& rules) {
  rig.AddLibvirt(GoodDomain(rig));
  rig.Write("system/sys/module/apparmor/parameters/enabled", "Y\n");
  rig.Write("system/etc/apparmor.d/abstractions/libvirt-qemu", "  /dev/net/tun rw,\n");
  rig.Write("system/etc/apparmor.d/local/abstractions/libvirt-qemu", rules);
}

const PlantedFault kAgentFaults[] = {
    {"ItsCertificateHasExpired", "agent.certificate", kBroken, "agent.crt: expired at ",
     [](Rig& rig) {
       rig.WriteTls(
           "agent",
           rig.ca.Issue({.uris = {kAgentId}, .not_before = Before(9), .not_after = Before(8)}));
     }},
    {"EverybodyMayReadItsKey", "agent.key", kWarning, "others may use the key ",
     [](Rig& rig) { chmod((rig.dir / "tls/agent.key").c_str(), 0644); }},
    {"ItDoesNotRun", "agent.process", kBroken, "entropyd-hostagent does not run with ",
     [](Rig& rig) { rig.Stop(kAgentPid); }},
    {"MemoryIsNotLocked", "agent.memory", kWarning, "pid 72, cannot lock its memory",
     [](Rig& rig) { rig.Write("system/proc/72/status", Rig::Status(0, "900")); }},
    {"FewerFilesThanGuests", "agent.descriptors", kWarning, "may open 10096 files, and needs 10097",
     [](Rig& rig) { rig.Write("system/proc/72/limits", Rig::Limits("10096", "unlimited")); }},
    {"NoFilesForAnyGuest", "agent.descriptors", kBroken, "may open 97 files",
     [](Rig& rig) { rig.Write("system/proc/72/limits", Rig::Limits("97", "unlimited")); }},
    {"DirectoryOfASocketIsMissing", "agent.sockets", kBroken, "there is no directory ",
     [](Rig& rig) { rig.Replace("agent.yaml", "run/egd.sock", "class/egd.sock"); }},
    {"OthersMayWriteWhereTheSocketIs", "agent.config", kBroken, "may be written by others",
     [](Rig& rig) {
       chmod((rig.dir / "run").c_str(), 0777);
       rig.check_status = 2;
       rig.check_config =
           absl::StrCat(rig.dir / "agent.yaml", ":6:5: listeners[0].path: use ",
                        rig.dir / "run/egd.sock", ": ", rig.dir / "run",
                        " may be written by others, who could put another file "
                        "in its place; let nobody but root write there (chmod go-w)");
     }},
    {"SomebodyRemovedTheSocket", "agent.sockets", kBroken, "there is no ",
     [](Rig& rig) { rig.Remove("run/egd.sock"); }},
    {"AFileIsInTheWay", "agent.sockets", kBroken, "egd.sock is no socket",
     [](Rig& rig) {
       rig.Remove("run/egd.sock");
       rig.Write("run/egd.sock", "");
     }},
    {"ThereIsNoSuchGroup", "agent.sockets", kBroken, "there is no group no-such-group",
     [](Rig& rig) {
       rig.Replace("agent.yaml", "class: default", "group: no-such-group, class: default");
     }},
    {"SocketHasAnotherGroup", "agent.sockets", kBroken, "belongs to another group than 65533",
     [](Rig& rig) {
       rig.Replace("agent.yaml", "class: default", "group: \"65533\", class: default");
     }},
    {"QemuMayNotEnterTheDirectory", "agent.hypervisor", kBroken, "libvirt-qemu may not enter ",
     [](Rig& rig) {
       rig.AddLibvirt(GoodDomain(rig));
       chmod((rig.dir / "run").c_str(), 0700);
     }},
    {"QemuMayNotUseTheSocket", "agent.hypervisor", kBroken, "libvirt-qemu may not write ",
     [](Rig& rig) {
       rig.AddLibvirt(GoodDomain(rig));
       chmod((rig.dir / "run/egd.sock").c_str(), 0660);
     }},
    {"AppArmorHasNoRule", "agent.apparmor", kBroken, "AppArmor has no rule for ",
     [](Rig& rig) { AddAppArmor(rig, "/run/entropyd/egd.sock rw,\n"); }},
    {"AppArmorLetsItReadOnly", "agent.apparmor", kBroken, "AppArmor has no rule for ",
     [](Rig& rig) { AddAppArmor(rig, (rig.dir / "run/egd.sock") + " r,\n"); }},
    {"SelinuxHasNoModule", "agent.selinux", kBroken, "has no module entropyd_hostagent",
     [](Rig& rig) {
       rig.Write("system/sys/fs/selinux/enforce", "1");
       rig.programs["semodule"] = "entropyd\nvirt\n";
     }},
    {"DomainDoesNotReconnect", "agent.domains", kWarning,
     "domain web1 (defined): without <reconnect>",
     [](Rig& rig) { rig.AddLibvirt(DomainXml(rig, "")); }},
    {"DomainIsOnAnotherSocket", "agent.domains", kBroken, "is not on the agent's socket",
     [](Rig& rig) {
       rig.AddLibvirt(absl::StrReplaceAll(GoodDomain(rig),
                                          {{rig.dir / "run/egd.sock", "/run/entropyd/old.sock"}}));
     }},
    {"NameIsUnknown", "agent.servers", kBroken, "name: look up the name ",
     [](Rig& rig) {
       rig.machine.resolve = [](const std::string&) -> NameLookup::Answer {
         return absl::UnavailableError("look up the name localhost: Name or service not known");
       };
     }},
    {"NobodyListensThere", "agent.servers", kBroken, "TCP: 127.0.0.1:1: Connection refused",
     [](Rig& rig) {
       rig.machine.resolve = [](const std::string&) -> NameLookup::Answer {
         return NameLookup::Addresses{"127.0.0.1:1"};
       };
     }},
    {"ThePeerSpeaksNoTls", "agent.servers", kBroken, "TLS: wrong version number",
     [](Rig& rig) { rig.StartServer("", "", ""); }},
    {"TheServerIsOfAnotherCa", "agent.servers", kBroken, "is not of a CA in ",
     [](Rig& rig) { rig.ServeWith(rig.other_ca, {.uris = {kServerId}, .dns = {"localhost"}}); }},
    {"TheServersCertificateHasExpired", "agent.servers", kBroken, "its certificate has expired at ",
     [](Rig& rig) {
       rig.ServeWith(rig.ca,
                     {.dns = {"localhost"}, .not_before = Before(9), .not_after = Before(8)});
     }},
    {"TheClocksDiffer", "agent.servers", kBroken, "its certificate is valid from ",
     [](Rig& rig) {
       rig.ServeWith(rig.ca,
                     {.dns = {"localhost"}, .not_before = Before(-8), .not_after = Before(-9)});
     }},
    {"TheServerHasAnotherName", "agent.servers", kBroken, "does not have the name localhost",
     [](Rig& rig) { rig.ServeWith(rig.ca, {.uris = {kServerId}, .dns = {"elsewhere.example"}}); }},
    {"TheServerDoesNotKnowOurCa", "agent.servers", kBroken, "unknown ca",
     [](Rig& rig) {
       rig.StartServer(rig.Text("tls/server.crt"), rig.Text("tls/server.key"),
                       rig.other_ca.cert_pem());
     }},
    {"ThePolicyDoesNotKnowThisHost", "agent.servers", kBroken, "no policy rule gives ",
     [](Rig& rig) {
       rig.serving = absl::PermissionDeniedError("no policy rule gives h7 the role agent");
     }},
    {"TheServerRefusesTheCall", "agent.servers", kBroken, "Hello: this certificate is revoked",
     [](Rig& rig) { rig.serving = absl::UnauthenticatedError("this certificate is revoked"); }},
    {"TheServerIsNotReady", "agent.servers", kBroken, "does not serve now",
     [](Rig& rig) { rig.serving = false; }},
    {"OneOfTwoServersIsAway", "agent.servers", kWarning, "server away:7743: name: ",
     [](Rig& rig) {
       rig.Replace("agent.yaml", "servers: [", "servers: [\"away:7743\", ");
       rig.machine.resolve = [](const std::string& server) -> NameLookup::Answer {
         if (server == "away:7743") return absl::UnavailableError("look up the name away: no");
         return NameLookup::Addresses{absl::StrReplaceAll(server, {{"localhost", "127.0.0.1"}})};
       };
     }},
    {"TheClassIsRefused", "agent.service", kBroken, "class default/gold is closed",
     [](Rig& rig) {
       rig.status.mutable_class_(0)->set_phase(v1::PHASE_CLOSED);
       rig.status.mutable_class_(0)->set_reason("permission denied");
     }},
    {"ItDoesNotAnswer", "agent.service", kBroken, "the agent does not answer at ",
     [](Rig& rig) { rig.status.Clear(); }},
    {"ItIsNotAttached", "agent.service", kBroken, "the agent is not attached to ",
     [](Rig& rig) { rig.status.set_connected(false); }},
    {"AListenerWaits", "agent.service", kBroken, "no guest can connect at ",
     [](Rig& rig) { rig.status.mutable_listener(0)->set_problem("may be written by others"); }},
    {"AClassIsDegraded", "agent.service", kWarning,
     "class default/gold is degraded: trng1 is suspect",
     [](Rig& rig) {
       rig.status.mutable_class_(0)->set_degraded(true);
       rig.status.mutable_class_(0)->set_reason("trng1 is suspect");
     }},
};

class AgentFaults : public ::testing::TestWithParam<PlantedFault> {};

TEST_P(AgentFaults, AreFound) { ExpectFound(GetParam()); }

INSTANTIATE_TEST_SUITE_P(Planted, AgentFaults, ::testing::ValuesIn(kAgentFaults),
                         [](const ::testing::TestParamInfo<PlantedFault>& info) {
                           return std::string(info.param.name);
                         });

}  // namespace
}  // namespace entropyd::doctor
