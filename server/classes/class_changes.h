// What operators change of the classes while the server runs. A change is checked by the rules of
// the configuration, then kept, and only then in force.
//
//   ClassChanges changes(config, kept, save, clock, log);
//   changes.Set(request, identity, [&](ClassChanges::Outcome outcome) {
//     loop->Run([&, update = outcome.updates[0]](int64_t now_nanos) {
//       dispatcher.UpdateClasses(update, now_nanos);
//     });
//   });
//
// A kept change wins over the configuration, at a start and at each reload. A kept change is
// ignored when the configuration has its class no more, or its figures do not fit any more. It
// stays kept, and the next start or reload tries it again. So a class that comes back has what the
// operator gave it; only an operator's reset forgets a change.
//
// Errors: on any error nothing has changed.
//
// Thread safety: safe. Changes happen one after another; each waits until it is saved.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "base/process/clock.h"
#include "base/telemetry/log.h"
#include "proto/admin.pb.h"
#include "proto/class_state.pb.h"
#include "proto/server_config.pb.h"
#include "server/classes/class_update.h"

namespace entropyd {

class ClassChanges {
 public:
  // Keeps the state beyond a restart. When it fails, what was kept before stays. After DATA_LOSS
  // the new state is kept, and a power cut may undo that.
  using Save = std::function<absl::Status(const config::v1::ClassState& state)>;

  struct Outcome {
    // After Set: the differences of the class now. After Reset: the differences that are undone.
    std::vector<v1::ClassDifference> differences;
    // The updates for the dispatcher; empty = nothing to do.
    std::vector<ClassUpdate> updates;
    // DATA_LOSS when a power cut may undo what was kept. The change is in force all the same.
    absl::Status durable;
    // The figures that the change is about, for an audit: "ceil=none".
    std::string before;
    std::string after;
  };
  // Called once, on success, before the next change can happen. So updates that it posts arrive in
  // the order of the changes.
  using Publish = absl::FunctionRef<void(Outcome outcome)>;

  // `config` has passed its checks; `state` is what was kept. An empty `save` keeps nothing. The
  // constructor logs each kept change that it ignores. Clock and log outlive this object.
  ClassChanges(const config::v1::Server& config, config::v1::ClassState state, Save save,
               const Clock* clock, Log* log);

  bool kept() const { return save_ != nullptr; }

  // A pool as it is to serve: configured, with the changes that are in force.
  struct EffectivePool {
    config::v1::PoolConfig config;
    // The classes whose figures differ from the configuration.
    std::vector<std::string> differing;
  };
  // From now on `config` is the configuration; it has passed its checks. `publish` gets its pools,
  // in its order, before an operator's next change can happen. The log says which kept changes are
  // ignored now, and which are in force again.
  void Reload(const config::v1::Server& config,
              absl::FunctionRef<void(std::vector<EffectivePool> pools)> publish);
  // Returns the configured pool with the changes that are in force.
  config::v1::PoolConfig Effective(const config::v1::PoolConfig& pool) const;
  std::vector<std::string> Differing(const std::string& pool) const;

  // Errors: NOT_FOUND (pool, class), INVALID_ARGUMENT naming class, value and remedy, and those of
  // saving. On an error nothing has changed.
  absl::Status Set(const v1::SetClassRequest& request, const std::string& by, Publish publish);
  absl::Status Reset(const v1::ResetClassRequest& request, const std::string& by, Publish publish);
  std::vector<v1::ClassDifference> Differences() const;

 private:
  struct Entry {
    config::v1::ClassChange change;
    // Why the change is ignored; empty = it is in force.
    std::string ignored;
  };
  using Entries = std::vector<Entry>;

  void TellIgnored(const Entry& entry) const;
  void TellKept(const Entry& entry) const;
  std::vector<std::string> DifferingIn(const std::string& pool, const Entries& entries) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  static Entries::iterator FindOrAdd(const std::string& pool, const std::string& name,
                                     Entries* entries);
  void Admit(Entries* entries) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  config::v1::PoolConfig With(const config::v1::PoolConfig& pool, const Entries& entries) const;
  const config::v1::PoolConfig* FindPool(const std::string& pool) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  const config::v1::ClassConfig* FindClass(const std::string& pool, const std::string& name) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status CheckNamed(const std::string& pool, const std::string& name) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<ClassUpdate> UpdateOf(const config::v1::PoolConfig& pool,
                                       const Entries& entries) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool Differs(const Entry& entry) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::vector<v1::ClassDifference> DifferencesOf(const Entry& entry) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Keep(const Entries& entries) const;
  absl::Status KeepAll(absl::string_view what, const Entries& entries, Outcome* outcome)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Says in the change by whom it was made, and now.
  void Sign(const std::string& by, config::v1::ClassChange* change) const;
  // Logs what is undone, and adds it to the outcome.
  void TellReset(const Entries& undone, const std::string& by, Outcome* outcome) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Save save_;
  const Clock* const clock_;
  Log* const log_;

  mutable absl::Mutex mutex_;
  // As configured.
  std::vector<config::v1::PoolConfig> pools_ ABSL_GUARDED_BY(mutex_);
  Entries entries_ ABSL_GUARDED_BY(mutex_);
  // A power cut may undo what was kept last. The next change saves again, even if it changes
  // nothing.
  bool unsure_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace entropyd
