#include "hostagent/agent_config.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/class_tree/class_tree.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hostagent/config_warnings.h"
#include "tests/temp_dir.h"

namespace entropyd {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

absl::StatusOr<AgentSettings> Resolve(const std::string& rest,
                                      const std::string& servers = "[\"entropyd-0:7743\"]") {
  const std::string text =
      absl::StrCat("servers: ", servers, "\n", "tls: {cert: /c, key: /k, ca: /a}\n", rest);
  config::v1::HostAgent config;
  config::Locations locations;
  if (auto status = config::Parse(text, "agent.yaml", &config, &locations); !status.ok()) {
    return status;
  }
  return ResolveAgentConfig(config, locations);
}

std::string ErrorOf(const std::string& rest, const std::string& servers = "[\"entropyd-0:7743\"]") {
  auto settings = Resolve(rest, servers);
  EXPECT_EQ(settings.status().code(), absl::StatusCode::kInvalidArgument) << rest;
  return std::string(settings.status().message());
}

// What --check-config and a reload say; there are no files of TLS.
std::string CheckErrorOf(const std::string& rest) {
  config::v1::HostAgent config;
  config::Locations locations;
  const std::string text = absl::StrCat("servers: [a:1]\ntls: {cert: /c, key: /k, ca: /a}\n", rest);
  EXPECT_TRUE(config::Parse(text, "agent.yaml", &config, &locations).ok());
  const ManualClock clock;
  return std::string(CheckAgentConfig(config, locations, &clock).status().message());
}

constexpr char kOneListener[] = "listeners: [{path: /run/e.sock, class: default/gold}]\n";

TEST(AgentConfigTest, DefaultsAreFilledIn) {
  const AgentSettings settings = Resolve(kOneListener).value();
  ASSERT_EQ(settings.classes.size(), 1u);
  EXPECT_EQ(settings.classes[0].name, "default/gold");
  EXPECT_EQ(settings.classes[0].buffer_bytes, 256u * 1024);
  EXPECT_EQ(settings.classes[0].max_age_nanos, 60'000'000'000);
  EXPECT_EQ(settings.classes[0].guest_ceil, ClassTree::kUnlimited);
  EXPECT_EQ(settings.classes[0].on_upstream_loss, OnUpstreamLoss::kBlock);
  ASSERT_EQ(settings.listeners.size(), 1u);
  EXPECT_EQ(settings.listeners[0].mode, 0660u);
  EXPECT_EQ(settings.listeners[0].clients, config::v1::CLIENTS_AUTO);
  EXPECT_EQ(ClientsWord(settings.listeners[0].clients), "auto");
  EXPECT_EQ(settings.max_guests, 10'000u);
}

TEST(AgentConfigTest, EgdOverTcpIsForThisHostUnlessSaidOtherwise) {
  for (const char* address : {"127.0.0.1:7744", "127.1.2.3:1", "'[::1]:65535'"}) {
    const AgentSettings settings =
        Resolve(absl::StrCat("listeners: [{listen: ", address, ", class: d/e}]\n")).value();
    EXPECT_TRUE(settings.listeners[0].tcp);
  }
  for (const char* address : {"0.0.0.0:7744", "10.0.0.1:7744", "'[::]:7744'"}) {
    EXPECT_THAT(ErrorOf(absl::StrCat("listeners: [{listen: ", address, ", class: d/e}]\n")),
                HasSubstr("allow_remote: true"));
    EXPECT_TRUE(Resolve(absl::StrCat("listeners: [{listen: ", address,
                                     ", class: d/e, allow_remote: true}]\n"))
                    .ok());
  }
  for (const char* address : {"localhost:7744", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536",
                              "127.0.0.1:x", "'::1:7744'", "'[127.0.0.1]:7744'"}) {
    EXPECT_THAT(ErrorOf(absl::StrCat("listeners: [{listen: ", address, ", class: d/e}]\n")),
                HasSubstr("is not IP:PORT"));
  }
  EXPECT_THAT(ErrorOf("listeners: [{class: d/e}]\n"), HasSubstr("either `path`"));
  EXPECT_THAT(ErrorOf("listeners: [{path: /run/a.sock, listen: 127.0.0.1:1, class: d/e}]\n"),
              HasSubstr("listeners[0]: has `path` and `listen`; keep one of them"));
  EXPECT_THAT(ErrorOf("listeners: [{listen: 127.0.0.1:1, group: root, class: d/e}]\n"),
              HasSubstr("no group"));
  EXPECT_THAT(ErrorOf("listeners: [{listen: 127.0.0.1:1, class: d/e}, {listen: 127.0.0.1:1, class: "
                      "d/e}]\n"),
              HasSubstr("taken by"));
}

TEST(AgentConfigTest, APipeIsForReadersWhomNobodyKnows) {
  const AgentSettings settings = Resolve(
                                     "listeners: [{fifo: /run/entropyd/f/bulk, class: d/e}, {fifo: "
                                     "/run/entropyd/f/all, class: d/e, mode: "
                                     "\"0644\"}]\n")
                                     .value();
  EXPECT_EQ(settings.listeners[0].path, "fifo:/run/entropyd/f/bulk");
  EXPECT_EQ(settings.listeners[0].fifo, "/run/entropyd/f/bulk");
  EXPECT_EQ(settings.listeners[0].mode, 0640u);
  EXPECT_EQ(settings.listeners[1].mode, 0644u);
  const std::string longest(2'000, 'x');
  EXPECT_TRUE(Resolve(absl::StrCat("listeners: [{fifo: /", longest, ", class: d/e}]\n")).ok());
  for (const char* mode : {"0660", "0620", "0602", "0666"}) {
    EXPECT_THAT(
        ErrorOf(absl::StrCat("listeners: [{fifo: /run/f, class: d/e, mode: \"", mode, "\"}]\n")),
        testing::AllOf(HasSubstr("listeners[0].mode"), HasSubstr("lets others write")));
  }
  for (const char* key : {"clients: qemu", "identify: libvirt", "allow_remote: true"}) {
    EXPECT_THAT(ErrorOf(absl::StrCat("listeners: [{fifo: /run/f, class: d/e, ", key, "}]\n")),
                testing::AllOf(HasSubstr(std::string(key).substr(0, std::string(key).find(':'))),
                               HasSubstr("no meaning for a fifo")));
  }
  EXPECT_THAT(ErrorOf("listeners: [{fifo: f, class: d/e}]\n"), HasSubstr("not an absolute path"));
  EXPECT_THAT(ErrorOf("listeners: [{fifo: /run/f, class: d/e}, {path: /run/f, class: d/e}]\n"),
              HasSubstr("taken by"));
  for (const char* two : {"path: /run/g, fifo: /run/f", "listen: 127.0.0.1:1, fifo: /run/f",
                          "path: /run/g, listen: 127.0.0.1:1, fifo: /run/f"}) {
    EXPECT_THAT(ErrorOf(absl::StrCat("listeners: [{", two, ", class: d/e}]\n")),
                HasSubstr("and `fifo`; keep one of them"));
  }
}

TEST(AgentConfigTest, TheKernelIsFedOnlyWhenAskedAndCreditedNoMoreThanIsThere) {
  EXPECT_FALSE(Resolve(kOneListener).value().kernel_feed.has_value());
  const auto feed = [](const std::string& rest) {
    return absl::StrCat(kOneListener, "feed_kernel: {class: default/bulk", rest, "}\n");
  };
  const AgentSettings settings = Resolve(feed("")).value();
  ASSERT_TRUE(settings.kernel_feed.has_value());
  EXPECT_EQ(settings.classes[settings.kernel_feed->class_index].name, "default/bulk");
  EXPECT_EQ(settings.kernel_feed->bytes, 64u);
  EXPECT_EQ(settings.kernel_feed->every_nanos, 60'000'000'000);
  EXPECT_EQ(settings.kernel_feed->credit_bits, 0u);
  EXPECT_EQ(Resolve(feed(", credit_bits: 512")).value().kernel_feed->credit_bits, 512u);
  EXPECT_THAT(ErrorOf(feed(", credit_bits: 513")),
              testing::AllOf(HasSubstr("feed_kernel.credit_bits"), HasSubstr("at most 512")));
  EXPECT_TRUE(Resolve(feed(", bytes: 65B, credit_bits: 513")).ok());
  EXPECT_THAT(ErrorOf(feed(", bytes: 5KiB")), HasSubstr("bytes"));
  EXPECT_THAT(ErrorOf(feed(", every: 500ms")), HasSubstr("every"));
  EXPECT_THAT(ErrorOf(absl::StrCat(kOneListener, "feed_kernel: {class: bulk}\n")),
              HasSubstr("feed_kernel.class"));
  EXPECT_THAT(ErrorOf(absl::StrCat(kOneListener, "feed_kernel: {bytes: 64B}\n")),
              HasSubstr("'class' is missing"));
}

TEST(AgentConfigTest, WhatBecomesOfALossIsToldPerClassOrForAll) {
  const char kTwo[] =
      "listeners: [{path: /run/a.sock, class: default/gold}, {path: /run/b.sock, class: d/e}]\n";
  AgentSettings settings =
      Resolve(std::string(kTwo) + "classes: {default/gold: {on_upstream_loss: local}}\n").value();
  EXPECT_EQ(settings.classes[0].on_upstream_loss, OnUpstreamLoss::kLocal);
  EXPECT_EQ(settings.classes[1].on_upstream_loss, OnUpstreamLoss::kBlock);
  settings = Resolve(std::string(kTwo) +
                     "classes: {default/gold: {on_upstream_loss: block}}\n"
                     "defaults: {on_upstream_loss: local}\n")
                 .value();
  EXPECT_EQ(settings.classes[0].on_upstream_loss, OnUpstreamLoss::kBlock);
  EXPECT_EQ(settings.classes[1].on_upstream_loss, OnUpstreamLoss::kLocal);
}

TEST(AgentConfigTest, AClassOverridesTheDefaultsOneByOne) {
  const AgentSettings settings = Resolve(R"(listeners:
  - {path: /run/a.sock, class: default/gold, clients: egd, mode: "0600"}
  - {path: /run/b.sock, class: default/bulk, clients: qemu}
  - {path: /run/c.sock, class: default/gold}
classes:
  default/bulk: {guest_ceil: 64KiB/s, max_age: 5s}
  default/idle: {}
defaults: {buffer: 1MiB, guest_ceil: 1MiB/s}
)")
                                     .value();
  ASSERT_EQ(settings.classes.size(), 3u);
  EXPECT_EQ(settings.classes[0].name, "default/gold");
  EXPECT_EQ(settings.classes[0].guest_ceil, 1u << 20);
  EXPECT_EQ(settings.classes[1].name, "default/bulk");
  EXPECT_EQ(settings.classes[1].guest_ceil, 64u << 10);
  EXPECT_EQ(settings.classes[1].buffer_bytes, 1u << 20);
  EXPECT_EQ(settings.classes[1].max_age_nanos, 5'000'000'000);
  EXPECT_EQ(settings.listeners[0].mode, 0600u);
  EXPECT_EQ(ClientsWord(settings.listeners[0].clients), "egd");
  EXPECT_EQ(settings.listeners[1].class_index, 1u);
  EXPECT_EQ(settings.listeners[2].class_index, 0u);
  EXPECT_EQ(settings.classes[2].name, "default/idle");
}

TEST(AgentConfigTest, NobodyIsIdentifiedUnlessAskedFor) {
  const AgentSettings settings = Resolve(R"(listeners:
  - {path: /run/a.sock, class: default/gold}
  - {path: /run/b.sock, class: default/gold, identify: libvirt}
  - {path: /run/c.sock, class: default/gold, identify: cgroup, unknown: refuse}
)")
                                     .value();
  EXPECT_EQ(settings.listeners[0].identify, config::v1::IDENTIFY_NONE);
  EXPECT_EQ(IdentifyWord(settings.listeners[0].identify), "none");
  EXPECT_FALSE(settings.listeners[0].refuse_unknown);
  EXPECT_EQ(settings.listeners[1].identify, config::v1::IDENTIFY_LIBVIRT);
  EXPECT_EQ(IdentifyWord(settings.listeners[1].identify), "libvirt");
  EXPECT_FALSE(settings.listeners[1].refuse_unknown);
  EXPECT_EQ(settings.listeners[2].identify, config::v1::IDENTIFY_CGROUP);
  EXPECT_EQ(IdentifyWord(settings.listeners[2].identify), "cgroup");
  EXPECT_TRUE(settings.listeners[2].refuse_unknown);
  EXPECT_THAT(ErrorOf("listeners: [{path: /run/e.sock, class: default/gold, unknown: refuse}]\n"),
              testing::AllOf(HasSubstr("listeners[0].unknown"), HasSubstr("identify: libvirt")));
}

TEST(AgentConfigTest, AGroupMayBeANumber) {
  for (const char* group : {"107", "\"107\"", "4294967294"}) {
    const auto settings = Resolve(absl::StrCat(
        "listeners: [{path: /run/e.sock, class: default/gold, group: ", group, "}]\n"));
    EXPECT_TRUE(settings.ok()) << settings.status();
  }
  EXPECT_THAT(ErrorOf("listeners: [{path: /run/e.sock, class: d/e, group: \"4294967295\"}]\n"),
              HasSubstr("a group's number is 0 to"));
}

TEST(AgentConfigTest, AGroupThatCannotBeSaysWhy) {
  const auto error = [](const std::string& group) {
    return ErrorOf(
        absl::StrCat("listeners: [{path: /run/e.sock, class: d/e, group: ", group, "}]\n"));
  };
  EXPECT_THAT(error("\"-1\""), HasSubstr("begins with '-'"));
  EXPECT_THAT(error("\"107 \""), HasSubstr("has the character ' '"));
  EXPECT_THAT(error("\"\""),
              testing::AllOf(HasSubstr("listeners[0].group"), HasSubstr("is empty")));
}

TEST(AgentConfigTest, ADirectoryThatIsMissingIsAMistypedPathUnlessTheAgentStarts) {
  TempDir dir;
  const auto listen = [&](const std::string& path, const std::string& key = "path") {
    return absl::StrCat("control: ", dir / "run/agent.sock", "\nlisteners: [{", key, ": ", path,
                        ", class: d/e}]\n");
  };
  for (const char* key : {"path", "fifo"}) {
    EXPECT_THAT(CheckErrorOf(listen(dir / "rnu/egd.sock", key)),
                testing::AllOf(HasSubstr(absl::StrCat("listeners[0].", key)),
                               HasSubstr(absl::StrCat("there is no directory ", dir / "rnu"))));
  }
  EXPECT_THAT(CheckErrorOf(listen(dir / "run2/egd.sock")), HasSubstr("there is no directory"));
  for (const char* path : {"egd.sock", "run/egd.sock", "run/vhost/egd.sock"}) {
    EXPECT_THAT(CheckErrorOf(listen(dir / path)), testing::Not(HasSubstr("there is no directory")))
        << path;
  }
  EXPECT_TRUE(Resolve(listen(dir / "rnu/egd.sock")).ok()) << "a boot may have emptied it";
}

// Listeners and pipes wait; without its control socket nobody could tell the agent anything.
TEST(AgentConfigTest, TheDirectoryOfTheControlSocketIsSafeWheneverItStarts) {
  const TempDir dir;
  const std::string open = dir / "open";
  ASSERT_TRUE(std::filesystem::create_directory(open));
  std::filesystem::permissions(open, std::filesystem::perms::all);
  const std::string listener =
      absl::StrCat("listeners: [{path: ", open, "/egd.sock, class: d/e}]\n");
  EXPECT_TRUE(Resolve(absl::StrCat("control: ", dir / "agent.sock", "\n", listener)).ok());
  EXPECT_THAT(ErrorOf(absl::StrCat("control: ", open, "/agent.sock\n", kOneListener)),
              AllOf(HasSubstr("control"), HasSubstr(open + " may be written by others")));
}

TEST(AgentConfigTest, AClassNameThatCannotBeSaysByWhichCharacter) {
  const auto error = [](const std::string& name) {
    return ErrorOf(absl::StrCat("listeners: [{path: /run/e.sock, class: ", name, "}]\n"));
  };
  EXPECT_THAT(error("\"default/go ld\""), HasSubstr("CLASS: 'go ld' has the character ' '"));
  EXPECT_THAT(error("\"def:ault/gold\""), HasSubstr("POOL: 'def:ault' has the character ':'"));
  EXPECT_THAT(error("default/"), HasSubstr("CLASS: it is empty"));
  EXPECT_THAT(error("a/b/c"), HasSubstr("write POOL/CLASS"));
}

TEST(AgentConfigTest, EveryErrorSaysWhere) {
  EXPECT_THAT(ErrorOf("listeners: [{path: egd.sock, class: default/gold}]\n"),
              testing::AllOf(HasSubstr("agent.yaml:3:"), HasSubstr("listeners[0].path"),
                             HasSubstr("not an absolute path")));
  EXPECT_THAT(ErrorOf("listeners: [{path: /run/e.sock, class: gold}]\n"),
              testing::AllOf(HasSubstr("listeners[0].class"), HasSubstr("POOL/CLASS")));
  EXPECT_THAT(ErrorOf("listeners: [{path: /run/e.sock, class: default/gold, mode: \"0888\"}]\n"),
              testing::AllOf(HasSubstr("listeners[0].mode"), HasSubstr("0888")));
  EXPECT_THAT(ErrorOf("listeners: [{path: /run/e.sock, class: default/gold, group: no-such}]\n"),
              testing::AllOf(HasSubstr("listeners[0].group"), HasSubstr("no-such")));
  EXPECT_THAT(ErrorOf(absl::StrCat(kOneListener, "classes: {gold: {buffer: 8KiB}}\n")),
              testing::AllOf(HasSubstr("agent.yaml:4:"), HasSubstr("POOL/CLASS")));
}

TEST(AgentConfigTest, AllErrorsAreToldAtOnce) {
  const std::string errors = ErrorOf(R"(listeners:
  - {path: x, class: default/gold}
  - {path: /run/e.sock, class: default//gold}
)",
                                     "[\"nowhere\"]");
  EXPECT_THAT(errors, HasSubstr("agent.yaml:1:"));
  EXPECT_THAT(errors, HasSubstr("agent.yaml:4:"));
  EXPECT_THAT(errors, HasSubstr("agent.yaml:5:"));
}

TEST(AgentConfigTest, ServersNeedAPortAndAreListedOnce) {
  for (const char* bad : {"[\"host\"]", "[\"host:0\"]", "[\"host:70000\"]", "[\":7743\"]",
                          "[\"host:x\"]", "[\"https://host:7743\"]", "[\"::1:7743\"]"}) {
    EXPECT_THAT(ErrorOf(kOneListener, bad), HasSubstr("is not HOST:PORT")) << bad;
  }
  EXPECT_THAT(ErrorOf(kOneListener, "[\"a:1\", \"a:1\"]"), HasSubstr("listed twice"));
  EXPECT_TRUE(Resolve(kOneListener, "[\"[::1]:7743\", \"b:7743\"]").ok());
}

TEST(AgentConfigTest, TwoSocketsCannotShareAPath) {
  EXPECT_THAT(ErrorOf(R"(listeners:
  - {path: /run/e.sock, class: default/gold}
  - {path: /run/e.sock, class: default/bulk}
)"),
              HasSubstr("is taken by listeners[0].path already"));
  EXPECT_THAT(ErrorOf(absl::StrCat(kOneListener, "control: /run/e.sock\n")),
              HasSubstr("is taken by control already"));
}

TEST(AgentConfigTest, ASocketsPathHasALimit) {
  EXPECT_THAT(ErrorOf(absl::StrCat("listeners: [{path: /", std::string(107, 'x'),
                                   ", class: default/gold}]\n")),
              HasSubstr("at most 107 characters"));
}

TEST(AgentConfigTest, TwoSpellingsOfOnePathAreOnePath) {
  for (const char* other : {"/run//t/egd.sock", "/run/./t/egd.sock", "/run/u/../t/egd.sock"}) {
    EXPECT_THAT(ErrorOf(absl::StrCat("listeners: [{path: /run/t/egd.sock, class: d/e}, {path: ",
                                     other, ", class: d/e}]\n")),
                HasSubstr("is taken by listeners[0].path already"))
        << other;
  }
  TempDir dir;
  std::filesystem::create_directory(dir / "real");
  std::filesystem::create_directory_symlink(dir / "real", dir / "link");
  EXPECT_THAT(ErrorOf(absl::StrCat("listeners: [{fifo: ", dir / "real/x",
                                   ", class: d/e}, {path: ", dir / "link/x", ", class: d/e}]\n")),
              HasSubstr("is taken by listeners[0].fifo already"));
  EXPECT_THAT(ErrorOf("listeners: [{listen: 127.0.0.1:1, class: d/e}, {listen: 127.0.0.1:01, "
                      "class: d/e}]\n"),
              HasSubstr("'127.0.0.1:01' is taken by listeners[0] already"));
}

TEST(AgentConfigTest, WhatIsInTheWayOfASocketIsRefusedBeforeTheStart) {
  TempDir dir;
  const auto listen_at = [&](const std::string& kind, const std::string& name) {
    return absl::StrCat("listeners: [{", kind, ": ", dir / name, ", class: d/e}]\n");
  };
  std::filesystem::create_directory(dir / "directory");
  ASSERT_TRUE(std::ofstream(dir / "file").good());
  ASSERT_EQ(mkfifo((dir / "pipe").c_str(), 0600), 0);
  for (const char* name : {"directory", "file", "pipe"}) {
    EXPECT_THAT(ErrorOf(listen_at("path", name)),
                HasSubstr("is there and is no socket; choose another path"))
        << name;
  }
  for (const char* name : {"directory", "file"}) {
    EXPECT_THAT(ErrorOf(listen_at("fifo", name)), HasSubstr("is there and is no pipe")) << name;
  }
  EXPECT_THAT(ErrorOf(listen_at("path", "file/socket")), HasSubstr("leads through a file"));
  EXPECT_TRUE(Resolve(listen_at("fifo", "pipe")).ok()) << "of an earlier process";
  EXPECT_TRUE(Resolve(listen_at("path", "not-yet")).ok());
}

TEST(AgentConfigTest, TheSocketForSuccessorsIsTakenAndHasALimitToo) {
  const std::string longest = absl::StrCat("/", std::string(97, 'x'));  // + ".handover" = 107
  EXPECT_TRUE(Resolve(absl::StrCat(kOneListener, "control: ", longest, "\n")).ok());
  EXPECT_EQ(ErrorOf(absl::StrCat(kOneListener, "control: ", longest, "x\n")),
            absl::StrCat("agent.yaml:4:10: control: a socket's path has at most 107 characters, '",
                         longest, "x.handover' beside it has 108"));
  EXPECT_THAT(ErrorOf("control: /run/c\nlisteners: [{path: /run/c.handover, class: d/e}]\n"),
              HasSubstr("is taken by control already"));
}

TEST(AgentConfigTest, ASocketOfAGuestFitsBelowTheControlSocketsDirectory) {
  // + "/guest/x.sock" = 107
  const std::string directory = absl::StrCat("/", std::string(93, 'x'));
  const auto control = [](const std::string& in) {
    return absl::StrCat("listeners: [{path: ", in, "/e.sock, class: d/e}]\ncontrol: ", in, "/c\n");
  };
  EXPECT_THAT(CheckErrorOf(control(directory)), testing::Not(HasSubstr("shortest name")));
  EXPECT_THAT(CheckErrorOf(control(directory + "x")),
              testing::AllOf(HasSubstr("control: a socket's path has at most 107 characters"),
                             HasSubstr("x/guest/x.sock'"), HasSubstr("has 108")));
  EXPECT_TRUE(Resolve(control(directory + "x")).ok()) << "it serves without such sockets";
}

TEST(AgentConfigTest, AnAddressOfMetricsHasAPort) {
  EXPECT_EQ(ErrorOf(absl::StrCat(kOneListener, "metrics: foo\n")),
            "agent.yaml:4:10: metrics: 'foo' is no address; write HOST:PORT or [IPV6]:PORT");
  EXPECT_TRUE(Resolve(absl::StrCat(kOneListener, "metrics: \"\"\n")).ok());
}

TEST(AgentConfigTest, AStateDirIsAnAbsoluteDirectory) {
  EXPECT_EQ(ErrorOf(absl::StrCat(kOneListener, "state_dir: state\n")),
            "agent.yaml:4:12: state_dir: 'state' is not an absolute path");
  EXPECT_THAT(ErrorOf(absl::StrCat(kOneListener, "state_dir: /proc/version\n")),
              HasSubstr("agent.yaml:4:12: state_dir: '/proc/version' is a file"));
}

TEST(AgentConfigTest, MoreClassesThanAStreamHasChannelsAreRefused) {
  std::string text = "listeners:\n";
  for (int i = 0; i < 65; ++i) {
    absl::StrAppend(&text, "  - {path: /run/", i, ".sock, class: default/c", i, "}\n");
  }
  EXPECT_THAT(ErrorOf(text), HasSubstr("at most 64"));
}

TEST(AgentConfigTest, NoSocketAndNoPipeIsMadeWhereNoFileCanBe) {
  for (const char* listener : {"path: /proc/e.sock", "fifo: /proc/pipe"}) {
    const std::string text = absl::StrCat("listeners: [{class: a/b, ", listener, "}]\n");
    EXPECT_THAT(CheckErrorOf(text), HasSubstr("' cannot be kept in /proc: ")) << listener;
  }
  EXPECT_THAT(CheckErrorOf(absl::StrCat(kOneListener, "control: /proc/agent.sock\n")),
              HasSubstr("control: '/proc/agent.sock' cannot be kept in /proc: "));
}

TEST(AgentConfigTest, TheAddressOfMetricsIsNoListenersAndThisMachines) {
  const std::string tcp = "listeners: [{listen: \"127.0.0.1:7744\", class: default/gold}]\n";
  EXPECT_THAT(ErrorOf(tcp + "metrics: 0.0.0.0:7744\n"),
              HasSubstr("metrics: '0.0.0.0:7744' is taken by listeners[0].listen already"));
  EXPECT_TRUE(Resolve(tcp + "metrics: 127.0.0.1:9744\n").ok());
  const std::string unknown = absl::StrCat(kOneListener, "metrics: no-such-host.invalid:9744\n");
  EXPECT_TRUE(Resolve(unknown).ok()) << "a start waits for it";
  EXPECT_THAT(CheckErrorOf(unknown), HasSubstr("metrics: listen on no-such-host.invalid:9744: "));
}

// Behind two lines.
std::string WarningsOf(const std::string& rest) {
  const std::string text = absl::StrCat("servers: [a:1]\ntls: {cert: /c, key: /k, ca: /a}\n", rest);
  config::v1::HostAgent config;
  config::Locations locations;
  const absl::Status parsed = config::Parse(text, "agent.yaml", &config, &locations);
  EXPECT_TRUE(parsed.ok()) << parsed;
  return absl::StrJoin(AgentConfigWarnings(config, locations), "\n");
}

std::string WithListener(const std::string& keys, const std::string& rest = "") {
  return absl::StrCat("listeners: [{class: default/gold, ", keys, "}]\n", rest);
}

TEST(AgentConfigWarningsTest, AKeyThatDoesNothingBesideTheOthersIsNamedWithItsPlace) {
  EXPECT_EQ(WarningsOf(WithListener("path: /run/e.sock, mode: \"0660\"")), "");
  EXPECT_THAT(WarningsOf(WithListener("path: /run/e.sock, allow_remote: true")),
              StartsWith("agent.yaml:3:68: listeners[0].allow_remote: does nothing: a unix"));
  EXPECT_THAT(WarningsOf(WithListener("listen: \"127.0.0.1:7744\", mode: \"0660\"")),
              HasSubstr("listeners[0].mode: does nothing: a TCP port has no mode"));
  EXPECT_THAT(WarningsOf(WithListener("listen: \"127.0.0.1:7744\", allow_remote: true")),
              HasSubstr("allow_remote: does nothing: nobody else reaches a loopback address"));
  EXPECT_EQ(WarningsOf(WithListener("listen: \"192.0.2.1:7744\", allow_remote: true")), "");
  const std::string socket = WithListener("path: /run/e.sock");
  EXPECT_THAT(WarningsOf(socket + "metrics: \"\"\nguest_metrics: all\n"),
              HasSubstr("agent.yaml:5:16: guest_metrics: does nothing without an address"));
  EXPECT_EQ(WarningsOf(socket + "metrics: \"\"\n"), "") << "the default is nobody's fault";
  EXPECT_EQ(WarningsOf(socket + "max_guests: 16\nmax_connections_per_guest: 16\n"), "");
  EXPECT_THAT(WarningsOf(socket + "max_guests: 16\nmax_connections_per_guest: 17\n"),
              HasSubstr("max_connections_per_guest: does nothing above max_guests (16)"));
  EXPECT_THAT(WarningsOf(socket + "libvirt_dir: /run/libvirt/qemu\n"),
              HasSubstr("libvirt_dir: does nothing: no listener has identify: libvirt"));
}

TEST(AgentConfigWarningsTest, AKeyThatEverybodyMayReadIsNamed) {
  const TempDir dir;
  const std::string key = dir / "tls.key";
  std::ofstream(key) << "secret";
  config::v1::HostAgent config;
  config::Locations locations;
  const std::string text = absl::StrCat("servers: [a:1]\ntls: {cert: /c, key: ", key, ", ca: /a}\n",
                                        WithListener("path: /run/e.sock"));
  ASSERT_TRUE(config::Parse(text, "agent.yaml", &config, &locations).ok());
  std::filesystem::permissions(key, std::filesystem::perms(0644));
  EXPECT_THAT(absl::StrJoin(AgentConfigWarnings(config, locations), "\n"),
              StartsWith(absl::StrCat("agent.yaml:2:22: tls.key: everybody may read ", key)));
  std::filesystem::permissions(key, std::filesystem::perms(0640));
  EXPECT_TRUE(AgentConfigWarnings(config, locations).empty());
}

TEST(AgentConfigWarningsTest, WhoIdentifiesByLibvirtIsToldThatItIsNotThere) {
  const TempDir dir;
  const std::string listener =
      WithListener("path: /run/e.sock, identify: libvirt", "libvirt_dir: ");
  EXPECT_THAT(WarningsOf(absl::StrCat(listener, dir / "none", "\n")),
              StartsWith(absl::StrCat("agent.yaml:3:64: listeners[0].identify: libvirt is not ",
                                      "there: it keeps its status files in ", dir / "none")));
  EXPECT_EQ(WarningsOf(absl::StrCat(listener, dir.path(), "\n")), "");
  std::ofstream(dir / "file") << "no directory";
  EXPECT_THAT(WarningsOf(absl::StrCat(listener, dir / "file", "\n")), HasSubstr("is not there"));
}

}  // namespace
}  // namespace entropyd
