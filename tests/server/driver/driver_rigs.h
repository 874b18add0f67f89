// Every driver with a device that a test controls: a FIFO, a daemon on a socket, the real SoftHSM
// and swtpm, a module made for the tests. A test cannot control the processor, so its drivers use
// the real one.
#pragma once

#include <dlfcn.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <p11-kit/pkcs11.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "base/process/fd.h"
#include "server/driver/char_device_driver.h"
#include "server/driver/egd_driver.h"
#include "server/driver/getrandom_driver.h"
#include "server/driver/jitter_driver.h"
#include "server/driver/pkcs11_driver.h"
#include "server/driver/rdrand_driver.h"
#include "server/driver/rdseed_driver.h"
#include "server/driver/tpm2_driver.h"
#include "tests/server/driver/fake_egd_server.h"
#include "tests/server/driver/pkcs11_module.h"
#include "tests/temp_dir.h"

namespace entropyd {

// A driver with its device. The test can stall the device, break it, pull it out, and make it lie.
// A rig whose device cannot do such a thing declares a kCannot… that says why, and the tests of
// that fault are made without it.
class Rig {
 public:
  // nullptr = it can.
  static constexpr const char* kCannotStall = nullptr;
  static constexpr const char* kCannotUnplug = nullptr;
  static constexpr const char* kCannotBreak = nullptr;
  static constexpr const char* kCannotLie = nullptr;

  virtual ~Rig() = default;
  virtual std::unique_ptr<SourceDriver> MakeDriver() = 0;
  virtual config::v1::SourceConfig Config() = 0;
  static bool present() { return true; }  // false: this machine has no such device

  // Makes some bytes readable, when the device does not do that by itself.
  virtual void Supply() {}

  // The device is there and says nothing; Resume() ends that. A Read() after Stall() and Drain()
  // gives nothing.
  virtual void Stall() {}
  virtual void Resume() {}

  virtual void Unplug() {}
  virtual void Replug() {}

  // The device answers with an error; Mend() ends that.
  virtual void Break() {}
  virtual void Mend() {}

  // From now on the device repeats itself.
  virtual void Lie() {}
};

// A FIFO stands for any character device: what the test writes, the device "samples".
class FifoRig final : public Rig {
 public:
  FifoRig() {
    EXPECT_EQ(mkfifo(path_.c_str(), 0600), 0);
    Replug();
  }
  std::unique_ptr<SourceDriver> MakeDriver() override {
    return CharDeviceDriver::Create(Config(), CharDeviceDriver::Identify(Config()));
  }
  config::v1::SourceConfig Config() override {
    config::v1::SourceConfig config;
    config.set_driver("char_device");
    config.set_path(path_);
    return config;
  }
  void Stall() override { stalled_ = true; }
  void Resume() override { stalled_ = false; }
  void Unplug() override { writer_.reset(); }
  void Replug() override { writer_.reset(open(path_.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC)); }
  static constexpr const char* kCannotBreak =
      "read(2) of a FIFO fails in no other way than by its writer's end, which is Unplug()";
  void Lie() override { Write(std::vector<uint8_t>(32768, 0x5a)); }
  void Supply() override {
    if (stalled_) return;
    std::vector<uint8_t> samples(256);
    for (uint8_t& b : samples) b = static_cast<uint8_t>(generator_());
    Write(samples);
  }
  void Write(const std::vector<uint8_t>& samples) {
    ASSERT_EQ(write(writer_.get(), samples.data(), samples.size()),
              static_cast<ssize_t>(samples.size()));
  }
  const std::string& path() const { return path_; }

 private:
  std::mt19937 generator_{3};
  const TempDir directory_;
  const std::string path_ = directory_ / "device";
  UniqueFd writer_;
  bool stalled_ = false;
};

// An instruction of this machine's processor. It is always there or never, and a test cannot
// control it. The driver's own tests try its faults with a fake instruction.
class ProcessorRig : public Rig {
 private:
  static constexpr char kWhy[] =
      "a processor cannot be told to do this; the driver's own tests do it with a fake instruction";

