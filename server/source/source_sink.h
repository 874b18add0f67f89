// A pool, as its sources see it: where samples that passed the tests go.
//
//   if (sink->Wants(member)) sink->Add(member, samples);
//
// A sink knows a source by its member number, which whoever connects the two has chosen. Every
// call comes from the source's own thread, without locks held; several sources may call at a time.
//
// Thread safety: implementations are safe.
#pragma once

#include <cstdint>
#include <string>

#include "absl/types/span.h"
#include "proto/admin.pb.h"

namespace entropyd {

class SourceSink {
 public:
  virtual ~SourceSink() = default;
  // Whether the member's bytes are needed now: the source reads at its full rate then.
  virtual bool Wants(int member) = 0;
  // Takes samples that passed the tests; returns the min-entropy credited, in bits.
  virtual double Add(int member, absl::Span<const uint8_t> samples) = 0;
  // QUARANTINED and LATCHED: what the member gave and is not delivered yet must be dropped.
  virtual void SetSourceState(int member, v1::SourceState state) = 0;
  // What the member turned out to draw from (SourceIdentity::root). Members with one root count
  // once. Called before samples from there are added.
  virtual void SetSourceRoot(int member, const std::string& root) = 0;
};

}  // namespace entropyd
