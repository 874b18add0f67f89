// A machine in good health, with a server and an agent, for tests that plant faults into it. Its
// files, certificates and the way to its server are real; /proc, other programs and what the agent
// says are written here.
//
//   Rig rig;
//   rig.Remove(rig.agent.tls_cert);
//   EXPECT_THAT(rig.Examine().findings(), ElementsAre(…));
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "client/doctor/doctor.h"
#include "tests/base/crypto/test_certs.h"
#include "tests/client/doctor/tls_server.h"
#include "tests/temp_dir.h"

namespace entropyd::doctor {

inline constexpr char kServerId[] = "spiffe://dc1/server";
inline constexpr char kAgentId[] = "spiffe://dc1/agent/h7";
inline constexpr int kServerPid = 71;
inline constexpr int kAgentPid = 72;
inline constexpr uid_t kStranger = 65534;

// A libvirt with one domain.
class OneDomain final : public LibvirtHost {
 public:
  explicit OneDomain(std::string xml) : xml_(std::move(xml)) {}
  absl::StatusOr<std::vector<LibvirtName>> Domains() override {
    return std::vector<LibvirtName>{{"6695eb01-f6a4-8304-79aa-97f2502e193f", "web1", ""}};
  }
  absl::StatusOr<LibvirtState> State(const std::string&) override {
    return LibvirtState{.running = false, .persistent = true};
  }
  absl::StatusOr<std::string> DumpXml(const std::string&, LibvirtView) override { return xml_; }
  absl::Status Define(const std::string&) override { return absl::UnimplementedError(""); }
  absl::Status AttachDevice(const std::string&, const std::string&) override { return Define(""); }
  absl::Status DetachDevice(const std::string&, const std::string&) override { return Define(""); }
  absl::Status SetMetadata(const std::string&, const std::string&) override { return Define(""); }

 private:
  const std::string xml_;
};

class Rig {
 public:
  Rig() {
    std::filesystem::permissions(dir.path(), std::filesystem::perms(0755));
    for (const char* made : {"run", "tls", "state", "host-state", "system/proc/net"}) {
      std::filesystem::create_directories(dir / made);
      chmod((dir / made).c_str(), made == std::string("tls") ? 0750 : 0755);
    }
    WriteTls("server", ca.Issue({.uris = {kServerId}, .dns = {"localhost"}, .not_after = Later()}));
    WriteTls("agent", ca.Issue({.uris = {kAgentId}, .not_after = Later(), .serial = 0x2f}));
    Write("tls/ca.crt", ca.cert_pem(), 0644);
    Write("tls/crl.pem", ca.Crl({0x77}, Later()), 0644);
    Write("device", "noise", 0644);
    StartServer(Text("tls/server.crt"), Text("tls/server.key"), ca.cert_pem());
    WriteConfigs();
    for (const char* name : {"run/egd.sock", "run/agent.sock"}) MakeSocket(name);
    WriteProcess(kServerPid, "entropyd", dir / "server.yaml");
    WriteProcess(kAgentPid, "entropyd-hostag", dir / "agent.yaml");
    Write("system/proc/self/status", Status(0), 0644);
    Write("system/proc/self/limits", Limits("65536", "unlimited"), 0644);
    Write("system/proc/cpuinfo", "flags\t\t: fpu rdrand rdseed\n", 0644);
    Listen(kServerPid);
    FillMachine();
    SayWell();
  }

  static absl::Time Later() { return absl::Now() + absl::Hours(24 * 90); }