 public:
  static constexpr const char* kCannotStall = kWhy;
  static constexpr const char* kCannotUnplug = kWhy;
  static constexpr const char* kCannotBreak = kWhy;
  static constexpr const char* kCannotLie = kWhy;

 protected:
  // As any shell user sees it. The drivers find it in another way.
  static bool HasFlag(const std::string& name) {
    std::ifstream cpuinfo("/proc/cpuinfo");
    const std::string text((std::istreambuf_iterator<char>(cpuinfo)), {});
    return text.find(" " + name + " ") != std::string::npos;
  }
};

class RdrandRig final : public ProcessorRig {
 public:
  std::unique_ptr<SourceDriver> MakeDriver() override {
    return RdrandDriver::Create(Config(), RdrandDriver::Identify(Config()));
  }
  config::v1::SourceConfig Config() override {
    config::v1::SourceConfig config;
    config.set_driver("rdrand");
    return config;
  }
  static bool present() { return HasFlag("rdrand"); }
};

class RdseedRig final : public ProcessorRig {
 public:
  std::unique_ptr<SourceDriver> MakeDriver() override {
    return RdseedDriver::Create(Config(), RdseedDriver::Identify(Config()));
  }
  config::v1::SourceConfig Config() override {
    config::v1::SourceConfig config;
    config.set_driver("rdseed");
    return config;
  }
  static bool present() { return HasFlag("rdseed"); }
};

class JitterRig final : public ProcessorRig {
 public:
  std::unique_ptr<SourceDriver> MakeDriver() override {
    return JitterDriver::Create(Config(), JitterDriver::Identify(Config()));
  }
  config::v1::SourceConfig Config() override {
    config::v1::SourceConfig config;
    config.set_driver("jitter");
    return config;
  }
};

// A daemon on a socket of this process.
class EgdRig : public Rig {
 public:
  explicit EgdRig(bool over_tcp) : over_tcp_(over_tcp) {}
  std::unique_ptr<SourceDriver> MakeDriver() override {
    return EgdDriver::Create(Config(), EgdDriver::Identify(Config()));
  }
  config::v1::SourceConfig Config() override {
    config::v1::SourceConfig config;
    config.set_driver("egd");
    if (over_tcp_) {
      config.set_address(server_.address());
    } else {
      config.set_path(server_.path());
    }
    return config;
  }
  void Stall() override { server_.SetMode(FakeEgdServer::Mode::kSilent); }
  void Resume() override { server_.SetMode(FakeEgdServer::Mode::kHonest); }
  void Unplug() override { server_.Stop(); }
  void Replug() override { server_.Start(); }
  void Break() override { server_.SetMode(FakeEgdServer::Mode::kTooMuch); }
  void Mend() override { server_.SetMode(FakeEgdServer::Mode::kHonest); }
  void Lie() override { server_.SetMode(FakeEgdServer::Mode::kRepeat); }

 private:
  const bool over_tcp_;
  TempDir directory_;
  FakeEgdServer server_{over_tcp_ ? "" : directory_ / "egd.sock"};
};
class EgdUnixRig final : public EgdRig {
 public:
  EgdUnixRig() : EgdRig(false) {}
};
class EgdTcpRig final : public EgdRig {
 public:
  EgdTcpRig() : EgdRig(true) {}
};

// What a test calls in a loaded module beside the driver. Both see the same module, because its
// state belongs to the process.
template <typename T>
T* Symbol(const char* module, const char* name) {
  void* library = dlopen(module, RTLD_NOW | RTLD_LOCAL);
  EXPECT_NE(library, nullptr) << module << ": " << dlerror();
  T* symbol = library == nullptr ? nullptr : reinterpret_cast<T*>(dlsym(library, name));
  EXPECT_NE(symbol, nullptr) << module << " has no " << name;
  return symbol;
}

// The real SoftHSM, with a token in the test's own directory.
class SoftHsmRig final : public Rig {
 public:
  static constexpr char kModule[] = "/usr/lib/softhsm/libsofthsm2.so";

