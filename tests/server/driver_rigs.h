// Every driver with a device that a test has in its hands: a FIFO, a daemon on a
// socket. Processors cannot be had that way and are as they are.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/fd.h"
#include "server/char_device_driver.h"
#include "server/egd_driver.h"
#include "server/getrandom_driver.h"
#include "server/rdrand_driver.h"
#include "server/rdseed_driver.h"
#include "tests/hostagent/temp_dir.h"
#include "tests/server/fake_egd_server.h"

namespace entropyd {

// A driver with its device, which the test can stall, break, pull out and have lie. Where a device
// cannot do such a thing, `…Impossible()` says why, and the test is skipped with that reason.
class Rig {
 public:
  virtual ~Rig() = default;
  virtual std::unique_ptr<SourceDriver> MakeDriver() = 0;
  virtual config::v1::SourceConfig Config() = 0;
  virtual bool present() const { return true; }  // false: this machine has no such device

  // Makes some bytes readable, where a device does not do that by itself.
  virtual void Supply() {}

  // The device is there and says nothing; Resume() ends that. A Read() after Stall() and Drain()
  // has nothing to give.
  virtual const char* StallImpossible() const = 0;
  virtual void Stall() {}
  virtual void Resume() {}

  virtual const char* UnplugImpossible() const = 0;
  virtual void Unplug() {}
  virtual void Replug() {}

  // The device answers, with an error; Mend() ends that.
  virtual const char* BreakImpossible() const = 0;
  virtual void Break() {}
  virtual void Mend() {}

  // From now on the device repeats itself.
  virtual const char* LieImpossible() const = 0;
  virtual void Lie() {}
};

// A FIFO stands for any character device: what the test writes, the device "samples".
class FifoRig final : public Rig {
 public:
  FifoRig() {
    char directory[] = "/tmp/entropyd_driver_XXXXXX";
    directory_ = mkdtemp(directory);
    path_ = directory_ + "/device";
    EXPECT_EQ(mkfifo(path_.c_str(), 0600), 0);
    Replug();
  }
  ~FifoRig() override {
    unlink(path_.c_str());
    rmdir(directory_.c_str());
  }
  std::unique_ptr<SourceDriver> MakeDriver() override { return CharDeviceDriver::Create(Config()); }
  config::v1::SourceConfig Config() override {
    config::v1::SourceConfig config;
    config.set_driver(config::v1::DRIVER_CHAR_DEVICE);
    config.set_path(path_);
    return config;
  }
  const char* StallImpossible() const override { return nullptr; }
  void Stall() override { stalled_ = true; }
  void Resume() override { stalled_ = false; }
  const char* UnplugImpossible() const override { return nullptr; }
  void Unplug() override { writer_.reset(); }
  void Replug() override { writer_.reset(open(path_.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC)); }
  const char* BreakImpossible() const override {
    return "read(2) of a FIFO fails in no other way than by its writer's end, which is Unplug()";
  }
  const char* LieImpossible() const override { return nullptr; }
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
  std::string directory_;
  std::string path_;
  UniqueFd writer_;
  bool stalled_ = false;
};

// An instruction of this machine's processor: always there or never, and out of the test's hands.
// What it may do wrong is tried with a fake instruction, in the driver's own tests.
class ProcessorRig : public Rig {
 public:
  const char* StallImpossible() const override { return kWhy; }
  const char* UnplugImpossible() const override { return kWhy; }
  const char* BreakImpossible() const override { return kWhy; }
  const char* LieImpossible() const override { return kWhy; }

 private:
  static constexpr char kWhy[] =
      "a processor cannot be told to do this; the driver's own tests do it with a fake instruction";
};

class RdrandRig final : public ProcessorRig {
 public:
  std::unique_ptr<SourceDriver> MakeDriver() override { return RdrandDriver::Create(Config()); }
  config::v1::SourceConfig Config() override {
    config::v1::SourceConfig config;
    config.set_driver(config::v1::DRIVER_RDRAND);
    return config;
  }
  bool present() const override { return RdrandDriver::ProcessorDraw() != nullptr; }
};

class RdseedRig final : public ProcessorRig {
 public:
  std::unique_ptr<SourceDriver> MakeDriver() override { return RdseedDriver::Create(Config()); }
  config::v1::SourceConfig Config() override {
    config::v1::SourceConfig config;
    config.set_driver(config::v1::DRIVER_RDSEED);
    return config;
  }
  // What the driver finds out in another way: the flag as any shell user sees it.
  bool present() const override {
    std::ifstream cpuinfo("/proc/cpuinfo");
    const std::string text((std::istreambuf_iterator<char>(cpuinfo)), {});
    return text.find(" rdseed ") != std::string::npos;
  }
};

// A daemon on a socket of this process.
class EgdRig : public Rig {
 public:
  explicit EgdRig(bool over_tcp) : over_tcp_(over_tcp) {}
  std::unique_ptr<SourceDriver> MakeDriver() override { return EgdDriver::Create(Config()); }
  config::v1::SourceConfig Config() override {
    config::v1::SourceConfig config;
    config.set_driver(config::v1::DRIVER_EGD);
    if (over_tcp_) {
      config.set_address(server_.address());
    } else {
      config.set_path(server_.path());
    }
    return config;
  }
  const char* StallImpossible() const override { return nullptr; }
  void Stall() override { server_.SetMode(FakeEgdServer::Mode::kSilent); }
  void Resume() override { server_.SetMode(FakeEgdServer::Mode::kHonest); }
  const char* UnplugImpossible() const override { return nullptr; }
  void Unplug() override { server_.Stop(); }
  void Replug() override { server_.Start(); }
  const char* BreakImpossible() const override { return nullptr; }
  void Break() override { server_.SetMode(FakeEgdServer::Mode::kTooMuch); }
  void Mend() override { server_.SetMode(FakeEgdServer::Mode::kHonest); }
  const char* LieImpossible() const override { return nullptr; }
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

class GetrandomRig final : public Rig {
 public:
  const char* StallImpossible() const override { return kWhy; }
  const char* UnplugImpossible() const override { return kWhy; }
  const char* BreakImpossible() const override { return kWhy; }
  const char* LieImpossible() const override { return kWhy; }
  std::unique_ptr<SourceDriver> MakeDriver() override { return GetrandomDriver::Create(Config()); }
  config::v1::SourceConfig Config() override {
    config::v1::SourceConfig config;
    config.set_driver(config::v1::DRIVER_GETRANDOM);
    return config;
  }

 private:
  static constexpr char kWhy[] = "the kernel's generator never fails once it is seeded";
};

}  // namespace entropyd
