// A registry of metrics in the Prometheus model. prometheus-cpp stays behind this header (it
// throws, and Family::Add per event is slow): make the series once, keep the pointer.
//
//   Metrics metrics;
//   Counter* bytes = metrics.AddCounter("entropyd_class_delivered_bytes_total", "Bytes delivered.",
//                                       {{"pool", "default"}, {"class", "gold"}});
//   bytes->Increment(64);
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

class Counter {
 public:
  void Increment(double by = 1);
  double Value() const;

 private:
  friend class Metrics;
  void* impl_ = nullptr;
};

class Gauge {
 public:
  void Set(double value);
  void Increment(double by = 1);
  double Value() const;

 private:
  friend class Metrics;
  void* impl_ = nullptr;
};

class Histogram {
 public:
  void Observe(double value);

 private:
  friend class Metrics;
  void* impl_ = nullptr;
};

class Metrics {
 public:
  Metrics();
  ~Metrics();

  // The same name and labels give the same series. Aborts on an invalid name: names are
  // constants of the program.
  Counter* AddCounter(const std::string& name, const std::string& help, const Labels& labels = {});
  Gauge* AddGauge(const std::string& name, const std::string& help, const Labels& labels = {});
  Histogram* AddHistogram(const std::string& name, const std::string& help,
                          std::vector<double> bounds, const Labels& labels = {});
  // Ends a series; the pointer is dead afterwards.
  void Remove(Counter* counter);
  void Remove(Gauge* gauge);
  void Remove(Histogram* histogram);

  // Runs before each scrape, on the scraping thread: the place to copy numbers kept elsewhere into
  // gauges; it may add and remove series. No two refreshers run at the same time. A counter kept
  // elsewhere is set with SetCounter, from a refresher only; a value below the present one is
  // ignored, because a counter never goes back.
  void AddRefresher(std::function<void()> refresh);
  static void SetCounter(Counter* counter, double value);
  // Likewise; `counts` by bucket, not cumulative, the last one beyond all bounds.
  static void SetHistogram(Histogram* histogram, const std::vector<uint64_t>& counts, double sum);

  // Text exposition format 0.0.4.
  std::string Serialize();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace entropyd
