// Whether this machine's clock can be right. The way to a server compares it with others'
// (reach_check.cc).
#include <sys/stat.h>

#include "absl/strings/str_cat.h"
#include "client/doctor/checks.h"

namespace entropyd::doctor {
namespace {

// A file server's clock may differ so much.
constexpr absl::Duration kSlack = absl::Minutes(2);

}  // namespace

void LookAtClock(const Subject& subject, Report* report) {
  const Service::TlsPaths tls = subject.service.tls();
  const absl::Time now = subject.machine.now();
  for (const std::string& file :
       {subject.service.config_path, tls.cert, tls.key, tls.ca, tls.crl}) {
    struct stat found;
    if (file.empty() || stat(file.c_str(), &found) != 0) continue;
    const absl::Time written = absl::TimeFromTimespec(found.st_mtim);
    if (written <= now + kSlack) continue;
    return report->Broken(
        {.what = absl::StrCat("this machine's clock says ",
                              absl::FormatTime(absl::RFC3339_sec, now, absl::UTCTimeZone()),
                              ", and ", file, " was written ",
                              absl::FormatDuration(absl::Trunc(written - now, absl::Seconds(1))),
                              " later"),
         .why = "the clock was set back, or was wrong then; certificates are judged by it",
         .mend = "timedatectl set-ntp true"});
  }
  report->Passed(absl::FormatTime(absl::RFC3339_sec, now, absl::UTCTimeZone()));
}

}  // namespace entropyd::doctor
