// The supply: every source with its thread, and the pools that the sources feed. It owns everything
// between the devices and the dispatcher.
//
//   auto supply = Supply::Create(config, locations, arena, clock, log, metrics).value();
//   for (Pool* pool : supply->pools()) pool->SetChangeCallback(wake);
//   if (absl::Status status = supply->Start(); !status.ok()) return status;
//
// A new configuration is taken in two steps. The first makes and checks all that is new, and may
// fail; the second cannot. In between, nobody may begin to use a pool that goes:
//
//   absl::StatusOr<std::unique_ptr<SupplyChange>> change = supply->Prepare(config, locations);
//   ... the dispatcher lets go of (*change)->pools.removed ...
//   (*change)->Apply();
//
// A source that is not configured any more ends: its thread, its recording, its series. A source
// with other keys is another source, which goes through start-up tests. Unless it has another
// driver, its alarms count on, and when it was LATCHED, it stays so until an operator resets it.
// All others go on.
//
// A device may keep the thread of a source that goes in a call, for ever. Nobody waits for it, and
// the pools get nothing from it (server/source/leaving_sources.h). If the new source needs the same
// device, and that opens only once, the new source finds it busy, and tries again every second as
// every source does.
//
// Errors: INVALID_ARGUMENT for a configuration, INTERNAL for a failed self-test.
//
// Thread safety: safe after Start(), but for Prepare(), SupplyChange, pools() and FindPool(), which
// are the owner's.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/config/config.h"
#include "base/crypto/secret_bytes.h"
#include "base/process/clock.h"
#include "base/telemetry/log.h"
#include "base/telemetry/metrics.h"
#include "proto/admin.pb.h"
#include "proto/server_config.pb.h"
#include "server/health/replay_detector.h"
#include "server/pool/pool.h"
#include "server/source/sample_recording.h"
#include "server/source/source.h"

namespace entropyd {

// What a supply is ready to do. If the caller drops it before Apply(), nothing has changed. The
// supply outlives it.
class SupplyChange {
 public:
  struct Names {
    std::vector<std::string> added, removed, changed;
  };
  virtual ~SupplyChange() = default;
  // Once. REQUIRES: this is the last change that was prepared, and nobody but the sources uses the
  // pools that go. It waits for threads of sources that go, but only for LeavingSources::kGrace.
  virtual void Apply() = 0;
  // A pool that is to be added. Returns nullptr when there is none of that name. It may be used at
  // once, and is not ready before its sources have given a seed.
  virtual Pool* NewPool(const std::string& name) const = 0;

  Names sources;
  // Those that change are not here. A pool of another quality is another pool: it is removed and
  // added.
  Names pools;
};

class Supply {
 public:
  // The memory of a source: the window of its replay detector, and the samples that it holds.
  static constexpr size_t kSourceBytes = ReplayDetector::kMemoryBytes + (size_t{64} << 10);

  // Checks sources and pools of the configuration (references, driver's own keys, software sources
  // against allow_software, entropy claims) without opening a device. Errors: INVALID_ARGUMENT with
  // file:line:column. `warnings`, if given, gets what is allowed but should be mended: two sources
  // that are one generator; a device that this process could not use now (DriverEntry::look).
  static absl::Status Check(const config::v1::Server& config, const config::Locations& locations,
                            std::vector<std::string>* warnings = nullptr);

  // Check(), then runs the self-tests and builds sources and pools; no thread runs yet.
  // References outlive the supply. Errors: as Check(); INTERNAL when a self-test fails.
  static absl::StatusOr<std::unique_ptr<Supply>> Create(const config::v1::Server& config,
                                                        const config::Locations& locations,
                                                        SecretArena* arena, const Clock* clock,
                                                        Log* log, Metrics* metrics);
  // Calls Stop(), and joins all threads.
  virtual ~Supply() = default;

  // Starts one thread per source. A source that cannot have a thread now is logged, and tried
  // again. Errors: of StartThread(), for the supply's own.
  virtual absl::Status Start() = 0;
  // Ends the threads, and interrupts a source that is blocked in its device. Returns false when a
  // device keeps its source's thread in a call, after LeavingSources::kStopPatience: the destructor
  // would wait for it. A caller that must not wait then ends the process, and destroys nothing:
  // neither the supply, nor its arena, clock and log.
  virtual bool Stop() = 0;

  // Errors: as Create(); RESOURCE_EXHAUSTED when there is no memory. Nothing has changed then.
  virtual absl::StatusOr<std::unique_ptr<SupplyChange>> Prepare(
      const config::v1::Server& config, const config::Locations& locations) = 0;

  // They stay until a change removes them.
  virtual std::vector<Pool*> pools() const = 0;
  // Returns nullptr when the pool is unknown.
  virtual Pool* FindPool(const std::string& name) const = 0;

  // As Source::Test() and Source::Record(). Both may also fail with NOT_FOUND.
  virtual void TestSource(const std::string& name, bool reset, Source::TestDone done) = 0;
  virtual absl::Status RecordSource(const std::string& name,
                                    std::shared_ptr<SampleRecording> recording) = 0;
  // Runs the self-tests and returns their names. Errors: INTERNAL; every pool has stopped then.
  virtual absl::StatusOr<std::vector<std::string>> SelfTest() = 0;

  virtual std::vector<v1::Source> ListSources() const = 0;
  virtual std::vector<v1::Pool> ListPools() const = 0;
};

}  // namespace entropyd
