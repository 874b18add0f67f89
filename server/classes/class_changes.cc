#include "server/classes/class_changes.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "base/config/config_values.h"
#include "server/classes/class_config.h"
#include "server/classes/class_figures.h"

namespace entropyd {
namespace {

using config::v1::ClassChange;
using config::v1::ClassConfig;
using config::v1::ClassFigures;
using config::v1::ClassState;
using config::v1::PoolConfig;

std::string NameOf(const ClassChange& change) {
  return absl::StrCat(change.pool(), "/", change.class_());
}

bool Is(const ClassChange& change, const std::string& pool, const std::string& name) {
  return change.pool() == pool && change.class_() == name;
}

absl::Status Prefixed(absl::string_view what, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(what, ": ", status.message()));
}

// Names come from peers, so an error repeats only this many characters of them.
std::string Shown(const std::string& name) { return name.substr(0, 128); }

// "rate=16KiB/s ceil=none" of a configured class, for the keys that are set in `keys`.
std::string ConfiguredFigures(const ClassConfig& config, const ClassFigures& keys) {
  return absl::StrJoin(PresentFigures(keys), " ", [&](std::string* out, const auto* field) {
    absl::StrAppend(out, field->name(), "=", ConfiguredText(config, field));
  });
}

// The same of the class as `change` makes it.
std::string ChangedFigures(ClassConfig config, const ClassFigures& change,
                           const ClassFigures& keys) {
  ApplyFigures(change, &config);
  return ConfiguredFigures(config, keys);
}

}  // namespace

ClassChanges::ClassChanges(const config::v1::Server& config, ClassState state, Save save,
                           const Clock* clock, Log* log)
    : save_(std::move(save)), clock_(clock), log_(log) {
  absl::MutexLock lock(&mutex_);
  pools_.assign(config.pools().begin(), config.pools().end());
  for (ClassChange& change : *state.mutable_changes()) entries_.push_back({std::move(change), ""});
  Admit(&entries_);
  for (const Entry& entry : entries_) entry.ignored.empty() ? TellKept(entry) : TellIgnored(entry);
}

void ClassChanges::TellKept(const Entry& entry) const {
  log_->Info("class.change_kept", {{"class", NameOf(entry.change)},
                                   {"figures", FiguresText(entry.change.set())},
                                   {"by", entry.change.by()},
                                   {"at", entry.change.at()}});
}

void ClassChanges::TellIgnored(const Entry& entry) const {
  log_->Warning("class.change_ignored",
                {{"class", NameOf(entry.change)},
                 {"figures", FiguresText(entry.change.set())},
                 {"by", entry.change.by()},
                 {"at", entry.change.at()},
                 {"reason", entry.ignored},
                 {"remedy", "entropyctl classes reset POOL/CLASS forgets it"}});
}

void ClassChanges::Reload(const config::v1::Server& config,
                          absl::FunctionRef<void(std::vector<EffectivePool> pools)> publish) {
  absl::MutexLock lock(&mutex_);
  pools_.assign(config.pools().begin(), config.pools().end());
  const Entries before = entries_;
  for (Entry& entry : entries_) entry.ignored.clear();
  Admit(&entries_);
  for (size_t i = 0; i < entries_.size(); ++i) {
    if (entries_[i].ignored == before[i].ignored) continue;
    entries_[i].ignored.empty() ? TellKept(entries_[i]) : TellIgnored(entries_[i]);
  }
  std::vector<EffectivePool> effective;
  for (const PoolConfig& pool : pools_) {
    effective.push_back({With(pool, entries_), DifferingIn(pool.name(), entries_)});
  }
  publish(std::move(effective));
}

