// What the log says of one source: its states, its device, what operators asked of it.
//
//   SourceLog lines("trng0", log);
//   lines.State(v1::SOURCE_STATE_GONE, "no byte for 2 s", "virtio_rng.0", now_nanos);
//   lines.Tick(now_nanos);
//
// A source that is gone again and again would fill the log with a line for each time that it goes,
// comes back and is healthy. The third time within a minute, one line says so (source.flapping).
// From then on only failed tests have lines, until the source has kept one state for a minute
// (source.settled).
//
// Errors: none.
//
// Thread safety: one thread.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "base/process/nanos.h"
#include "base/telemetry/log.h"
#include "proto/admin.pb.h"

namespace entropyd {

class SourceLog {
 public:
  // Somebody who replaces a device may pull it out twice.
  static constexpr uint64_t kFlaps = 3;
  static constexpr int64_t kWindowNanos = kMinuteNanos;

  // `log` outlives it.
  SourceLog(std::string source, Log* log) : source_(std::move(source)), log_(log) {}

  // The source has changed its state. `device` is what the last opening found.
  void State(v1::SourceState state, absl::string_view reason, absl::string_view device,
             int64_t now_nanos);
  // The source draws from another root than before.
  void Root(absl::string_view root, absl::string_view before);
  // An operator asked for the start-up tests, or reset the source.
  void Test(bool reset);
  // Tells when a source has settled. Must be called about once a second.
  void Tick(int64_t now_nanos);

 private:
  void Flap(absl::string_view reason, int64_t now_nanos);

  const std::string source_;
  Log* const log_;
  // When the source went, the last times; 0 = not so often.
  int64_t went_[kFlaps] = {};
  // How often it has gone since it began to flap; 0 = it does not.
  uint64_t flaps_ = 0;
  // The last change of state.
  v1::SourceState state_ = v1::SOURCE_STATE_STARTING;
  std::string reason_;
  int64_t changed_nanos_ = 0;
};

}  // namespace entropyd
