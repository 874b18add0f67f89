#include "base/process/end_process.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>

#include "absl/time/time.h"
#include "base/process/bounded_write.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

// As the destructor of a library does.
void SayThatItRan() { WriteWithin(STDERR_FILENO, "a destructor ran", absl::Seconds(20)); }

void EndWithDestructor(int status) {
  atexit(SayThatItRan);
  EndProcess(status);
}

TEST(EndProcessTest, NoDestructorRuns) {
  EXPECT_EXIT(EndWithDestructor(3), testing::ExitedWithCode(3), "^$");
}

void EndAfterAnAnswer() {
  dup2(STDERR_FILENO, STDOUT_FILENO);  // which is not a terminal: a whole buffer is kept
  setvbuf(stdout, nullptr, _IOFBF, BUFSIZ);
  fputs("by stdio, ", stdout);
  std::cout << "by a stream";
  EndProcess(0);
}

TEST(EndProcessTest, WhatWasWrittenLeaves) {
  EXPECT_EXIT(EndAfterAnAnswer(), testing::ExitedWithCode(0), "by stdio, by a stream$");
}

}  // namespace
}  // namespace entropyd
