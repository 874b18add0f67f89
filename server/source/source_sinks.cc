#include "server/source/source_sinks.h"

#include <algorithm>
#include <utility>

namespace entropyd {

void SourceSinks::Add(const Sink& sink) {
  absl::MutexLock lock(&mutex_);
  sinks_.push_back({sink, true});
}

void SourceSinks::Set(const std::vector<Sink>& sinks) {
  absl::MutexLock lock(&mutex_);
  std::vector<Attached> attached;
  for (const Sink& sink : sinks) {
    const auto before = std::find_if(sinks_.begin(), sinks_.end(),
                                     [&sink](const Attached& a) { return a.to == sink; });
    attached.push_back({sink, before != sinks_.end() && before->told});
  }
  sinks_ = std::move(attached);
}

void SourceSinks::TellNew(const std::string& root, v1::SourceState state) {
  absl::MutexLock lock(&mutex_);
  for (Attached& a : sinks_) {
    if (a.told) continue;
    a.told = true;
    if (!root.empty()) a.to.sink->SetSourceRoot(a.to.member, root);
    a.to.sink->SetSourceState(a.to.member, state);
  }
}

void SourceSinks::TellRoot(const std::string& root) {
  absl::MutexLock lock(&mutex_);
  for (const Attached& a : sinks_) a.to.sink->SetSourceRoot(a.to.member, root);
}

void SourceSinks::TellState(v1::SourceState state) {
  absl::MutexLock lock(&mutex_);
  for (const Attached& a : sinks_) a.to.sink->SetSourceState(a.to.member, state);
}

bool SourceSinks::AnyWants() const {
  absl::MutexLock lock(&mutex_);
  return std::any_of(sinks_.begin(), sinks_.end(),
                     [](const Attached& a) { return a.to.sink->Wants(a.to.member); });
}

double SourceSinks::Give(absl::Span<const uint8_t> block) {
  absl::MutexLock lock(&mutex_);
  if (sinks_.empty()) return 0;
  size_t chosen = next_ % sinks_.size();
  for (size_t i = 0; i < sinks_.size(); ++i) {
    const size_t candidate = (next_ + i) % sinks_.size();
    const Attached& a = sinks_[candidate];
    if (a.told && a.to.sink->Wants(a.to.member)) {
      chosen = candidate;
      break;
    }
  }
  next_ = chosen + 1;
  const Sink& to = sinks_[chosen].to;
  return to.sink->Add(to.member, block);
}

}  // namespace entropyd