// Decides for each entry whether it is in force. Two entries may fit together where one alone does
// not, or the other way round. So all that fit one after another, in some order, are in force.
void ClassChanges::Admit(Entries* entries) const {
  for (Entry& entry : *entries) {
    const absl::Status named = CheckNamed(entry.change.pool(), entry.change.class_());
    entry.ignored = std::string(named.message());
  }
  for (const PoolConfig& pool : pools_) {
    if (UpdateOf(pool, *entries).ok()) continue;
    std::vector<Entry*> waiting;
    for (Entry& entry : *entries) {
      if (entry.change.pool() != pool.name() || !entry.ignored.empty()) continue;
      entry.ignored = "waits for its turn";
      waiting.push_back(&entry);
    }
    for (bool progress = true; progress;) {
      progress = false;
      for (Entry* entry : waiting) {
        if (entry->ignored.empty()) continue;
        entry->ignored.clear();
        const absl::Status fits = UpdateOf(pool, *entries).status();
        entry->ignored = std::string(fits.message());
        progress = progress || fits.ok();
      }
    }
  }
}

const PoolConfig* ClassChanges::FindPool(const std::string& pool) const {
  for (const PoolConfig& one : pools_) {
    if (one.name() == pool) return &one;
  }
  return nullptr;
}

const ClassConfig* ClassChanges::FindClass(const std::string& pool, const std::string& name) const {
  const PoolConfig* const found = FindPool(pool);
  if (found == nullptr) return nullptr;
  for (const ClassConfig& one : found->classes()) {
    if (one.name() == name) return &one;
  }
  return nullptr;
}

absl::Status ClassChanges::CheckNamed(const std::string& pool, const std::string& name) const {
  std::vector<std::string> names;
  const PoolConfig* const found = FindPool(pool);
  if (found == nullptr) {
    for (const PoolConfig& one : pools_) names.push_back(one.name());
    return absl::NotFoundError(absl::StrCat("no pool '", Shown(pool), "' is configured; there are ",
                                            absl::StrJoin(names, ", ")));
  }
  if (FindClass(pool, name) != nullptr) return absl::OkStatus();
  for (const ClassConfig& one : found->classes()) names.push_back(one.name());
  return absl::NotFoundError(absl::StrCat("no class '", Shown(name), "' is configured in pool ",
                                          pool, "; there are ", absl::StrJoin(names, ", ")));
}

PoolConfig ClassChanges::With(const PoolConfig& pool, const Entries& entries) const {
  PoolConfig changed = pool;
  for (ClassConfig& config : *changed.mutable_classes()) {
    for (const Entry& entry : entries) {
      if (entry.ignored.empty() && Is(entry.change, pool.name(), config.name())) {
        ApplyFigures(entry.change.set(), &config);
      }
    }
  }
  return changed;
}

absl::StatusOr<ClassUpdate> ClassChanges::UpdateOf(const PoolConfig& pool,
                                                   const Entries& entries) const {
  absl::StatusOr<std::vector<ClassTree::ClassSpec>> specs = ChangedClassSpecs(With(pool, entries));
  if (!specs.ok()) return specs.status();
  ClassUpdate update;
  update.pool = pool.name();
  update.specs = *std::move(specs);
  update.differing = DifferingIn(pool.name(), entries);
  return update;
}

PoolConfig ClassChanges::Effective(const PoolConfig& pool) const {
  absl::MutexLock lock(&mutex_);
  return With(pool, entries_);
}

std::vector<std::string> ClassChanges::Differing(const std::string& pool) const {
  absl::MutexLock lock(&mutex_);
  return DifferingIn(pool, entries_);
}

std::vector<std::string> ClassChanges::DifferingIn(const std::string& pool,
                                                   const Entries& entries) const {
  std::vector<std::string> names;
  for (const Entry& entry : entries) {
    if (entry.change.pool() == pool && Differs(entry)) names.push_back(entry.change.class_());
  }
  return names;
}

bool ClassChanges::Differs(const Entry& entry) const {
  return entry.ignored.empty() && !DifferencesOf(entry).empty();
}

