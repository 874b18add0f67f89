// One source: its device, its health tests and its state. It is a state machine that a thread
// steps. It never waits itself: Step() does at most one read and says how long to wait before the
// next.
//
//   STARTING      bytes arrive, the start-up tests run, and nothing gets credit
//   HEALTHY       blocks that passed the tests go to the pools
//   QUARANTINED   a test failed: the pools drop what they have not delivered yet, and the source
//                 goes through start-up again
//   LATCHED       a permanent failure: the device stays closed until an operator acts
//   GONE          the device is missing, or was silent for longer than it may be: the source tries
//                 to open it every second
//
// The source holds bytes until the window of every health test has closed over them, and the last
// ones of a block until no run can have begun in them (HealthMonitor). So nothing of a block with
// an alarm, and no part of a run, ever reaches a pool. The bytes of start-up tests are dropped.
//
// A source may feed several pools (server/source/source_sinks.h). Each block goes to one of them.
//
// Operators may ask for the start-up tests, reset a latched source, and record raw samples. During
// a recording the source gives nothing to pools; afterwards it goes through start-up.
//
//   source->AddSink(pool, member);
//   while (!stopping) Wait(source->Step());      // SourceThread does this
//   source->Close();
//
// Thread safety: Step() and Close() from one thread; the rest from any. The locks of sinks come
// after that of the source.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "base/crypto/secret_bytes.h"
#include "base/process/clock.h"
#include "base/process/nanos.h"
#include "base/telemetry/log.h"
#include "proto/admin.pb.h"
#include "server/driver/source_driver.h"
#include "server/health/health_monitor.h"
#include "server/source/held_block.h"
#include "server/source/pace.h"
#include "server/source/sample_recording.h"
#include "server/source/source_log.h"
#include "server/source/source_recorder.h"
#include "server/source/source_sink.h"
#include "server/source/source_sinks.h"
#include "server/source/source_spec.h"
#include "server/source/source_status.h"

namespace entropyd {

class Source {
 public:
  using TestDone = SourceRecorder::TestDone;

  // `held` has HeldBytes(test). The references outlive the source.
  static size_t HeldBytes(const HealthMonitor& test) {
    return test.block_bytes() + test.tail_bytes();
  }
  Source(SourceSpec spec, std::unique_ptr<SourceDriver> driver, HealthMonitor test,
         SecretBytes held, const Clock* clock, Log* log);

  using Sink = SourceSinks::Sink;
  // REQUIRES: before the first Step().
  void AddSink(SourceSink* sink, int member) { sinks_.Add({sink, member}); }
  // It begins LATCHED, as the source in whose place it comes: a new configuration is no operator's
  // act. REQUIRES: before the first Step().
  void BeginLatched(absl::string_view reason);
  // The alarms of the source in whose place it comes count on. REQUIRES: neither is stepped.
  void RememberAlarmsOf(const Source& before) { test_.RememberAlarmsOf(before.test_); }
  // From now on these are its sinks. Those that were not before hear the state and the root in the
  // next Step(). Safe at any time; when it returns, the source calls no other sink any more.
  void SetSinks(const std::vector<Sink>& sinks) { sinks_.Set(sinks); }

  // Does what is due and returns how long nothing else is due (0 = step again at once). A pool that
  // begins to want bytes may cause an earlier step.
  absl::Duration Step();
  // Closes the device and wipes what is held. REQUIRES: no further Step().
  void Close();
  void Interrupt() { driver_->Interrupt(); }

  // Runs the start-up tests again, from the next Step() on. `reset` forgets earlier alarms and ends
  // LATCHED.
  void Test(bool reset, TestDone done) { recorder_.Test(reset, std::move(done)); }
  // The source ends, and its device keeps its thread in a call: nobody waits for it any more.
  void Abandon() { recorder_.Abandon(); }
  // Errors: INVALID_ARGUMENT when it would take longer than a connection lives even at the source's
  // max_rate; those of SourceRecorder::Record().
  absl::Status Record(std::shared_ptr<SampleRecording> recording);

  // The group in which this source counts now; a change of configuration may alter it.
  void SetGroup(absl::string_view group) { status_.SetGroup(group); }

  const SourceSpec& spec() const { return spec_; }
  v1::Source Snapshot() const { return status_.Snapshot(); }

 private:
  // How long to wait when a device has nothing yet. /dev/hwrng always answers poll(2) with "ready",
  // so asking again is the only way, and asking without a pause burns a core.
  static constexpr absl::Duration kEmptyWait = absl::Milliseconds(10);

  void TakeOrders(int64_t now);
  void BeginTest(SourceRecorder::TestOrder order, int64_t now);
  void ConcludeTests();
  void BeginRecording();
  absl::Duration RecordDevice(int64_t now);
  absl::Duration StopRecording(absl::string_view why, int64_t now);

  absl::Duration OpenDevice(int64_t now);
  absl::Duration ReadDevice(int64_t now);
  absl::Duration UntilAllowed(int64_t now);
  // True when the device has given nothing for as long as it may.
  bool SilentTooLong(int64_t now) const {
    return now - last_byte_ >= spec_.identity.claims.silence_nanos;
  }
  std::string SilenceText() const;
  void BeginStartup();
  void TellRoot();
  void Take(absl::Span<const uint8_t> bytes);
  void CloseBlock();
  void OnAlarm(const HealthMonitor::Alarm& alarm);
  void GoneBecause(absl::string_view reason, int64_t now);
  void SetState(v1::SourceState state, absl::string_view reason);
  void DropHeld();
  void CloseDevice();

  const SourceSpec spec_;
  const std::unique_ptr<SourceDriver> driver_;
  const Clock* const clock_;

  SourceSinks sinks_;

  // Only the stepping thread uses these.
  HealthMonitor test_;
  HeldBlock held_;
  bool block_alarmed_ = false;
  // The same state as in status_, readable without its lock.
  v1::SourceState state_ = v1::SOURCE_STATE_STARTING;
  // The bytes of whole blocks without an alarm, since start-up began.
  size_t clean_bytes_ = 0;
  // True when start-up begins with the next byte.
  bool startup_due_ = true;
  bool open_ = false;
  // The root that the sinks know.
  std::string root_;
  // The device that Open() found.
  std::string device_;
  // When to open the device again, in nanoseconds.
  int64_t next_open_ = 0;
  // When the last byte came, or the device was opened.
  int64_t last_byte_ = 0;
  Pace pace_;

  SourceStatus status_;
  SourceLog log_;
  SourceRecorder recorder_;
};

}  // namespace entropyd
