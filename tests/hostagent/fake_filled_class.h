// The two ends between a class and upstream, played by a test: a class that only notes what
// upstream tells it, and a filler that only counts what a class tells it.
#pragma once

#include <functional>

#include "hostagent/serving/class_filler.h"

namespace entropyd {

class FakeFilledClass final : public FilledClass {
 public:
  // The buffer outlives it.
  explicit FakeFilledClass(ClassBuffer* buffer) : buffer_(buffer) {}

  ClassBuffer* buffer() override { return buffer_; }
  void OnArrival() override {
    ++arrivals;
    if (on_arrival) on_arrival();
  }
  void OnUpstream(const UpstreamState& state) override {
    told = state;
    ++tellings;
    if (on_upstream) on_upstream(state);
  }
  void SetFiller(ClassFiller* to) override { filler = to; }

  // Tells the filler that the demand has changed to this.
  void Want(const ClassBuffer::Demand& demand) {
    buffer_->SetDemand(demand);
    filler->OnDemand();
  }

  int arrivals = 0;
  int tellings = 0;
  // The last state.
  UpstreamState told;
  ClassFiller* filler = nullptr;
  std::function<void()> on_arrival;
  std::function<void(const UpstreamState& state)> on_upstream;

 private:
  ClassBuffer* const buffer_;
};

struct FakeFiller final : ClassFiller {
  void OnDemand() override { ++demands; }
  void OnResume() override { ++resumes; }
  int demands = 0;
  int resumes = 0;
};

}  // namespace entropyd
