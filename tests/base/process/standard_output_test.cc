#include "base/process/standard_output.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>

#include "base/process/fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

using testing::HasSubstr;

// What writing says in a program whose standard output is `path`; closed when it is empty.
int TellOnStderr(const char* path) {
  close(STDOUT_FILENO);
  if (*path != '\0') open(path, O_WRONLY);
  OpenStandardFds();
  const absl::Status written = WriteToStandardOutput("an answer\n");
  fprintf(stderr, "%s", written.ok() ? "written" : std::string(written.message()).c_str());
  return absl::IsDataLoss(written) ? 1 : 0;
}

TEST(StandardOutputTest, WhatWasWrittenIsNoError) {
  EXPECT_EXIT(_exit(TellOnStderr("/dev/null")), testing::ExitedWithCode(0), "written");
}

TEST(StandardOutputTest, AFullDiskIsToldWithItsRemedy) {
  EXPECT_EXIT(_exit(TellOnStderr("/dev/full")), testing::ExitedWithCode(1),
              "write to standard output: No space left on device, so the answer is not complete; "
              "make room");
}

TEST(StandardOutputTest, AClosedOneIsToldAndIsNotTheNextFile) {
  EXPECT_EXIT(_exit(TellOnStderr("")), testing::ExitedWithCode(1),
              "write to standard output: it is closed, so the answer is not complete; give it a");
}

TEST(StandardOutputTest, AReasonThatNobodyKnowsIsNotGuessed) {
  EXPECT_THAT(std::string(StandardOutputError(0).message()),
              HasSubstr("it failed, so the answer is not complete; is its disk full"));
}

}  // namespace
}  // namespace entropyd
