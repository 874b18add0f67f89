// Where the bytes of a source go: its pools, and what each of them already knows of the source.
//
//   SourceSinks sinks;
//   sinks.Set({{pool, member}});             // any thread
//   sinks.TellNew(root, state);              // the source's thread, at each step
//   if (sinks.AnyWants()) credited_bits += sinks.Give(block);
//   sinks.TellState(v1::SOURCE_STATE_GONE);
//
// Each block goes to one of them, so that no two pools share bytes.
//
// Errors: none.
//
// Thread safety: safe. Sinks are called with its lock held, so that none is called that was taken
// away; their locks come after it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "proto/admin.pb.h"
#include "server/source/source_sink.h"

namespace entropyd {

class SourceSinks {
 public:
  // A sink, and the member number by which it knows the source.
  struct Sink {
    SourceSink* sink;
    int member;
    bool operator==(const Sink&) const = default;
  };

  // One that knows the source as it begins. REQUIRES: nothing was told or given yet.
  void Add(const Sink& sink);
  // From now on these, and no others: when it returns, no other one is called any more. Those that
  // were not before hear of the source in the next TellNew().
  void Set(const std::vector<Sink>& sinks);

  // Tells root ("" = unknown) and state to those that have not heard of the source.
  void TellNew(const std::string& root, v1::SourceState state);
  void TellRoot(const std::string& root);
  void TellState(v1::SourceState state);

  bool AnyWants() const;
  // Gives the block to the next one in turn that wants it, or else to the next in turn. Returns the
  // credited bits.
  double Give(absl::Span<const uint8_t> block);

 private:
  struct Attached {
    Sink to;
    // It knows the state of the source.
    bool told;
  };

  mutable absl::Mutex mutex_;
  std::vector<Attached> sinks_ ABSL_GUARDED_BY(mutex_);
  // Whose turn it is, counted without end.
  size_t next_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace entropyd
