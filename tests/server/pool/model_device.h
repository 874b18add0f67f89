// A device of the model of pools. It remembers each byte that it gave, and which of them no pool
// may ever see: those of a run that a health test must notice, and those of the start-up tests that
// follow.
//
//   ModelDevice device(seed);
//   device.Stick(12);                       // from now on the same byte twelve times
//   driver.Read(out);
//   device.Passed(samples);                 // a source gives these to a pool
//
// Errors: failures of the running test.
//
// Thread safety: none.
#pragma once

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "server/driver/source_driver.h"

namespace entropyd {

class ModelDevice {
 public:
  // SP 800-90B 4.4.1 at 4 bits per byte and 2^-30: 1 + 30 / 4, rounded up.
  static constexpr size_t kRunOfAnAlarm = 9;
  // SP 800-90B 4.3: start-up tests have 1,024 samples.
  static constexpr size_t kStartupBytes = 1024;

  explicit ModelDevice(uint64_t seed) : random_(seed) {}

  // Its next `bytes` bytes are the same.
  void Stick(size_t bytes) {
    stuck_for_ = bytes;
    stuck_at_ = static_cast<uint8_t>(Last() + 1 + random_() % 254);
  }
  void SetGone(bool gone) { gone_ = gone; }
  bool gone() const { return gone_; }
  // Start-up tests look at what comes from now on: it was opened, or an operator asked.
  void TestsBegin() {
    run_ = 0;
    bad_until_ = given_.size() + kStartupBytes;
  }

  uint8_t Next() {
    uint8_t byte = 0;
    if (stuck_for_ > 0) {
      --stuck_for_;
      byte = stuck_at_;
    } else {
      // Never the same twice, so that each run is one of Stick().
      byte = static_cast<uint8_t>(Last() + 1 + random_() % 255);
    }
    run_ = run_ > 0 && byte == Last() ? run_ + 1 : 1;
    given_.push_back(byte);
    bad_.push_back(false);
    if (run_ >= kRunOfAnAlarm) {
      std::fill(bad_.end() - static_cast<std::ptrdiff_t>(run_), bad_.end(), true);
      bad_until_ = given_.size() + kStartupBytes;
    }
    if (given_.size() <= bad_until_) bad_.back() = true;
    return byte;
  }

  // A source has given these to a pool: they come in order, each once, and none of them is bad.
  void Passed(absl::Span<const uint8_t> samples) {
    const auto begin = given_.begin() + static_cast<std::ptrdiff_t>(passed_);
    const auto found = std::search(begin, given_.end(), samples.begin(), samples.end());
    if (found == given_.end()) {
      ADD_FAILURE() << samples.size() << " bytes reach a pool that the device did not give then";
      return;
    }
    const size_t at = static_cast<size_t>(found - given_.begin());
    passed_ = at + samples.size();
    const auto bad = bad_.begin() + static_cast<std::ptrdiff_t>(at);
    EXPECT_EQ(std::count(bad, bad + static_cast<std::ptrdiff_t>(samples.size()), true), 0)
        << "bytes of a run, or of the start-up tests after it, reach a pool";
  }

 private:
  uint8_t Last() const { return given_.empty() ? 0 : given_.back(); }

  std::mt19937_64 random_;
  std::vector<uint8_t> given_;
  std::vector<bool> bad_;
  size_t bad_until_ = 0;
  size_t passed_ = 0;  // what came before cannot pass any more
  size_t run_ = 0;
  size_t stuck_for_ = 0;
  uint8_t stuck_at_ = 0;
  bool gone_ = false;
};

class ModelDriver final : public SourceDriver {
 public:
  explicit ModelDriver(ModelDevice* device) : device_(device) {}

  absl::StatusOr<std::string> Open() override {
    if (device_->gone()) return absl::NotFoundError("gone");
    device_->TestsBegin();
    return std::string("model");
  }
  absl::StatusOr<size_t> Read(absl::Span<uint8_t> out) override {
    if (device_->gone()) return absl::NotFoundError("gone");
    for (uint8_t& byte : out) byte = device_->Next();
    return out.size();
  }
  std::string root() const override { return ""; }
  void Close() override {}

 private:
  ModelDevice* const device_;
};

}  // namespace entropyd