  void Write(const std::string& name, const std::string& text, mode_t mode = 0644) {
    std::filesystem::create_directories(std::filesystem::path(dir / name).parent_path());
    std::ofstream(dir / name, std::ios::binary | std::ios::trunc) << text;
    chmod((dir / name).c_str(), mode);
  }
  std::string Text(const std::string& name) const { return ReadSystemFile(dir / name); }
  void Replace(const std::string& name, const std::string& from, const std::string& to) {
    const std::string text = Text(name);
    EXPECT_THAT(text, ::testing::HasSubstr(from)) << name;
    std::ofstream(dir / name, std::ios::trunc) << absl::StrReplaceAll(text, {{from, to}});
  }
  void Remove(const std::string& name) { std::filesystem::remove_all(dir / name); }
  void WriteTls(const std::string& name, const TestCa::Leaf& leaf) {
    Write(absl::StrCat("tls/", name, ".crt"), leaf.cert_pem, 0644);
    Write(absl::StrCat("tls/", name, ".key"), leaf.key_pem, 0600);
  }
  // Begins to serve at another port, which agent.yaml then names.
  void StartServer(const std::string& cert, const std::string& key, const std::string& client_ca) {
    const int before = tls_server == nullptr ? 0 : tls_server->port();
    auto next = std::make_unique<TlsServer>(cert, key, client_ca);
    if (before != 0) {
      Replace("agent.yaml", absl::StrCat(":", before), absl::StrCat(":", next->port()));
    }
    tls_server = std::move(next);
  }
  void ServeWith(const TestCa& issuer, const TestCa::Request& request) {
    const TestCa::Leaf leaf = issuer.Issue(request);
    StartServer(leaf.cert_pem, leaf.key_pem, ca.cert_pem());
  }
  // The process of a service gets another user, and is that of a unit.
  void RunAs(int pid, uid_t uid) {
    Write(absl::StrCat("system/proc/", pid, "/status"), Status(uid), 0644);
    const bool server = pid == kServerPid;
    AddUnit(server ? "entropyd" : "entropyd-hostagent",
            dir / (server ? "server.yaml" : "agent.yaml"),
            absl::StrCat("ActiveState=active\nMainPID=", pid, "\n"));
  }
  void Stop(int pid) { Remove(absl::StrCat("system/proc/", pid)); }
  // Who has the server's port.
  void Listen(int pid) {
    Write("system/proc/net/tcp",
          "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  "
          "timeout inode\n"
          "   0: 00000000:1E3F 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0     "
          "   0 4711 1 0000000000000000 100 0 0 10 0\n");
    const std::string fds = dir / absl::StrCat("system/proc/", pid, "/fd");
    std::filesystem::create_directories(fds);
    std::filesystem::remove(fds + "/3");
    std::filesystem::create_symlink("socket:[4711]", fds + "/3");
  }
  void WriteProcess(int pid, const std::string& comm, const std::string& config) {
    const std::string at = absl::StrCat("system/proc/", pid);
    Write(at + "/comm", comm + "\n");
    Write(at + "/cmdline", absl::StrCat("/usr/bin/", comm, std::string(1, '\0'), "--config",
                                        std::string(1, '\0'), config, std::string(1, '\0')));
    Write(at + "/status", Status(0));
    Write(at + "/limits", Limits("65536", "unlimited"));
  }
  static std::string Status(uid_t uid, const std::string& locked = "90000") {
    return absl::StrCat("Name:\tx\nUid:\t", uid, "\t", uid, "\t", uid, "\t", uid, "\nGid:\t", uid,
                        "\t", uid, "\t", uid, "\t", uid, "\nGroups:\t", uid, "\nVmLck:\t ", locked,
                        " kB\nVmRSS:\t 40000 kB\nCapEff:\t",
                        uid == 0 ? "000001ffffffffff" : "0000000000000000", "\n");
  }
  static std::string Limits(const std::string& files, const std::string& locked) {
    return absl::StrCat(
        "Limit                     Soft Limit           Hard Limit           Units     \n"
        "Max open files            ",
        files, "                ", files, "                files     \nMax locked memory         ",
        locked, "            ", locked, "            bytes     \n");
  }
  // As a process that has ended leaves it; nobody connects here.
  void MakeSocket(const std::string& name) {
    const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    const std::string path = dir / name;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0) << path;
  }
  // libvirt runs, with its user, and one domain.
  void AddLibvirt(const std::string& xml) {
    Write("system/run/libvirt/libvirt-sock", "");
    machine.user = [](const std::string& name) -> absl::optional<Actor> {
      if (name != "libvirt-qemu") return absl::nullopt;
      return Actor{.name = name, .uid = kStranger, .groups = {kStranger}};
    };
    machine.libvirt = [xml]() -> absl::StatusOr<std::unique_ptr<LibvirtHost>> {
      return std::make_unique<OneDomain>(xml);
    };
    chmod((dir / "run/egd.sock").c_str(), 0666);
  }
  // Both services belong to units.
  void AddUnit(const std::string& name, const std::string& config, const std::string& more) {
    programs[absl::StrCat(name, ".service")] = absl::StrCat(
        "LoadState=loaded\nExecStart={ path=/usr/bin/", name, " ; argv[]=/usr/bin/", name,
        " --config ", config, " ; }\nLimitNOFILE=65536\nLimitMEMLOCK=infinity\n", more);
  }

  Examination Examine() const {
    ExamineOptions options;
    options.choice = {dir / "server.yaml", dir / "agent.yaml"};
    options.client_cert = client_cert;
    return doctor::Examine(machine, options);
  }

  TempDir dir;
  TestCa ca{"DC1"};
  TestCa other_ca{"OTHER"};
  std::unique_ptr<TlsServer> tls_server;
  Machine machine;
  // By what the last words of a command line name: what the program says, with status 0.
  std::map<std::string, std::string> programs;
  // What --check-config says beside what the loader finds.
  std::string check_config;
  int check_status = 0;
  std::string page;
  v1::GetStatusResponse status;
  absl::StatusOr<bool> serving = true;
  std::string client_cert;