std::vector<v1::ClassDifference> ClassChanges::DifferencesOf(const Entry& entry) const {
  const ClassChange& change = entry.change;
  const ClassConfig* const config = FindClass(change.pool(), change.class_());
  std::vector<v1::ClassDifference> differences;
  for (const auto* field : PresentFigures(change.set())) {
    // The configuration may say the same by now.
    const bool same =
        config != nullptr && ConfiguredText(*config, field) == FigureText(change.set(), field);
    if (same) continue;
    v1::ClassDifference one;
    one.set_pool(change.pool());
    one.set_class_(change.class_());
    one.set_key(field->name());
    if (config != nullptr) one.set_configured(ConfiguredText(*config, field));
    one.set_in_force(entry.ignored.empty() ? FigureText(change.set(), field) : one.configured());
    one.set_by(change.by());
    one.set_at(change.at());
    if (!entry.ignored.empty()) {
      one.set_ignored(absl::StrCat(field->name(), "=", FigureText(change.set(), field),
                                   " is kept and ignored: ", entry.ignored));
    }
    differences.push_back(std::move(one));
  }
  return differences;
}

std::vector<v1::ClassDifference> ClassChanges::Differences() const {
  absl::MutexLock lock(&mutex_);
  std::vector<v1::ClassDifference> all;
  for (const Entry& entry : entries_) {
    for (v1::ClassDifference& one : DifferencesOf(entry)) all.push_back(std::move(one));
  }
  return all;
}

absl::Status ClassChanges::Keep(const Entries& entries) const {
  if (save_ == nullptr) return absl::OkStatus();
  ClassState state;
  state.set_version(1);
  for (const Entry& entry : entries) *state.add_changes() = entry.change;
  return save_(state);
}

// Fails when the entries are not kept. When they are, and a power cut may undo that, the outcome
// says so.
absl::Status ClassChanges::KeepAll(absl::string_view what, const Entries& entries,
                                   Outcome* outcome) {
  const absl::Status status = Keep(entries);
  const bool undoable = absl::IsDataLoss(status);
  // After another error what was kept last is still there, and as unsure as before.
  if (status.ok() || undoable) unsure_ = undoable;
  if (undoable) {
    outcome->durable =
        Prefixed(absl::StrCat(what,
                              ": the change is in force and written; repeat it when the disk "
                              "is sound"),
                 status);
    return absl::OkStatus();
  }
  return status.ok() ? status : Prefixed(absl::StrCat(what, ": nothing has changed"), status);
}

// The place of a class among the entries. Adds an empty entry when it has none.
ClassChanges::Entries::iterator ClassChanges::FindOrAdd(const std::string& pool,
                                                        const std::string& name, Entries* entries) {
  auto entry = std::find_if(entries->begin(), entries->end(),
                            [&](const Entry& one) { return Is(one.change, pool, name); });
  if (entry != entries->end()) return entry;
  entry = entries->insert(entry, Entry());
  entry->change.set_pool(pool);
  entry->change.set_class_(name);
  return entry;
}

void ClassChanges::Sign(const std::string& by, ClassChange* change) const {
  change->set_by(by);
  change->set_at(absl::FormatTime("%Y-%m-%d%ET%H:%M:%SZ", clock_->WallTime(), absl::UTCTimeZone()));
}