  SoftHsmRig() {
    std::ofstream(directory_ / "softhsm2.conf")
        << "directories.tokendir = " << (directory_ / "tokens") << "\n"
        << "objectstore.backend = file\nlog.level = ERROR\n";
    std::filesystem::create_directory(directory_ / "tokens");
    setenv("SOFTHSM2_CONF", (directory_ / "softhsm2.conf").c_str(), 1);
    EXPECT_EQ(system("softhsm2-util --init-token --free --label entropy --so-pin 12345678 "
                     "--pin 12345678 >/dev/null"),
              0)
        << "needs softhsm2: deploy/install-packages.sh test";
    Finalize();
  }
  ~SoftHsmRig() override {
    Finalize();
    unsetenv("SOFTHSM2_CONF");
  }
  std::unique_ptr<SourceDriver> MakeDriver() override {
    return Pkcs11Driver::Create(Config(), Pkcs11Driver::Identify(Config()));
  }
  config::v1::SourceConfig Config() override {
    config::v1::SourceConfig config;
    config.set_driver("pkcs11");
    config.set_module(kModule);
    config.set_token("entropy");
    return config;
  }
  static constexpr const char* kCannotStall =
      "SoftHSM is a library in this process and answers at once; the module that is tried "
      "below hangs when told to";
  // SoftHSM looks for tokens only when it is initialised.
  void Unplug() override {
    std::filesystem::rename(directory_ / "tokens", directory_ / "away");
    Finalize();
  }
  void Replug() override {
    std::filesystem::rename(directory_ / "away", directory_ / "tokens");
    Finalize();
  }
  void Break() override {
    CK_FUNCTION_LIST* const functions = Functions();
    CK_SLOT_ID slots[8];
    CK_ULONG count = 8;
    ASSERT_EQ(functions->C_GetSlotList(CK_TRUE, slots, &count), CKR_OK);
    for (CK_ULONG i = 0; i < count; ++i) functions->C_CloseAllSessions(slots[i]);
  }
  static constexpr const char* kCannotLie =
      "SoftHSM's bytes are OpenSSL's; the module that is tried below repeats them when told "
      "to";

  void Finalize() { Functions()->C_Finalize(nullptr); }

 private:
  static CK_FUNCTION_LIST* Functions() {
    CK_FUNCTION_LIST* functions = nullptr;
    Symbol<CK_RV(CK_FUNCTION_LIST**)>(kModule, "C_GetFunctionList")(&functions);
    return functions;
  }
  TempDir directory_;
};

// A module that has all the faults of real ones.
class TestModuleRig final : public Rig {
 public:
  TestModuleRig() { Reset(); }
  ~TestModuleRig() override { Reset(); }
  std::unique_ptr<SourceDriver> MakeDriver() override {
    return Pkcs11Driver::Create(Config(), Pkcs11Driver::Identify(Config()));
  }
  config::v1::SourceConfig Config() override {
    config::v1::SourceConfig config;
    config.set_driver("pkcs11");
    config.set_module(ENTROPYD_TEST_PKCS11_MODULE);
    config.set_token("test token");
    return config;
  }
  void Stall() override { control()->hang = true; }
  void Resume() override { control()->hang = false; }
  void Unplug() override { control()->present = false; }
  void Replug() override { control()->present = true; }
  void Break() override { control()->answer = CKR_SESSION_HANDLE_INVALID; }
  void Mend() override { control()->answer = CKR_OK; }
  void Lie() override { control()->repeat = true; }

