// What entropyctl's command line says, and the parts that its commands share. CLI11 throws; only
// this file, the files *_commands.cc and main.cc include it, and main() catches.
//
//   Arguments args;
//   AddServerCommands(app, args);      // gives `app` its commands
//   app.parse(argc, argv);
//   return args.run();                 // the command that was named
//
// Errors: of a word on the command line go through CLI11, which names the flag.
//
// Thread safety: main's thread only.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/text/command_line.h"
#include "client/ctl/commands.h"

namespace entropyd {

// Each command takes its part.
struct Arguments {
  ClientFlags connection;
  std::string output = "text";
  GetOptions get;
  std::string get_bytes;
  bool hex = false, raw = false, base64 = false;
  ClassesOptions classes;
  ClassChangeOptions class_change;
  std::string scenario;
  RecordOptions record;
  DrainOptions drain;
  TopOptions top;
  GuestSocketOptions guest_socket;
  PkiOptions pki;
  DoctorOptions doctor;
  DemoOptions demo;
  std::string demo_guest_bytes = "262144";  // digits, as SizeText leaves them
  GuestBootOptions guest_boot;
  std::string guest_boot_bytes = "65536";
  LibvirtOptions libvirt;
  std::function<int()> run;
  bool output_may_close = false;  // then the command ends in order, and nothing is wrong

  bool json() const { return output == "json"; }
};

// A size such as 64KiB, at most `most`. Leaves digits behind, which SizeNumber() reads.
CLI::Validator SizeText(uint64_t most);
uint64_t SizeNumber(const std::string& digits);
CLI::Validator NumberIn(double least, double most);
CLI::Validator WholeNumberIn(uint64_t least, uint64_t most);

// Adds a command that takes no words of its own.
CLI::App* AddTable(CLI::App& app, Arguments& args, const char* name, const char* help,
                   const std::function<int()>& run);

}  // namespace entropyd
