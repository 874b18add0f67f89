// A fault that a test plants into a machine in good health, and what the doctor has to say of it.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <ostream>
#include <string>

#include "tests/client/doctor/doctor_rig.h"

namespace entropyd::doctor {

inline constexpr Severity kBroken = Severity::kBroken;
inline constexpr Severity kWarning = Severity::kWarning;

inline absl::Time Before(int hours) { return absl::Now() - absl::Hours(hours); }

struct PlantedFault {
  const char* name;
  const char* check;
  Severity severity;
  const char* what;  // a part of it
  std::function<void(Rig&)> plant;
};

inline void PrintTo(const PlantedFault& fault, std::ostream* out) { *out << fault.name; }

// It is the one thing that is found: neither passed over, nor told twice, nor blamed on others.
inline void ExpectFound(const PlantedFault& fault) {
  Rig rig;
  fault.plant(rig);
  const Examination found = rig.Examine();
  std::string all;
  for (const Finding& one : found.report.findings()) {
    absl::StrAppend(&all, one.check, ": ", one.trouble.what, "\n");
  }
  for (const Remark& one : found.report.unknown()) {
    absl::StrAppend(&all, "unknown: ", one.check, ": ", one.text, "\n");
  }
  ASSERT_EQ(found.report.findings().size(), 1) << all;
  const Finding& finding = found.report.findings().front();
  EXPECT_EQ(finding.check, fault.check) << all;
  EXPECT_EQ(finding.severity, fault.severity) << all;
  EXPECT_THAT(finding.trouble.what, ::testing::HasSubstr(fault.what));
  EXPECT_FALSE(finding.trouble.why.empty()) << all;
  EXPECT_FALSE(finding.trouble.mend.empty()) << all;
  EXPECT_EQ(ExitStatusOf(found.report), 1);
}

}  // namespace entropyd::doctor
