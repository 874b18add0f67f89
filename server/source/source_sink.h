// What a source knows of a pool: the place for samples that passed the tests.
//
//   if (sink->Wants(member)) sink->Add(member, samples);
//
// A sink knows a source by its member number, which is chosen when the two are connected. Every
// call comes from the source's own thread; it holds no lock but its own. Several sources may call
// at the same time.
//
// Errors: none.
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
  // True when the pool needs the member's bytes now. The source then reads at its full rate.
  virtual bool Wants(int member) = 0;
  // Takes samples that passed the tests. Returns the min-entropy credited, in bits.
  virtual double Add(int member, absl::Span<const uint8_t> samples) = 0;
  // At QUARANTINED and LATCHED the sink drops what the member gave and is not delivered yet.
  virtual void SetSourceState(int member, v1::SourceState state) = 0;
  // Says what the member really draws from (SourceIdentity::root). Members with one root count
  // once. The source calls it before it adds samples from there.
  virtual void SetSourceRoot(int member, const std::string& root) = 0;
};

}  // namespace entropyd
