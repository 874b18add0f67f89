// A device that does what a test tells it, and a pool that remembers its calls.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "base/process/clock.h"
#include "server/driver/source_driver.h"
#include "server/source/source.h"
#include "tests/fake_log.h"

namespace entropyd {

// The device's state. The test keeps it, and any number of drivers look at it.
struct FakeDevice {
  absl::Status open = absl::OkStatus();      // what Open() answers
  absl::Status read = absl::OkStatus();      // an error: what Read() answers
  std::string root;                          // what it turned out to be
  bool silent = false;                       // Read() has nothing
  size_t max_read = SIZE_MAX;                // short reads
  std::function<uint8_t(uint64_t)> byte_at;  // by offset since the test began; ideal when not set
  uint64_t offset = 0;
  int opens = 0;
  int closes = 0;
  std::mt19937_64 generator{42};
};

class FakeDriver final : public SourceDriver {
 public:
  explicit FakeDriver(FakeDevice* device) : device_(device) {}

  absl::StatusOr<std::string> Open() override {
    ++device_->opens;
    if (!device_->open.ok()) return device_->open;
    return std::string("fake");
  }
  absl::StatusOr<size_t> Read(absl::Span<uint8_t> out) override {
    if (!device_->read.ok()) return device_->read;
    if (device_->silent) return size_t{0};
    const size_t n = std::min(out.size(), device_->max_read);
    for (size_t i = 0; i < n; ++i, ++device_->offset) {
      out[i] = device_->byte_at ? device_->byte_at(device_->offset)
                                : static_cast<uint8_t>(device_->generator());
    }
    return n;
  }
  std::string root() const override { return device_->root; }
  void Close() override { ++device_->closes; }

 private:
  FakeDevice* const device_;
};

// A device that keeps the source's thread in a call.
struct StuckDevice {
  bool heeds = false;              // Interrupt() ends the call
  absl::Notification reading;      // the call has begun
  absl::Notification interrupted;  // Interrupt() was called
  absl::Notification release;      // the call may end
};

class StuckDriver final : public SourceDriver {
 public:
  explicit StuckDriver(StuckDevice* device) : device_(device) {}
  absl::StatusOr<std::string> Open() override { return std::string("stuck"); }
  absl::StatusOr<size_t> Read(absl::Span<uint8_t> out) override {
    if (!device_->reading.HasBeenNotified()) device_->reading.Notify();
    device_->release.WaitForNotification();
    // What comes so late looks like any other byte.
    std::fill(out.begin(), out.end(), 0x5a);
    return out.size();
  }
  void Close() override {}
  void Interrupt() override {
    if (!device_->interrupted.HasBeenNotified()) device_->interrupted.Notify();
    if (device_->heeds && !device_->release.HasBeenNotified()) device_->release.Notify();
  }

 private:
  StuckDevice* const device_;
};

struct FakeSink final : public SourceSink {
  bool Wants(int member) override { return wants; }
  double Add(int member, absl::Span<const uint8_t> samples) override {
    blocks.emplace_back(samples.begin(), samples.end());
    return credit_per_byte * static_cast<double>(samples.size());
  }
  void SetSourceState(int member, v1::SourceState state) override { states.push_back(state); }
  void SetSourceRoot(int member, const std::string& root) override { roots.push_back(root); }

  bool wants = true;
  double credit_per_byte = 4;
  std::vector<std::vector<uint8_t>> blocks;
  std::vector<v1::SourceState> states;
  std::vector<std::string> roots;
};

}  // namespace entropyd
