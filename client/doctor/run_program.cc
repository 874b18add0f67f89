#include "client/doctor/run_program.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/types/optional.h"
#include "client/process/child_process.h"
#include "client/process/scratch_dir.h"
#include "client/process/whole_file.h"

namespace entropyd::doctor {
namespace {

// `--check-config` asks the name service for groups, and gives it some seconds.
constexpr absl::Duration kLimit = absl::Seconds(20);
// What a shell says of a program that is not there.
constexpr int kNoProgram = 127;

}  // namespace

absl::StatusOr<ProgramOutput> RunProgram(const std::vector<std::string>& argv) {
  absl::StatusOr<ScratchDir> dir = ScratchDir::Temporary("entropyctl-doctor");
  if (!dir.ok()) return dir.status();
  const std::string out = dir->File("out"), err = dir->File("err");
  std::vector<std::string> command = {"env", "LC_ALL=C"};
  command.insert(command.end(), argv.begin(), argv.end());
  absl::StatusOr<std::unique_ptr<ChildProcess>> child = ChildProcess::Start(command, err, out);
  if (!child.ok()) return child.status();
  const absl::optional<std::string> how = (*child)->ExitedBy(absl::Now() + kLimit);
  if (!how.has_value()) {
    return absl::DeadlineExceededError(
        absl::StrCat(argv.front(), " did not end within ", absl::FormatDuration(kLimit)));
  }
  ProgramOutput output;
  absl::string_view status = *how;
  if (!absl::ConsumePrefix(&status, "exited with status ") ||
      !absl::SimpleAtoi(status, &output.status)) {
    output.status = kNoProgram;
    output.err = *how;
    return output;
  }
  absl::StatusOr<std::string> text = ReadFile(out);
  if (text.ok()) output.out = *std::move(text);
  text = ReadFile(err);
  if (text.ok()) output.err = *std::move(text);
  return output;
}

}  // namespace entropyd::doctor
