// `entropyctl sources show|test|reset|record` and `entropyctl self-test`: an operator works on one
// source. cmd_admin.cc lists all of them.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/process/fd.h"
#include "client/admin_client.h"
#include "client/ctl/command_status.h"
#include "client/ctl/commands.h"
#include "client/ctl/interrupt.h"
#include "client/show/json_text.h"
#include "client/show/message_json.h"
#include "client/show/output.h"
#include "client/show/tables.h"

namespace entropyd {
namespace {

// The public SP 800-90B tools ask for this figure: samples are whole bytes.
constexpr int kBitsPerSample = 8;

absl::StatusOr<v1::Source> Find(AdminClient& admin, const std::string& name) {
  const absl::StatusOr<v1::ListSourcesResponse> all = admin.ListSources();
  if (!all.ok()) return all.status();
  std::vector<std::string> names;
  for (const v1::Source& source : all->source()) {
    if (source.name() == name) return source;
    names.push_back(source.name());
  }
  return absl::NotFoundError(absl::StrCat(
      "sources: no source '", name, "' is configured; there are ", absl::StrJoin(names, ", ")));
}

absl::StatusOr<v1::Source> Act(AdminClient& admin, const std::string& name, SourceAction action) {
  if (action == SourceAction::kTest) {
    absl::StatusOr<v1::TestSourceResponse> answer = admin.TestSource(name);
    if (!answer.ok()) return answer.status();
    return std::move(*answer->mutable_source());
  }
  if (action == SourceAction::kReset) {
    absl::StatusOr<v1::ResetSourceResponse> answer = admin.ResetSource(name);
    if (!answer.ok()) return answer.status();
    return std::move(*answer->mutable_source());
  }
  return Find(admin, name);
}

// A file that gets its name when it is complete.
class PartFile {
 public:
  explicit PartFile(const std::string& path) : path_(path), part_(path + ".part") {}
  ~PartFile() {
    if (fd_) unlink(part_.c_str());
  }

  absl::Status Open(bool replace) {
    std::error_code error;
    if (std::filesystem::is_directory(path_, error)) {
      return absl::InvalidArgumentError(
          absl::StrCat("record: --out: ", path_, " is a directory; name a file"));
    }
    if (!replace && access(path_.c_str(), F_OK) == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("record: ", path_, " exists; choose another --out, or --force"));
    }
    // Raw samples show how good the source is: only the owner may read them.
    fd_.reset(open(part_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (fd_) return absl::OkStatus();
    const absl::Status status = ErrnoStatus(errno, absl::StrCat("record: --out: create ", path_));
    return absl::Status(status.code(), absl::StrCat(status.message(),
                                                    "; name a file in a directory that is there, "
                                                    "and that you may write"));
  }
  absl::Status Write(absl::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = write(fd_.get(), bytes.data(), bytes.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return ErrnoStatus(errno, absl::StrCat("record: --out: write ", path_));
      bytes.remove_prefix(static_cast<size_t>(n));
    }
    return absl::OkStatus();
  }
  absl::Status Complete() {
    if (fsync(fd_.get()) != 0)
      return ErrnoStatus(errno, absl::StrCat("record: --out: write ", path_));
    if (rename(part_.c_str(), path_.c_str()) != 0) {
      return ErrnoStatus(errno, absl::StrCat("record: --out: write ", path_));
    }
    fd_.reset();
    return absl::OkStatus();
  }

 private:
  const std::string path_;
  const std::string part_;
  UniqueFd fd_;
};

// Shows one line on a terminal and rewrites it; elsewhere it shows nothing.
class Progress {
 public:
  explicit Progress(uint64_t whole) : whole_(whole), shown_(isatty(STDERR_FILENO) == 1) {}
  ~Progress() {
    if (shown_) std::cerr << '\n';
  }
  void Show(uint64_t done) const {
    if (shown_) std::cerr << '\r' << done << " of " << whole_ << " samples" << std::flush;
  }

 private:
  const uint64_t whole_;
  const bool shown_;
};

// Names the file, and the program that assesses it.
void PrintRecorded(const RecordOptions& options, uint64_t whole, bool json) {
  if (json) {
    std::cout << absl::StrCat("{\"source\":", JsonString(options.source), ",\"samples\":", whole,
                              ",\"restarts\":", options.restarts,
                              ",\"bits_per_sample\":", kBitsPerSample,
                              ",\"file\":", JsonString(options.out), "}\n");
  } else if (options.restarts > 0) {
    std::cout << options.out << ": " << options.restarts << " restarts of " << options.samples
              << " samples of " << kBitsPerSample << " bits; assess with `ea_restart "
              << options.out << " " << kBitsPerSample << " H_I`\n";
  } else {
    std::cout << options.out << ": " << whole << " samples of " << kBitsPerSample
              << " bits; assess with `ea_non_iid " << options.out << " " << kBitsPerSample << "`\n";
  }
}

}  // namespace

int RunSource(const ClientFlags& flags, const std::string& name, SourceAction action, bool json) {
  const auto admin = DialAdmin(flags);
  if (!admin.ok()) return Fail(admin.status());
  const absl::StatusOr<v1::Source> source = Act(**admin, name, action);
  if (!source.ok()) return FailServer(source.status());
  json ? PrintJson(JsonOf(*source)) : Print(SourceText(*source, ScreenColumns()));
  return source->state() == v1::SOURCE_STATE_HEALTHY ? kExitOk : kExitUnhealthy;
}

int RunRecord(const ClientFlags& flags, const RecordOptions& options, bool json) {
  Interrupt interrupt;
  const auto admin = DialAdmin(flags);
  if (!admin.ok()) return Fail(admin.status());
  PartFile file(options.out);
  if (const absl::Status opened = file.Open(options.force); !opened.ok()) return FailFile(opened);

  v1::RecordSourceRequest request;
  request.set_name(options.source);
  request.set_samples(options.samples);
  request.set_restarts(options.restarts);
  const uint64_t whole = options.samples * std::max(1u, options.restarts);
  uint64_t done = 0;
  absl::Status written;
  absl::Status recorded;
  {
    const Progress progress(whole);
    recorded = (*admin)->RecordSource(request, [&](const std::string& samples) {
      written = file.Write(samples);
      done += samples.size();
      progress.Show(done);
      return written.ok() && !interrupt.Raised();
    });
  }
  if (!written.ok()) return Fail(written);
  if (interrupt.Raised())
    return Fail(absl::CancelledError("record: interrupted; no file was written"));
  if (!recorded.ok()) return FailServer(recorded);
  if (done != whole) {
    return Fail(absl::DataLossError(
        absl::StrCat("record: the server sent ", done, " of ", whole, " samples")));
  }
  if (const absl::Status complete = file.Complete(); !complete.ok()) return Fail(complete);
  PrintRecorded(options, whole, json);
  return kExitOk;
}

int RunSelfTest(const ClientFlags& flags, bool json) {
  const auto admin = DialAdmin(flags);
  if (!admin.ok()) return Fail(admin.status());
  const absl::StatusOr<v1::SelfTestResponse> answer = (*admin)->SelfTest();
  if (!answer.ok()) return FailServer(answer.status());
  json ? PrintJson(JsonOf(*answer))
       : Print(absl::StrCat("passed: ", OneLine(absl::StrJoin(answer->passed(), ", ")), "\n"));
  return kExitOk;
}

}  // namespace entropyd
