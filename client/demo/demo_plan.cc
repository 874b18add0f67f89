#include "client/demo/demo_plan.h"

#include <cpuid.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "base/process/fd.h"
#include "base/text/names.h"
#include "base/text/quoting.h"
#include "base/text/utf8.h"
#include "client/show/json_text.h"

namespace entropyd {
namespace {

// A device that gives nothing for so long is not used: the demo is to start now.
constexpr absl::Duration kProbePatience = absl::Seconds(2);

// YAML takes JSON's strings as its own double-quoted ones.
std::string Quoted(absl::string_view text) { return JsonString(text); }

std::string TlsYaml(absl::string_view cert, absl::string_view key, absl::string_view ca_key,
                    absl::string_view ca) {
  return absl::StrCat("  cert: ", Quoted(cert), "\n  key: ", Quoted(key), "\n  ", ca_key, ": ",
                      Quoted(ca), "\n");
}

absl::Status ReadOneByte(const char* path) {
  UniqueFd fd(open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (!fd) return ErrnoStatus(errno, absl::StrCat("open ", path));
  const absl::Time deadline = absl::Now() + kProbePatience;
  do {
    uint8_t byte;
    const ssize_t n = read(fd.get(), &byte, 1);
    if (n == 1) return absl::OkStatus();
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
      return ErrnoStatus(errno, absl::StrCat("read ", path));
    }
    absl::SleepFor(absl::Milliseconds(10));
  } while (absl::Now() < deadline);
  return absl::UnavailableError(absl::StrCat("read ", path, ": no byte in two seconds"));
}

bool CpuHasRdrand() {
  unsigned int eax, ebx, ecx, edx;
  return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_RDRND) != 0;
}

}  // namespace

DemoPaths::DemoPaths(absl::string_view directory) : dir(directory) {
  const auto in = [this](absl::string_view name) { return absl::StrCat(dir, "/", name); };
  pki = in("pki");
  ca = in("pki/ca.crt");
  server_cert = in("pki/server.crt");
  server_key = in("pki/server.key");
  agent_cert = in("pki/agent.crt");
  agent_key = in("pki/agent.key");
  operator_cert = in("pki/operator.crt");
  operator_key = in("pki/operator.key");
  server_yaml = in("server.yaml");
  agent_yaml = in("agent.yaml");
  client_yaml = in("client.yaml");
  server_ports = in("server.ports");
  agent_ports = in("agent.ports");
  server_log = in("server.log");
  agent_log = in("agent.log");
  socket = in("egd.sock");
  control = in("agent.sock");
  state_dir = in("state");
}

absl::Status DemoPaths::Check() const {
  for (absl::string_view rest = dir; !rest.empty();) {
    const size_t length = PrintableLength(rest);
    if (length == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("demo in ", Excerpt(dir),
                       ": a character of this name cannot be shown; choose another --dir"));
    }
    rest.remove_prefix(length);
  }
  const size_t room = sizeof(sockaddr_un{}.sun_path) - 1;
  if (std::max(socket.size(), control.size()) <= room) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "demo in ", dir, ": a unix socket's path may have ", room, " bytes; choose a shorter --dir"));
}

absl::Status DemoPaths::CheckPlace() const {
  std::error_code error;
  std::filesystem::path at;
  for (const std::filesystem::path& name : std::filesystem::weakly_canonical(dir, error)) {
    at /= name;
    struct stat found;
    if (stat(at.c_str(), &found) != 0 || !S_ISDIR(found.st_mode)) break;
    if ((found.st_mode & S_IWOTH) != 0 && (found.st_mode & S_ISVTX) == 0) {
      return absl::FailedPreconditionError(absl::StrCat(
          "demo in ", dir, ": ", at.string(),
          " may be written by everybody, who could put other files in the place of the demo's; "
          "choose another --dir"));
    }
  }
  return absl::OkStatus();
}

DemoSources ProbeDemoSources() {
  DemoSources sources;
  const absl::Status hwrng = ReadOneByte(kDemoHwrng);
  sources.hwrng = hwrng.ok();
  sources.hwrng_reason = std::string(hwrng.message());
  sources.rdrand = CpuHasRdrand();
  return sources;
}

std::string DescribeDemoSources(const DemoSources& sources) {
  if (sources.software_only()) {
    return absl::StrCat(
        "************************************************************************\n"
        "* SOFTWARE ONLY: this machine has no hardware generator that works here *\n"
        "* (no RDRAND; ",
        kDemoHwrng,
        " see below). Bytes come from the kernel's own *\n"
        "* generator. Good enough to see the path, NOT what entropyd is for.     *\n"
        "************************************************************************\n",
        sources.hwrng_reason, "\n");
  }
  return absl::StrCat("sources      ", kDemoHwrng, " ",
                      sources.hwrng ? "yes" : absl::StrCat("no (", sources.hwrng_reason, ")"),
                      ", RDRAND ", sources.rdrand ? "yes" : "no", "\n");
}

