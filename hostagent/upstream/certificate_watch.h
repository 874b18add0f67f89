// Watches the files of the agent's certificate on disk: when it expires, what is wrong with them,
// and when somebody has replaced them. Connections read the files again by themselves. This class
// tells when a new attempt is worthwhile. It also tells people and Prometheus before it is too
// late: entropyd_agent_certificate_expiry_timestamp_seconds (0 = no certificate that can be used).
//
//   CertificateWatch watch(tls, &clock, &log, &metrics);
//   if (watch.Renewed()) upstream->CertificateRenewed();   // about once a second
//
// Errors: none; problem() says why the certificate cannot be used.
//
// Thread safety: none; belongs to the event loop's thread.
#pragma once

#include <sys/types.h>
#include <time.h>

#include <array>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/process/clock.h"
#include "base/process/nanos.h"
#include "base/telemetry/log.h"
#include "base/telemetry/metrics.h"
#include "proto/agent_admin.pb.h"
#include "proto/agent_config.pb.h"

namespace entropyd {

class CertificateWatch {
 public:
  // Files that cannot be used are judged again after this, because time may mend them: a
  // certificate becomes valid.
  static constexpr int64_t kJudgeAgainNanos = 2 * kSecondNanos;

  // All but `tls` outlive it. Looks at once, and tells what is wrong.
  CertificateWatch(const config::v1::ClientTls& tls, const Clock* clock, Log* log,
                   Metrics* metrics);

  // Looks at the files' names, sizes and times. Call it about once a second. True when they can be
  // used now, and could not before or have changed.
  bool Renewed();

  // OK, or why nobody can attach with these files, with the remedy.
  absl::Status problem() const;

  // Fills in certificate_expires and certificate_problem.
  void FillStatus(v1::GetStatusResponse* status) const;

 private:
  struct Stamp {
    dev_t device = 0;
    ino_t inode = 0;
    // -1 = there is no file.
    off_t size = -1;
    timespec modified{};
    bool operator==(const Stamp& other) const;
  };
  using Stamps = std::array<Stamp, 3>;

  Stamps Look() const;
  void Load();
  void Tell();

  const config::v1::ClientTls tls_;
  const Clock* const clock_;
  Log* const log_;
  Gauge* const expiry_;
  Stamps seen_;
  absl::Status unusable_;
  int64_t judged_at_ = 0;
  absl::Time not_after_ = absl::InfinitePast();
  bool expiry_told_ = false;
};

}  // namespace entropyd
