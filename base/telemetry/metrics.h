// A registry of metrics in the Prometheus model. Make a series once and keep the pointer.
//
//   Metrics metrics;
//   Counter* bytes = metrics.AddCounter("entropyd_class_delivered_bytes_total", "Bytes delivered.",
//                                       {{"pool", "default"}, {"class", "gold"}});
//   bytes->Increment(64);
//
// Only metrics.cc includes prometheus-cpp: it throws, and its Family::Add is too slow for events.
//
// Errors: none. A name that Prometheus does not allow ends the process: names are constants.
//
// Thread safety: safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace entropyd {

using Labels = std::map<std::string, std::string>;

// A number that only grows.
class Counter {
 public:
  void Increment(double by = 1);
  double Value() const;

 private:
  friend class Metrics;
  void* impl_ = nullptr;
};

// A number that goes up and down.
class Gauge {
 public:
  void Set(double value);
  void Increment(double by = 1);
  double Value() const;

 private:
  friend class Metrics;
  void* impl_ = nullptr;
};

// Counts values by bucket, and adds them up.
class Histogram {
 public:
  void Observe(double value);

 private:
  friend class Metrics;
  void* impl_ = nullptr;
};

// Keeps a refresher of Metrics (see AddRefresher()), until it ends. It waits for one that runs, so
// it does not end within a refresher.
class MetricsRefresher {
 public:
  MetricsRefresher() = default;
  MetricsRefresher(MetricsRefresher&& other) noexcept = default;
  MetricsRefresher& operator=(MetricsRefresher&& other) noexcept;
  ~MetricsRefresher() { End(); }

 private:
  friend class Metrics;
  struct List;
  MetricsRefresher(const std::shared_ptr<List>& list, uint64_t id) : list_(list), id_(id) {}
  void End();

  std::weak_ptr<List> list_;
  uint64_t id_ = 0;
};

// Owns all series of a process; the pointers that it gives are valid as long as it.
class Metrics {
 public:
  Metrics();
  ~Metrics();

  // The same name and labels give the same series. The pointer is valid until Remove(). Aborts on
  // an invalid name, because names are constants of the program. `bounds` are the upper bounds of
  // the buckets, in rising order; one more bucket takes what is above all of them.
  Counter* AddCounter(const std::string& name, const std::string& help, const Labels& labels = {});
  Gauge* AddGauge(const std::string& name, const std::string& help, const Labels& labels = {});
  Histogram* AddHistogram(const std::string& name, const std::string& help,
                          const std::vector<double>& bounds, const Labels& labels = {});
  // Ends a series. The pointer is invalid afterwards.
  void Remove(Counter* counter);
  void Remove(Gauge* gauge);
  void Remove(Histogram* histogram);

  // `refresh` runs before each scrape, on the scraping thread. It copies numbers that are kept
  // elsewhere into series, and may add and remove series. Refreshers never run at the same time.
  // It runs as long as what is returned lives; either may end first.
  [[nodiscard]] MetricsRefresher AddRefresher(std::function<void()> refresh);
  // Sets a counter that is kept elsewhere. It ignores a value below the present one, because a
  // counter never goes back. REQUIRES: called by a refresher.
  static void SetCounter(Counter* counter, double value);
  // The same for a histogram. `counts` is by bucket, not cumulative; the last is above all bounds.
  static void SetHistogram(Histogram* histogram, const std::vector<uint64_t>& counts, double sum);

  // Text exposition format 0.0.4.
  std::string Serialize();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
  const std::shared_ptr<MetricsRefresher::List> refreshers_;
};

}  // namespace entropyd
