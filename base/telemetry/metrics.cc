#include "base/telemetry/metrics.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <tuple>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "prometheus/counter.h"
#include "prometheus/family.h"
#include "prometheus/gauge.h"
#include "prometheus/histogram.h"
#include "prometheus/registry.h"
#include "prometheus/text_serializer.h"

namespace entropyd {
namespace {

// Names and labels are constants of the program: a bad one is a bug that the first test run finds.
[[noreturn]] void Die(const std::string& name, const char* why) {
  std::fprintf(stderr, "metrics: %s: %s\n", name.c_str(), why);
  std::abort();
}

// The series of one type. Callers hold a `Handle`; prometheus-cpp holds a `Child`.
template <typename Handle, typename Child>
class Table {
 public:
  struct Entry {
    Handle handle;
    prometheus::Family<Child>* family = nullptr;
    Child* child = nullptr;
  };
  using Key = std::pair<std::string, Labels>;

  // The entry of that name and labels; `child` is null when it is new.
  Entry* FindOrInsert(const std::string& name, const Labels& labels) {
    auto [it, inserted] = by_key_.try_emplace(Key(name, labels));
    if (inserted) by_handle_.emplace(&it->second.handle, it);
    return &it->second;
  }

  void Remove(Handle* handle) {
    auto found = by_handle_.find(handle);
    if (found == by_handle_.end()) return;
    Entry& entry = found->second->second;
    entry.family->Remove(entry.child);
    by_key_.erase(found->second);
    by_handle_.erase(found);
  }

 private:
  using Map = std::map<Key, Entry>;
  Map by_key_;
  absl::flat_hash_map<const Handle*, typename Map::iterator> by_handle_;
};

template <typename Child>
prometheus::detail::Builder<Child> Build() {
  return {};
}

}  // namespace

// By id: in the order in which they were added.
struct MetricsRefresher::List {
  // Held while refreshers run, so that two scrapes at once do not add the same difference to a
  // counter twice.
  absl::Mutex running;
  absl::Mutex mutex ABSL_ACQUIRED_AFTER(running);
  uint64_t last_id ABSL_GUARDED_BY(mutex) = 0;
  std::map<uint64_t, std::function<void()>> all ABSL_GUARDED_BY(mutex);

  void RunAll() {
    absl::MutexLock run(&running);
    std::map<uint64_t, std::function<void()>> now;
    {
      absl::MutexLock lock(&mutex);
      now = all;
    }
    for (const auto& [id, refresh] : now) refresh();  // may add and remove series
  }
};

struct Metrics::Impl {
  absl::Mutex mutex;
  prometheus::Registry registry;  // locks itself
  Table<Counter, prometheus::Counter> counters ABSL_GUARDED_BY(mutex);
  Table<Gauge, prometheus::Gauge> gauges ABSL_GUARDED_BY(mutex);
  Table<Histogram, prometheus::Histogram> histograms ABSL_GUARDED_BY(mutex);

