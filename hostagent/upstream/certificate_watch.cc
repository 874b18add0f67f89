#include "hostagent/upstream/certificate_watch.h"

#include <sys/stat.h>

#include "absl/strings/str_cat.h"
#include "base/crypto/tls.h"

namespace entropyd {

bool CertificateWatch::Stamp::operator==(const Stamp& other) const {
  return device == other.device && inode == other.inode && size == other.size &&
         modified.tv_sec == other.modified.tv_sec && modified.tv_nsec == other.modified.tv_nsec;
}

CertificateWatch::CertificateWatch(const config::v1::ClientTls& tls, const Clock* clock, Log* log,
                                   Metrics* metrics)
    : tls_(tls),
      clock_(clock),
      log_(log),
      expiry_(metrics->AddGauge("entropyd_agent_certificate_expiry_timestamp_seconds",
                                "When the agent's certificate expires; 0 = there is none that "
                                "could be used.")),
      seen_(Look()) {
  Load();
  if (!unusable_.ok()) Tell();
}

CertificateWatch::Stamps CertificateWatch::Look() const {
  Stamps stamps;
  size_t i = 0;
  for (const std::string* path : {&tls_.cert(), &tls_.key(), &tls_.ca()}) {
    struct stat found;
    Stamp& stamp = stamps[i++];
    // stat() follows links: a renewal may replace the link, or the file that it points to.
    if (stat(path->c_str(), &found) != 0) continue;
    stamp = {found.st_dev, found.st_ino, found.st_size, found.st_mtim};
  }
  return stamps;
}

void CertificateWatch::Load() {
  auto material =
      tls::LoadMaterial(tls_.cert(), tls_.key(), tls_.ca(), /*crl=*/"", clock_->WallTime());
  unusable_ = material.status();
  judged_at_ = clock_->NowNanos();
  expiry_told_ = false;
  if (material.ok()) not_after_ = material->not_after;
  expiry_->Set(material.ok() ? static_cast<double>(absl::ToUnixSeconds(not_after_)) : 0);
}

bool CertificateWatch::Renewed() {
  if (unusable_.ok() && clock_->WallTime() >= not_after_ && !expiry_told_) {
    expiry_told_ = true;
    log_->Error("certificate.expired", {{"reason", problem()}});
  }
  const Stamps now = Look();
  const bool changed = now != seen_;
  const bool judge_again = !unusable_.ok() && clock_->NowNanos() >= judged_at_ + kJudgeAgainNanos;
  if (!changed && !judge_again) return false;
  seen_ = now;
  const absl::Status before = unusable_;
  Load();
  if (!unusable_.ok()) {
    if (changed || unusable_.code() != before.code()) Tell();
    return false;
  }
  log_->Info("certificate.renewed",
             {{"expires", absl::FormatTime(not_after_, absl::UTCTimeZone())}});
  return true;
}

void CertificateWatch::Tell() {
  log_->Error("certificate.unusable",
              {{"reason", unusable_},
               {"remedy", "put a good one there: the agent takes it as soon as it can be used"}});
}

absl::Status CertificateWatch::problem() const {
  if (!unusable_.ok() || clock_->WallTime() < not_after_) return unusable_;
  return absl::FailedPreconditionError(
      absl::StrCat(tls_.cert(), " expired at ", absl::FormatTime(not_after_, absl::UTCTimeZone()),
                   "; issue a new one: the agent uses it as soon as it is there"));
}

void CertificateWatch::FillStatus(v1::GetStatusResponse* status) const {
  if (unusable_.ok()) status->set_certificate_expires(absl::ToUnixSeconds(not_after_));
  status->set_certificate_problem(std::string(problem().message()));
}

}  // namespace entropyd