std::string DemoServerYaml(const DemoPaths& paths, const DemoSources& sources) {
  std::string list;
  std::string names;
  const auto add = [&](absl::string_view name, absl::string_view rest) {
    absl::StrAppend(&list, "  - {name: ", name, ", driver: ", rest, "}\n");
    absl::StrAppend(&names, names.empty() ? "" : ", ", name);
  };
  if (sources.hwrng) add("trng0", absl::StrCat("char_device, path: ", kDemoHwrng));
  if (sources.rdrand) add("cpu", "rdrand");
  if (sources.software_only()) add("kernel", "getrandom");
  // The class has no ceiling, so that it can be measured; its rate only has to be there.
  return absl::StrCat(
      "# Written by `entropyctl demo`; not for production.\n"
      "listen: 127.0.0.1:0\n"
      "metrics: 127.0.0.1:0\n"
      "tls:\n",
      TlsYaml(paths.server_cert, paths.server_key, "client_ca", paths.ca),
      sources.software_only() ? "allow_software: true\n" : "", "sources:\n", list,
      "pools:\n"
      "  - name: default\n"
      "    quality: drbg\n"
      "    sources: [",
      names,
      "]\n"
      "    classes:\n"
      "      - {name: demo, rate: 1GiB/s}\n"
      "policy:\n"
      "  - {identity: \"spiffe://dev/agent/*\", role: agent, allow: [\"default/*\"]}\n"
      "  - {identity: \"spiffe://dev/operator/*\", role: operator}\n"
      "  - {identity: \"spiffe://dev/operator/*\", role: reader, allow: [\"default/*\"]}\n");
}

std::string DemoAgentYaml(const DemoPaths& paths, uint16_t server_port, uint16_t http_port) {
  return absl::StrCat(
      "# Written by `entropyctl demo`; not for production.\n"
      "servers: [\"127.0.0.1:",
      server_port,
      "\"]\n"
      "tls:\n",
      TlsYaml(paths.agent_cert, paths.agent_key, "ca", paths.ca),
      "  server_name: localhost\n"
      "metrics: 127.0.0.1:",
      http_port,
      "\n"
      "control: ",
      Quoted(paths.control),
      "\n"
      "state_dir: ",
      Quoted(paths.state_dir),
      "\n"
      "listeners:\n"
      "  - {path: ",
      Quoted(paths.socket), ", mode: \"0600\", class: ", kDemoClass, ", clients: auto}\n");
}

std::string DemoClientYaml(const DemoPaths& paths, uint16_t server_port) {
  return absl::StrCat(
      "# Written by `entropyctl demo`; not for production.\n"
      "server: \"127.0.0.1:",
      server_port,
      "\"\n"
      "tls:\n",
      TlsYaml(paths.operator_cert, paths.operator_key, "ca", paths.ca),
      "  server_name: localhost\n"
      "control: ",
      Quoted(paths.control),
      "\n"
      "class: ",
      kDemoClass, "\n");
}

std::string QemuOptions(absl::string_view socket, absl::string_view reconnect) {
  const std::string device = absl::StrCat("socket,id=egd,path=", QemuValue(socket), ",", reconnect);
  return absl::StrCat("-chardev ", ShellWord(device),
                      " -object rng-egd,id=rng0,chardev=egd "
                      "-device virtio-rng-pci,rng=rng0");
}

std::string LibvirtXml(absl::string_view socket) {
  return absl::StrCat(
      "<rng model='virtio'>\n"
      "  <backend model='egd' type='unix'>\n"
      "    <source mode='connect' path='",
      XmlAttribute(socket),
      "'>\n"
      "      <reconnect enabled='yes' timeout='1'/>\n"
      "    </source>\n"
      "  </backend>\n"
      "</rng>\n");
}

uint16_t PortNamed(absl::string_view ports_file, absl::string_view name) {
  for (absl::string_view line : absl::StrSplit(ports_file, '\n')) {
    const std::pair<absl::string_view, absl::string_view> pair =
        absl::StrSplit(line, absl::MaxSplits('=', 1));
    uint32_t port = 0;
    if (pair.first == name && absl::SimpleAtoi(pair.second, &port) && port <= 65535) {
      return static_cast<uint16_t>(port);
    }
  }
  return 0;
}

}  // namespace entropyd
