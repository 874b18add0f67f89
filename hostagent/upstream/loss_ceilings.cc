#include "hostagent/upstream/loss_ceilings.h"

#include <algorithm>

#include "absl/algorithm/container.h"
#include "base/class_tree/token_bucket.h"

namespace entropyd {
namespace {

uint64_t Smaller(uint64_t a, uint64_t b) { return a == 0 ? b : std::min(a, b); }

}  // namespace

LossCeilings::LossCeilings(const std::vector<ClassBuffer*>& buffers) {
  for (ClassBuffer* buffer : buffers) figures_.push_back({.buffer = buffer});
}

void LossCeilings::Tell(const ClassBuffer& of, const v1::ChannelState& state) {
  Figures& figures =
      *absl::c_find_if(figures_, [&of](const Figures& figures) { return figures.buffer == &of; });
  figures = {.buffer = figures.buffer,
             .told = true,
             .rate = std::max<uint64_t>(state.rate(), 1),
             .ceil = state.ceil()};
  for (const v1::Ceiling& above : state.above()) {
    if (figures.above.size() == kMaxAbove) break;
    if (above.class_().size() > kMaxNameBytes || above.ceil() == 0) continue;
    if (absl::c_linear_search(figures.above, above.class_())) continue;
    figures.above.push_back(above.class_());
    shared_[above.class_()].ceil = std::min(above.ceil(), TokenBucket::kMaxRate);
  }
  Count();
  for (const Figures& one : figures_) {
    if (one.told) one.buffer->SetCeil(PartOf(one));
  }
}

void LossCeilings::Count() {
  std::map<std::string, Shared> counted;
  for (const Figures& figures : figures_) {
    const uint64_t rate = figures.buffer->gives_in_a_loss() ? figures.rate : 0;
    for (const std::string& name : figures.above) {
      Shared& shared = counted[name];
      shared.ceil = shared_[name].ceil;
      shared.rates += static_cast<double>(rate);
    }
  }
  shared_.swap(counted);
}

uint64_t LossCeilings::PartOf(const Figures& figures) const {
  uint64_t part = figures.ceil;
  for (const std::string& name : figures.above) {
    const Shared& shared = shared_.at(name);
    if (shared.rates == 0) continue;  // nobody gives any
    const double share = std::min(static_cast<double>(figures.rate) / shared.rates, 1.0);
    const double bytes = static_cast<double>(shared.ceil) * share;
    // 0 would be no ceiling.
    part = Smaller(part, std::max<uint64_t>(static_cast<uint64_t>(bytes), 1));
  }
  return part;
}

}  // namespace entropyd
