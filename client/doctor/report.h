// What an examination of this machine has found, check by check.
//
//   Report report(progress);
//   report.Begin("server.key");
//   report.Broken({.what = "user 994 may not read /etc/entropyd/tls/tls.key",
//                  .why = "the server cannot start",
//                  .mend = "chown entropyd /etc/entropyd/tls/tls.key"});
//   report.Finish();
//
// Errors: none.
//
// Thread safety: belongs to one thread.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"

namespace entropyd::doctor {

// What the doctor may do itself: it takes rights away from others, and makes what is missing.
struct Fix {
  enum class Kind {
    kMode,       // of a file or directory of ours
    kDirectory,  // one of ours that is missing
  };
  Kind kind = Kind::kMode;
  std::string path;
  mode_t mode = 0;
  uid_t owner = 0;  // of a new directory

  // The command that does the same.
  std::string command() const;
};

// One thing that is wrong, for a person who has to mend it.
struct Trouble {
  std::string what;
  // What follows from it, or where it comes from.
  std::string why;
  // The one command that mends it. Empty = that of the fix.
  std::string mend = {};
  // The key of the configuration that it is about, e.g. "tls.cert"; empty = none alone. Two checks
  // that find the same fault name the same key, and it is told once.
  std::string key = {};
  absl::optional<Fix> fix = {};
};

enum class Severity {
  kBroken,   // something does not work now
  kWarning,  // it works, and will not for long, or not as well as it should
};

struct Finding {
  std::string check;
  Severity severity;
  Trouble trouble;
};

// A check, and what it says without having found anything.
struct Remark {
  std::string check;
  std::string text;
};

class Report {
 public:
  // `progress` gets the name of each check that begins.
  explicit Report(std::function<void(absl::string_view check)> progress);

  // What follows belongs to this check.
  void Begin(absl::string_view check);
  void Broken(Trouble trouble);
  void Warn(Trouble trouble);
  // All is well; `text` says what was seen.
  void Passed(absl::string_view text);
  // It could not look; `text` says why, and what to do.
  void Unknown(absl::string_view text);

  // Puts the worst first, and drops what the check of a configuration repeats. Call it once.
  void Finish();

  const std::vector<Finding>& findings() const { return findings_; }
  // Of checks that ran. One that found something is not among them.
  const std::vector<Remark>& passed() const { return passed_; }
  const std::vector<Remark>& unknown() const { return unknown_; }

 private:
  bool Repeats(const Finding& finding) const;

  std::function<void(absl::string_view)> progress_;
  std::string check_;
  std::vector<Finding> findings_;
  std::vector<Remark> passed_;
  std::vector<Remark> unknown_;
};

// "…; correct the path" as its two parts. Our messages end so; the second is empty where one does
// not.
struct Message {
  std::string what;
  std::string remedy;
};
Message SplitRemedy(absl::string_view message);

}  // namespace entropyd::doctor