 private:
  void WriteConfigs() {
    Write("server.yaml",
          absl::StrCat("listen: 0.0.0.0:7743\nmetrics: 127.0.0.1:9743\nstate_dir: ", dir / "state",
                       "\ntls: {cert: ", dir / "tls/server.crt", ", key: ", dir / "tls/server.key",
                       ", client_ca: ", dir / "tls/ca.crt", ", crl: ", dir / "tls/crl.pem", "}\n") +
              "sources:\n  - {name: trng0, driver: char_device, path: " + (dir / "device") +
              ", max_rate: 1KiB/s, min_entropy_bits_per_byte: 4}\n"
              "pools:\n"
              "  - name: default\n"
              "    quality: drbg\n"
              "    sources: [trng0]\n"
              "    classes: [{name: gold, rate: 4KiB/s}]\n"
              "policy:\n"
              "  - {identity: \"spiffe://dc1/agent/*\", role: agent, allow: "
              "[\"default/*\"]}\n");
    Write("agent.yaml",
          absl::StrCat("servers: [\"localhost:", tls_server->port(),
                       "\"]\ntls: {cert: ", dir / "tls/agent.crt", ", key: ", dir / "tls/agent.key",
                       ", ca: ", dir / "tls/ca.crt", "}\ncontrol: ", dir / "run/agent.sock",
                       "\nstate_dir: ", dir / "host-state", "\nlisteners:\n  - {path: ",
                       dir / "run/egd.sock", ", mode: \"0660\", class: default/gold}\n"));
  }
  void FillMachine() {
    machine.now = [] { return absl::Now(); };
    machine.root = dir / "system";
    machine.run = [this](const std::vector<std::string>& argv) { return Run(argv); };
    machine.resolve = [](const std::string& server) -> NameLookup::Answer {
      return NameLookup::Addresses{absl::StrReplaceAll(server, {{"localhost", "127.0.0.1"}})};
    };
    machine.http_get = [this](const std::string&,
                              const std::string&) -> absl::StatusOr<HttpAnswer> {
      if (page.empty()) return absl::UnavailableError("Connection refused");
      return HttpAnswer{200, page};
    };
    machine.agent_status = [this](const std::string&) -> absl::StatusOr<v1::GetStatusResponse> {
      if (status.version().empty()) return absl::UnavailableError("nobody listens");
      return status;
    };
    machine.serving = [this](const std::string&, const config::v1::ClientTls&) { return serving; };
    machine.libvirt = []() -> absl::StatusOr<std::unique_ptr<LibvirtHost>> {
      return absl::NotFoundError("no virsh");
    };
    machine.user = [](const std::string&) { return absl::nullopt; };
  }
  void SayWell() {
    page =
        "# HELP entropyd_pool_ready 1 while the pool gives bytes.\n"
        "entropyd_source_state{source=\"trng0\",state=\"healthy\"} 1\n"
        "entropyd_source_state{source=\"trng0\",state=\"gone\"} 0\n"
        "entropyd_pool_ready{pool=\"default\"} 1\n"
        "entropyd_pool_seed_age_seconds{pool=\"default\"} 61\n"
        "entropyd_reload_failed 0\nentropyd_draining 0\n";
    status.set_version("1");
    status.set_connected(true);
    status.set_memory_locked(true);
    status.set_server("localhost:7743");
    auto* const gold = status.add_class_();
    gold->set_class_("default/gold");
    gold->set_phase(v1::PHASE_OPEN);
    auto* const listener = status.add_listener();
    listener->set_path(dir / "run/egd.sock");
    listener->set_class_("default/gold");
    listener->set_identify("libvirt");
  }
  // --check-config loads the file as the programs do.
  absl::StatusOr<ProgramOutput> Run(const std::vector<std::string>& argv) const {
    if (argv.back() == "--check-config") {
      const std::string& file = argv.at(2);
      config::Locations locations;
      config::v1::Server server;
      config::v1::HostAgent agent;
      google::protobuf::Message* const message =
          absl::EndsWith(file, "server.yaml") ? static_cast<google::protobuf::Message*>(&server)
                                              : &agent;
      const absl::Status loaded = config::Load(file, message, &locations);
      const bool asked = check_config.find(file) != std::string::npos;
      if (loaded.ok() && !asked) return ProgramOutput{};
      return ProgramOutput{
          loaded.ok() ? check_status : 2, "",
          absl::StrCat(absl::EndsWith(file, "server.yaml") ? "entropyd: " : "entropyd-hostagent: ",
                       loaded.ok() ? check_config : std::string(loaded.message()))};
    }
    for (const auto& [words, out] : programs) {
      if (argv.at(0) == words || (argv.size() > 2 && argv[2] == words))
        return ProgramOutput{0, out, ""};
    }
    return ProgramOutput{1, "", "not here"};
  }
};

}  // namespace entropyd::doctor
