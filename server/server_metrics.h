// What Prometheus sees of the serving half of the server: classes, agents, streams and denials.
//
//   ServerMetrics series(metrics, loop, dispatcher, protocols, certificate_end);
//
// Errors: none.
//
// Thread safety: safe after construction.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "base/telemetry/metrics.h"
#include "base/telemetry/owned_series.h"
#include "server/attach/protocols.h"
#include "server/dispatch/dispatch_loop.h"

namespace entropyd {

class ServerMetrics {
 public:
  // All arguments outlive this object, and this object must outlive the last scrape. `not_after` is
  // the end of the server's own certificate.
  ServerMetrics(Metrics* metrics, DispatchLoop* loop, const Dispatcher* dispatcher,
                const Protocols* protocols, absl::Time not_after);

  // The server has another certificate now. Safe.
  void SetCertificateEnd(absl::Time not_after);
  // Safe.
  absl::Time certificate_end() const;

 private:
  struct ClassSeries {
    ClassSeries(const Labels& labels, Metrics* metrics);
    OwnedSeries owned;
    // The refresh that saw the class last.
    uint64_t seen = 0;
    Counter* delivered;
    Counter* borrowed;
    Counter* throttled;
    Gauge* waiting;
    Gauge* members;
    Gauge* rate;
    Gauge* ceil;
    Gauge* drift;
  };
  struct TotalSeries {
    Counter* series;
    std::function<uint64_t()> value;
  };

  ClassSeries* Series(const std::string& pool, const ClassTree::ClassStats& stats);
  void AddTotals();
  // What is denied to identities that hold their share.
  void AddShares();
  // Runs as the dispatcher's owner.
  void Refresh(int64_t now_nanos);
  void RefreshClasses(int64_t now_nanos);

  Metrics* const metrics_;
  const Dispatcher* const dispatcher_;
  const Protocols* const protocols_;
  std::map<std::pair<std::string, std::string>, std::unique_ptr<ClassSeries>> classes_;
  uint64_t refresh_ = 0;
  std::vector<TotalSeries> totals_;
  Gauge* const certificate_end_;
  Gauge* agents_;
  Gauge* draining_;
  Gauge* in_flight_;
  Gauge* waiting_gets_;
  MetricsRefresher refresher_;
};

}  // namespace entropyd