  static Pkcs11ModuleControl* control() {
    return Symbol<Pkcs11ModuleControl>(ENTROPYD_TEST_PKCS11_MODULE, kPkcs11ModuleControl);
  }
  static void Reset() {
    Pkcs11ModuleControl* const c = control();
    c->answer = CKR_OK;
    c->hang = c->repeat = c->is_softhsm = c->is_tpm = c->second_token = false;
    c->serial = c->second_serial = c->logins = 0;
    c->wants_login = c->logged_in = false;
    c->present = c->has_rng = true;
    c->largest = 0;
  }
};

// True when a process listens at the unix socket of that path, by /proc/net/unix. The socket's file
// exists since bind(2), which is too early to connect. A connection made only to find out might be
// taken for the user's.
inline bool Listening(const std::string& path) {
  constexpr absl::string_view kAcceptsConnections = "00010000";  // __SO_ACCEPTCON of the kernel
  std::ifstream table("/proc/net/unix");
  for (std::string line; std::getline(table, line);) {
    const std::vector<absl::string_view> fields = absl::StrSplit(line, ' ', absl::SkipEmpty());
    if (fields.size() > 7 && fields[3] == kAcceptsConnections && fields[7] == path) return true;
  }
  return false;
}

// The real swtpm, as a process of its own.
class SwtpmRig final : public Rig {
 public:
  SwtpmRig() { Replug(); }
  ~SwtpmRig() override { Unplug(); }
  std::unique_ptr<SourceDriver> MakeDriver() override {
    return Tpm2Driver::Create(Config(), Tpm2Driver::Identify(Config()));
  }
  config::v1::SourceConfig Config() override {
    config::v1::SourceConfig config;
    config.set_driver("tpm2");
    config.set_tcti("swtpm:path=" + socket());
    return config;
  }
  void Stall() override { kill(pid_, SIGSTOP); }
  void Resume() override { kill(pid_, SIGCONT); }
  void Unplug() override {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(std::exchange(pid_, -1), nullptr, 0);
  }
  void Replug() override {
    unlink(socket().c_str());
    unlink((socket() + ".ctrl").c_str());
    const std::string state = "dir=" + directory_.path();
    const std::string server = "type=unixio,path=" + socket();
    const std::string control = server + ".ctrl";
    const std::string log = "file=/dev/null";
    const char* const arguments[] = {"swtpm",
                                     "socket",
                                     "--tpm2",
                                     "--tpmstate",
                                     state.c_str(),
                                     "--server",
                                     server.c_str(),
                                     "--ctrl",
                                     control.c_str(),
                                     "--flags",
                                     "not-need-init,startup-clear",
                                     "--log",
                                     log.c_str(),
                                     nullptr};
    ASSERT_EQ(
        posix_spawnp(&pid_, "swtpm", nullptr, nullptr, const_cast<char**>(arguments), environ), 0)
        << "needs swtpm: deploy/install-packages.sh test";
    const absl::Time deadline = absl::Now() + absl::Seconds(20);
    while (!Listening(socket() + ".ctrl") || !Listening(socket())) {
      ASSERT_LT(absl::Now(), deadline) << "swtpm does not listen";
      std::this_thread::yield();
    }
  }
  // Uses its control channel: the TPM is off, and swtpm itself still answers.
  void Break() override {
    UniqueFd control(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    const std::string path = socket() + ".ctrl";
    std::memcpy(to.sun_path, path.data(), path.size());
    ASSERT_EQ(connect(control.get(), reinterpret_cast<sockaddr*>(&to), sizeof(to)), 0);
    const uint8_t stop[] = {0, 0, 0, 14};  // CMD_STOP
    uint8_t result[4];
    ASSERT_EQ(write(control.get(), stop, sizeof(stop)), 4);
    ASSERT_EQ(read(control.get(), result, sizeof(result)), 4);
  }
  void Mend() override {
    Unplug();
    Replug();
  }
  static constexpr const char* kCannotLie =
      "swtpm's bytes are OpenSSL's and it has no way to be told otherwise; what the health "
      "tests do with wrong bytes does not depend on the driver that brings them";

 private:
  std::string socket() const { return directory_ / "tpm"; }
  TempDir directory_;
  pid_t pid_ = -1;
};

class GetrandomRig final : public Rig {
 private:
  static constexpr char kWhy[] = "the kernel's generator never fails once it is seeded";

 public:
  static constexpr const char* kCannotStall = kWhy;
  static constexpr const char* kCannotUnplug = kWhy;
  static constexpr const char* kCannotBreak = kWhy;
  static constexpr const char* kCannotLie = kWhy;
  std::unique_ptr<SourceDriver> MakeDriver() override {
    return GetrandomDriver::Create(Config(), GetrandomDriver::Identify(Config()));
  }
  config::v1::SourceConfig Config() override {
    config::v1::SourceConfig config;
    config.set_driver("getrandom");
    return config;
  }
};

}  // namespace entropyd
