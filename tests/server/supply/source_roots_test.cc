// One generator under two names, in a configuration of two sources. Each pair has one root,
// whatever `group:` says, so it can never be two groups of a pool.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/config/config.h"
#include "base/process/fd.h"
#include "server/supply/supply.h"
#include "tests/temp_dir.h"

namespace entropyd {
namespace {

using ::testing::HasSubstr;

class SourceRootsTest : public ::testing::Test {
 protected:
  // Checks a pool of these two sources that asks for two groups.
  absl::Status Check(const std::string& a, const std::string& b) {
    const std::string yaml = absl::StrCat(
        "tls: {cert: c, key: k, client_ca: a}\nallow_software: true\nsources:\n  - {name: a, ", a,
        "}\n  - {name: b, ", b,
        "}\npools:\n  - {name: default, sources: [a, b], min_healthy_groups: 2, classes: [{name: "
        "root, rate: 1MiB/s}]}\n");
    config::v1::Server server;
    config::Locations locations;
    if (absl::Status s = config::Parse(yaml, "server.yaml", &server, &locations); !s.ok()) return s;
    return Supply::Check(server, locations);
  }
  void ExpectOneRoot(const std::string& a, const std::string& b) {
    const absl::Status status = Check(a, b);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << a << " and " << b;
    EXPECT_THAT(std::string(status.message()),
                HasSubstr("2 groups, but the credited sources form 1"))
        << a << " and " << b;
  }
  void ExpectTwoRoots(const std::string& a, const std::string& b) {
    const absl::Status status = Check(a, b);
    EXPECT_TRUE(status.ok()) << a << " and " << b << ": " << status;
  }
  static std::string Device(const std::string& path, const char* more = "") {
    return absl::StrCat("driver: char_device, path: ", path, more);
  }
  // Makes a device node in the test's directory.
  static bool MakeNode(const std::string& path, dev_t number) {
    return mknod(path.c_str(), S_IFCHR | 0600, number) == 0;
  }
  // Device 0:0 is none, so everybody may make its nodes: overlayfs marks deleted files with them.
  // An overlayfs itself refuses them, and there CAP_MKNOD helps.
  static constexpr dev_t kNoDevice = 0;
  // The devices whose nodes this process may make: /dev/hwrng, none, or both.
  std::vector<dev_t> MayMake() {
    std::vector<dev_t> may;
    for (const dev_t number : {makedev(10, 183), kNoDevice}) {
      if (MakeNode(dir_ / "probe", number)) may.push_back(number);
      unlink((dir_ / "probe").c_str());
    }
    EXPECT_FALSE(may.empty()) << "TMPDIR is an overlayfs, and CAP_MKNOD is missing";
    return may;
  }
  std::string Fresh(const char* name) { return dir_ / absl::StrCat(name, ++files_); }

  TempDir dir_;