  template <typename Entry, typename... Args>
  static void Make(Entry* entry, prometheus::Registry* registry, const std::string& name,
                   const std::string& help, const Labels& labels, Args&&... args) {
    using Child = std::remove_pointer_t<decltype(entry->child)>;
    try {
      entry->family = &Build<Child>().Name(name).Help(help).Register(*registry);
      entry->child = &entry->family->Add(labels, std::forward<Args>(args)...);
    } catch (const std::exception& e) {
      Die(name, e.what());
    }
  }
};

void Counter::Increment(double by) { static_cast<prometheus::Counter*>(impl_)->Increment(by); }
double Counter::Value() const { return static_cast<prometheus::Counter*>(impl_)->Value(); }
void Gauge::Set(double value) { static_cast<prometheus::Gauge*>(impl_)->Set(value); }
void Gauge::Increment(double by) { static_cast<prometheus::Gauge*>(impl_)->Increment(by); }
double Gauge::Value() const { return static_cast<prometheus::Gauge*>(impl_)->Value(); }
void Histogram::Observe(double value) {
  static_cast<prometheus::Histogram*>(impl_)->Observe(value);
}

Metrics::Metrics()
    : impl_(std::make_unique<Impl>()), refreshers_(std::make_shared<MetricsRefresher::List>()) {}
Metrics::~Metrics() = default;

Counter* Metrics::AddCounter(const std::string& name, const std::string& help,
                             const Labels& labels) {
  absl::MutexLock lock(&impl_->mutex);
  auto* entry = impl_->counters.FindOrInsert(name, labels);
  if (entry->child == nullptr) {
    Impl::Make(entry, &impl_->registry, name, help, labels);
    entry->handle.impl_ = entry->child;
  }
  return &entry->handle;
}

Gauge* Metrics::AddGauge(const std::string& name, const std::string& help, const Labels& labels) {
  absl::MutexLock lock(&impl_->mutex);
  auto* entry = impl_->gauges.FindOrInsert(name, labels);
  if (entry->child == nullptr) {
    Impl::Make(entry, &impl_->registry, name, help, labels);
    entry->handle.impl_ = entry->child;
  }
  return &entry->handle;
}

Histogram* Metrics::AddHistogram(const std::string& name, const std::string& help,
                                 const std::vector<double>& bounds, const Labels& labels) {
  absl::MutexLock lock(&impl_->mutex);
  auto* entry = impl_->histograms.FindOrInsert(name, labels);
  if (entry->child == nullptr) {
    Impl::Make(entry, &impl_->registry, name, help, labels, bounds);
    entry->handle.impl_ = entry->child;
  }
  return &entry->handle;
}

void Metrics::Remove(Counter* counter) {
  absl::MutexLock lock(&impl_->mutex);
  impl_->counters.Remove(counter);
}

void Metrics::Remove(Gauge* gauge) {
  absl::MutexLock lock(&impl_->mutex);
  impl_->gauges.Remove(gauge);
}

void Metrics::Remove(Histogram* histogram) {
  absl::MutexLock lock(&impl_->mutex);
  impl_->histograms.Remove(histogram);
}

MetricsRefresher& MetricsRefresher::operator=(MetricsRefresher&& other) noexcept {
  if (this == &other) return *this;
  End();
  list_ = std::move(other.list_);
  id_ = other.id_;
  return *this;
}

void MetricsRefresher::End() {
  const std::shared_ptr<List> list = list_.lock();
  list_.reset();
  if (list == nullptr) return;
  absl::MutexLock run(&list->running);
  absl::MutexLock lock(&list->mutex);
  list->all.erase(id_);
}

MetricsRefresher Metrics::AddRefresher(std::function<void()> refresh) {
  absl::MutexLock lock(&refreshers_->mutex);
  const uint64_t id = ++refreshers_->last_id;
  refreshers_->all[id] = std::move(refresh);
  return {refreshers_, id};
}

void Metrics::SetCounter(Counter* counter, double value) {
  const double difference = value - counter->Value();
  if (difference > 0) counter->Increment(difference);
}

void Metrics::SetHistogram(Histogram* histogram, const std::vector<uint64_t>& counts, double sum) {
  auto* const impl = static_cast<prometheus::Histogram*>(histogram->impl_);
  const prometheus::ClientMetric::Histogram before = impl->Collect().histogram;
  std::vector<double> increments;
  uint64_t cumulative = 0;
  for (size_t i = 0; i < before.bucket.size() && i < counts.size(); ++i) {
    const uint64_t had = before.bucket[i].cumulative_count - cumulative;
    cumulative = before.bucket[i].cumulative_count;
    increments.push_back(counts[i] > had ? static_cast<double>(counts[i] - had) : 0);
  }
  if (increments.size() < before.bucket.size()) return;
  impl->ObserveMultiple(increments, std::max(sum - before.sample_sum, 0.0));
}

std::string Metrics::Serialize() {
  refreshers_->RunAll();
  // prometheus-cpp gives them in hash order; sorted is better for people and diffs.
  std::vector<prometheus::MetricFamily> families = impl_->registry.Collect();
  std::sort(families.begin(), families.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  for (prometheus::MetricFamily& family : families) {
    std::sort(family.metric.begin(), family.metric.end(), [](const auto& a, const auto& b) {
      return std::lexicographical_compare(a.label.begin(), a.label.end(), b.label.begin(),
                                          b.label.end());
    });
  }
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace entropyd