absl::Status ClassChanges::Set(const v1::SetClassRequest& request, const std::string& by,
                               Publish publish) {
  const std::string name = absl::StrCat(Shown(request.pool()), "/", Shown(request.class_()));
  const std::string what = absl::StrCat("set ", name);
  absl::MutexLock lock(&mutex_);
  absl::Status status = CheckNamed(request.pool(), request.class_());
  if (status.ok()) status = CheckFigures(request.set());
  if (!status.ok()) return Prefixed(what, status);
  const PoolConfig& pool = *FindPool(request.pool());
  const ClassConfig& config = *FindClass(request.pool(), request.class_());

  Entries entries = entries_;
  const auto entry = FindOrAdd(request.pool(), request.class_(), &entries);
  // This change does not build on an ignored one.
  if (!entry->ignored.empty()) *entry->change.mutable_set() = ClassFigures();
  const bool revived = !entry->ignored.empty();
  entry->ignored.clear();
  const ClassFigures before = entry->change.set();
  MergeFigures(request.set(), entry->change.mutable_set());
  DropConfigured(config, entry->change.mutable_set());
  const ClassFigures after = entry->change.set();
  const bool same = !revived && FiguresText(after) == FiguresText(before);
  if (!same) Sign(by, &entry->change);
  Outcome outcome;
  outcome.differences = DifferencesOf(*entry);
  if (PresentFigures(after).empty()) entries.erase(entry);

  absl::StatusOr<ClassUpdate> update = UpdateOf(pool, entries);
  if (!update.ok()) return Prefixed(what, update.status());
  ClassFigures keys = before;
  keys.MergeFrom(after);
  keys.MergeFrom(request.set());
  outcome.before = ChangedFigures(config, before, keys);
  outcome.after = request.dry_run() ? outcome.before : ChangedFigures(config, after, keys);
  if (request.dry_run() || (same && !unsure_)) {
    publish(std::move(outcome));
    return absl::OkStatus();
  }
  status = KeepAll(what, entries, &outcome);
  if (!status.ok()) return status;
  entries_ = std::move(entries);
  log_->Info("class.changed", {{"class", name},
                               {"by", by},
                               {"old", outcome.before},
                               {"new", outcome.after},
                               {"kept", kept()}});
  outcome.updates.push_back(*std::move(update));
  publish(std::move(outcome));
  return absl::OkStatus();
}

void ClassChanges::TellReset(const Entries& undone, const std::string& by, Outcome* outcome) const {
  for (const Entry& entry : undone) {
    const ClassConfig* const config = FindClass(entry.change.pool(), entry.change.class_());
    const std::string old = FiguresText(entry.change.set());
    const std::string now = config == nullptr ? "" : ConfiguredFigures(*config, entry.change.set());
    log_->Info("class.reset", {{"class", NameOf(entry.change)},
                               {"by", by},
                               {"old", old},
                               {"new", now},
                               {"kept", kept()}});
    const absl::string_view between = outcome->before.empty() ? "" : "; ";
    absl::StrAppend(&outcome->before, between, NameOf(entry.change), " ", old);
    absl::StrAppend(&outcome->after, between, NameOf(entry.change), " ", now);
  }
}

absl::Status ClassChanges::Reset(const v1::ResetClassRequest& request, const std::string& by,
                                 Publish publish) {
  const bool all = request.pool().empty() && request.class_().empty();
  const std::string what =
      all ? "reset classes"
          : absl::StrCat("reset ", Shown(request.pool()), "/", Shown(request.class_()));

  absl::MutexLock lock(&mutex_);
  Entries entries;
  Entries undone;
  for (const Entry& entry : entries_) {
    const bool meant = all || Is(entry.change, request.pool(), request.class_());
    (meant ? undone : entries).push_back(entry);
  }
  // An operator can also reset a class that the configuration no longer has.
  if (!all && undone.empty()) {
    const absl::Status named = CheckNamed(request.pool(), request.class_());
    if (!named.ok()) return Prefixed(what, named);
  }
  Outcome outcome;
  for (const Entry& entry : undone) {
    for (v1::ClassDifference& one : DifferencesOf(entry)) {
      outcome.differences.push_back(std::move(one));
    }
  }
  if (!undone.empty() || unsure_) {
    for (const PoolConfig& pool : pools_) {
      const bool touched = std::any_of(undone.begin(), undone.end(), [&](const Entry& entry) {
        return entry.change.pool() == pool.name() && entry.ignored.empty();
      });
      if (!touched) continue;
      absl::StatusOr<ClassUpdate> update = UpdateOf(pool, entries);
      if (!update.ok()) {
        return Prefixed(absl::StrCat(what, ": does not go together with what else was changed"),
                        update.status());
      }
      outcome.updates.push_back(*std::move(update));
    }
    absl::Status status = KeepAll(what, entries, &outcome);
    if (!status.ok()) return status;
    entries_ = std::move(entries);
    TellReset(undone, by, &outcome);
  }
  publish(std::move(outcome));
  return absl::OkStatus();
}

}  // namespace entropyd
