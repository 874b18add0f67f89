#include "client/guest_boot/qemu_reconnect.h"

#include <sys/stat.h>

#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/temp_dir.h"

namespace entropyd {
namespace {

using testing::HasSubstr;

TEST(QemuReconnectTest, TheOptionIsThatOfTheVersion) {
  for (const char* old : {"QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)\n",
                          "QEMU emulator version 9.1.50\n", "QEMU emulator version 2.0\n"}) {
    EXPECT_EQ(ReconnectOf(old).option, "reconnect=1") << old;
  }
  for (const char* current : {"QEMU emulator version 9.2.0\n", "QEMU emulator version 10.0.2 (x)\n",
                              "QEMU emulator version 9.10"}) {
    EXPECT_EQ(ReconnectOf(current).option, "reconnect-ms=1000") << current;
  }
}

TEST(QemuReconnectTest, ItSaysForWhichQemuItIsAndWhatAnotherNeeds) {
  EXPECT_EQ(ReconnectOf("QEMU emulator version 7.2.22").note,
            "for QEMU 7.2, which is installed here; from 9.2 on write reconnect-ms=1000 in the "
            "place of reconnect=1");
  EXPECT_EQ(ReconnectOf("QEMU emulator version 10.0.2").note,
            "for QEMU 10.0, which is installed here; before 9.2 write reconnect=1 in the place of "
            "reconnect-ms=1000");
}

TEST(QemuReconnectTest, WhatIsNotKnownIsTakenForAnOldOne) {
  for (const char* odd : {"", "QEMU", "QEMU emulator version ", "QEMU emulator version ten.2",
                          "QEMU emulator version 10"}) {
    EXPECT_EQ(ReconnectOf(odd).option, "reconnect=1") << odd;
    EXPECT_THAT(ReconnectOf(odd).note, HasSubstr("for QEMU before 9.2; from 9.2 on write")) << odd;
  }
}

TEST(QemuReconnectTest, TheFirstProgramThatAnswersCounts) {
  TempDir dir;
  const auto program = [&dir](const std::string& name, const std::string& script) {
    const std::string path = dir / name;
    std::ofstream(path) << "#!/bin/sh\n" << script << "\n";
    EXPECT_EQ(chmod(path.c_str(), 0755), 0);
    return path;
  };
  const std::string broken = program("broken", "echo QEMU emulator version 7.0.0; exit 1");
  const std::string current = program("current", "echo QEMU emulator version 9.2.1");
  const std::string old = program("old", "echo QEMU emulator version 6.0.0");
  EXPECT_EQ(ReconnectOfInstalledQemu({dir / "none", broken, current, old}).option,
            "reconnect-ms=1000");
  EXPECT_EQ(ReconnectOfInstalledQemu({dir / "none"}).option, "reconnect=1");
}

}  // namespace
}  // namespace entropyd