 private:
  int files_ = 0;
};

TEST_F(SourceRootsTest, M7_LinkToADeviceIsTheDevice) {
  for (const dev_t number : MayMake()) {
    const std::string node = Fresh("node"), soft = Fresh("link"), hard = Fresh("hard");
    ASSERT_TRUE(MakeNode(node, number));
    ASSERT_EQ(symlink(node.c_str(), soft.c_str()), 0);
    ASSERT_EQ(link(node.c_str(), hard.c_str()), 0);
    ExpectOneRoot(Device(node), Device(soft));
    ExpectOneRoot(Device(node), Device(hard));
    ExpectOneRoot(Device(node, ", group: x"), Device(soft, ", group: y"));
  }
}

TEST_F(SourceRootsTest, M7_SecondNodeOfADeviceIsTheDevice) {
  const UniqueFd terminal(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  ASSERT_TRUE(terminal && grantpt(terminal.get()) == 0);
  for (const dev_t number : MayMake()) {
    const std::string one = Fresh("one"), two = Fresh("two");
    ASSERT_TRUE(MakeNode(one, number));
    ASSERT_TRUE(MakeNode(two, number));
    ExpectOneRoot(Device(one), Device(two));
    ExpectOneRoot(Device(one, ", group: x, min_entropy_bits_per_byte: 1"),
                  Device(two, ", group: y, min_entropy_bits_per_byte: 1"));
    ExpectTwoRoots(Device(one), Device(ptsname(terminal.get())));
  }
}

TEST_F(SourceRootsTest, M7_FifoByTwoPathsIsOne) {
  ASSERT_EQ(mkfifo((dir_ / "fifo").c_str(), 0600), 0);
  ASSERT_EQ(mkfifo((dir_ / "other").c_str(), 0600), 0);
  ASSERT_EQ(symlink("fifo", (dir_ / "link").c_str()), 0);
  ASSERT_EQ(link((dir_ / "fifo").c_str(), (dir_ / "hard").c_str()), 0);
  ExpectOneRoot(Device(dir_ / "fifo"), Device(dir_ / "link"));
  ExpectOneRoot(Device(dir_ / "fifo"), Device(dir_ / "hard"));
  ExpectTwoRoots(Device(dir_ / "fifo"), Device(dir_ / "other"));
}

TEST_F(SourceRootsTest, M7_AbsentDeviceIsKnownByItsPath) {
  ExpectOneRoot(Device("/dev/no-such"), Device("/dev/../dev/no-such"));
  ExpectOneRoot(Device("/dev/no-such", ", group: x"), Device("/dev/no-such", ", group: y"));
  ExpectTwoRoots(Device("/dev/no-such"), Device("/dev/no-such-either"));
}

TEST_F(SourceRootsTest, M7_OneProcessorIsOneRootWhateverTheGroupSays) {
  ExpectOneRoot("driver: rdrand, group: x", "driver: rdseed, group: y");
  ExpectOneRoot("driver: rdseed, group: x", "driver: jitter, group: y");
}

TEST_F(SourceRootsTest, M7_TpmIsOneByEveryTcti) {
  const auto tpm = [](const char* tcti, const char* group) {
    return absl::StrCat("driver: tpm2, tcti: \"", tcti, "\", group: ", group);
  };
  ExpectOneRoot(tpm("device:/dev/tpmrm0", "x"), tpm("device:/dev/tpm0", "y"));
  ExpectOneRoot(tpm("device:/dev/tpmrm0", "x"), tpm("device", "y"));
  ExpectOneRoot(tpm("device:/dev/tpmrm0", "x"), tpm("tabrmd", "y"));
  ExpectOneRoot(tpm("device:/dev/tpmrm0", "x"),
                tpm("libtss2-tcti-tabrmd.so.0:bus_type=system", "y"));
  ExpectTwoRoots(tpm("device:/dev/tpmrm0", "x"), tpm("device:/dev/tpmrm1", "y"));
}

TEST_F(SourceRootsTest, M7_TpmIsOneByItsPkcs11Module) {
  ExpectOneRoot("driver: tpm2, tcti: \"device:/dev/tpmrm0\", group: x",
                "driver: pkcs11, module: /usr/lib/libtpm2_pkcs11.so.1, token: t, group: y");
  ExpectOneRoot("driver: pkcs11, module: /usr/lib/libtpm2_pkcs11.so.1, token: t, group: x",
                "driver: pkcs11, module: /usr/lib/libtpm2_pkcs11.so.1, token: u, group: y");
}

TEST_F(SourceRootsTest, M7_EgdDaemonIsOneByEveryAddress) {
  const auto tcp = [](const char* address, const char* group) {
    return absl::StrCat("driver: egd, address: \"", address,
                        "\", min_entropy_bits_per_byte: 1, group: ", group);
  };
  ExpectOneRoot(tcp("127.0.0.1:8888", "x"), tcp("[::1]:8888", "y"));
  ExpectOneRoot(tcp("127.0.0.1:8888", "x"), tcp("127.0.0.2:8888", "y"));
  ExpectTwoRoots(tcp("127.0.0.1:8888", "x"), tcp("127.0.0.1:8889", "y"));

  UniqueFd socket_fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un at{};
  at.sun_family = AF_UNIX;
  const std::string path = dir_ / "egd";
  std::memcpy(at.sun_path, path.data(), path.size());
  ASSERT_EQ(bind(socket_fd.get(), reinterpret_cast<sockaddr*>(&at), sizeof(at)), 0);
  ASSERT_EQ(symlink("egd", (dir_ / "link").c_str()), 0);
  const auto local = [](const std::string& where, const char* group) {
    return absl::StrCat("driver: egd, path: ", where,
                        ", min_entropy_bits_per_byte: 1, group: ", group);
  };
  ExpectOneRoot(local(path, "x"), local(dir_ / "link", "y"));
  ExpectTwoRoots(local(path, "x"), local(dir_ / "other", "y"));
}

TEST_F(SourceRootsTest, M7_TokenIsOneByTwoPathsOfItsModule) {
  UniqueFd module(open((dir_ / "module.so").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  ASSERT_TRUE(module);
  ASSERT_EQ(symlink("module.so", (dir_ / "link.so").c_str()), 0);
  const auto token = [](const std::string& path, const char* label, const char* group) {
    return absl::StrCat("driver: pkcs11, module: ", path, ", token: ", label, ", group: ", group);
  };
  ExpectOneRoot(token(dir_ / "module.so", "t", "x"), token(dir_ / "link.so", "t", "y"));
  ExpectTwoRoots(token(dir_ / "module.so", "t", "x"), token(dir_ / "link.so", "u", "y"));
}

TEST_F(SourceRootsTest, M7_UpstreamIsOneByEverySpelling) {
  const auto far = [](const char* address, const char* group) {
    return absl::StrCat("driver: upstream, address: \"", address,
                        "\", class: d/b, tls: {cert: c, key: k, ca: a}, "
                        "min_entropy_bits_per_byte: 1, group: ",
                        group);
  };
  ExpectOneRoot(far("localhost:7743", "x"), far("127.0.0.1:7743", "y"));
  ExpectOneRoot(far("localhost:7743", "x"), far("[::1]:7743", "y"));
  ExpectOneRoot(far("Entropyd-0.example.:7743", "x"), far("entropyd-0.example:7743", "y"));
  ExpectTwoRoots(far("entropyd-0:7743", "x"), far("entropyd-1:7743", "y"));
}

// Only the serial numbers tell whether these are one device, and only when they are open.
TEST(SourceRootsWarningTest, TwoTokensOfOneModuleAreToldOf) {
  const auto warnings = [](const std::string& a, const std::string& b) {
    config::v1::Server server;
    config::Locations locations;
    const absl::Status parsed = config::Parse(
        absl::StrCat(
            "tls: {cert: c, key: k, client_ca: a}\nsources:\n  - {name: a, driver: pkcs11, ", a,
            "}\n  - {name: b, driver: pkcs11, ", b,
            "}\npools:\n  - {name: default, sources: [a, b], classes: [{name: root, "
            "rate: 1MiB/s}]}\n"),
        "server.yaml", &server, &locations);
    EXPECT_TRUE(parsed.ok()) << parsed;
    std::vector<std::string> lines;
    EXPECT_TRUE(Supply::Check(server, locations, &lines).ok());
    return lines;
  };
  const TempDir dir;
  for (const char* name : {"hsm.so", "other.so"}) std::ofstream(dir / name) << "x";
  const std::string hsm = absl::StrCat("module: ", dir / "hsm.so");
  const std::string other = absl::StrCat("module: ", dir / "other.so");
  const std::vector<std::string> told = warnings(
      absl::StrCat(hsm, ", token: t"), absl::StrCat("module: ", dir / "./hsm.so", ", token: u"));
  ASSERT_EQ(told.size(), 1u);
  EXPECT_THAT(told[0], HasSubstr("server.yaml:4:"));
  EXPECT_THAT(told[0], HasSubstr("'b' and 'a' are tokens of one module"));
  EXPECT_THAT(warnings(absl::StrCat(hsm, ", token: t"), absl::StrCat(other, ", token: u")),
              ::testing::IsEmpty());
  EXPECT_THAT(warnings(absl::StrCat(hsm, ", token: t, group: hsm"),
                       absl::StrCat(hsm, ", token: u, group: hsm")),
              ::testing::IsEmpty())
      << "it is known";
}

}  // namespace
}  // namespace entropyd
