#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/types/optional.h"
#include "base/libvirt/libvirt_domain.h"
#include "client/libvirt/libvirt_host.h"
#include "client/process/child_process.h"
#include "client/process/scratch_dir.h"
#include "client/process/whole_file.h"

namespace entropyd {
namespace {

// A hot-unplug waits some seconds for the guest; a busy libvirt waits 30 for its lock.
constexpr absl::Duration kLimit = absl::Seconds(60);

class Virsh final : public LibvirtHost {
 public:
  Virsh(std::string uri, std::string program, ScratchDir dir)
      : uri_(std::move(uri)), program_(std::move(program)), dir_(std::move(dir)) {}

  absl::StatusOr<std::vector<LibvirtName>> Domains() override {
    const absl::StatusOr<std::string> lines = Run({"list", "--all", "--uuid", "--id", "--name"});
    if (!lines.ok()) return lines.status();
    std::vector<LibvirtName> domains;
    for (absl::string_view line : absl::StrSplit(*lines, '\n', absl::SkipEmpty())) {
      // UUID ID NAME; a name may have blanks, and the id of one that does not run is "-".
      const std::vector<std::string> words = absl::StrSplit(line, absl::MaxSplits(' ', 2));
      if (words.size() < 3) {
        return absl::InternalError(
            absl::StrCat("virsh list: '", line, "' is no UUID, id and name"));
      }
      domains.push_back(
          {absl::AsciiStrToLower(words[0]), words[2], words[1] == "-" ? "" : words[1]});
    }
    return domains;
  }

  absl::StatusOr<LibvirtState> State(const std::string& uuid) override {
    const absl::StatusOr<std::string> info = Run({"dominfo", "--domain", uuid});
    if (!info.ok()) return info.status();
    LibvirtState state;
    for (absl::string_view line : absl::StrSplit(*info, '\n')) {
      const std::pair<absl::string_view, absl::string_view> parts =
          absl::StrSplit(line, absl::MaxSplits(':', 1));
      const absl::string_view value = absl::StripAsciiWhitespace(parts.second);
      if (parts.first == "Id") state.running = value != "-";
      if (parts.first == "Persistent") state.persistent = value == "yes";
    }
    return state;
  }

  absl::StatusOr<std::string> DumpXml(const std::string& uuid, LibvirtView view) override {
    std::vector<std::string> words = {"dumpxml", "--domain", uuid, "--security-info"};
    if (view == LibvirtView::kDefined) words.push_back("--inactive");
    return Run(words);
  }

  absl::Status Define(const std::string& xml) override {
    return WithFile(xml, [this](const std::string& file) {
      return Run({"define", "--file", file}).status();
    });
  }
  absl::Status AttachDevice(const std::string& uuid, const std::string& xml) override {
    return OnDevice("attach-device", uuid, xml);
  }
  absl::Status DetachDevice(const std::string& uuid, const std::string& xml) override {
    return OnDevice("detach-device", uuid, xml);
  }

  absl::Status SetMetadata(const std::string& uuid, const std::string& element) override {
    std::vector<std::string> words = {"metadata", "--domain",          uuid,
                                      "--uri",    kLibvirtMetadataUri, "--live"};
    if (element.empty()) {
      words.push_back("--remove");
    } else {
      words.insert(words.end(), {"--key", kLibvirtMetadataPrefix, "--set", element});
    }
    return Run(words).status();
  }

 private:
  absl::Status OnDevice(const char* command, const std::string& uuid, const std::string& xml) {
    return WithFile(xml, [&](const std::string& file) {
      return Run({command, "--domain", uuid, "--file", file, "--live"}).status();
    });
  }

  template <typename Use>
  absl::Status WithFile(const std::string& xml, Use use) {
    const std::string file = dir_.File("request.xml");
    if (absl::Status written = WriteFile(file, xml, 0600); !written.ok()) return written;
    return use(file);
  }

  // Returns standard output. Errors are recognised by their messages in the C locale.
  absl::StatusOr<std::string> Run(const std::vector<std::string>& words) {
    std::vector<std::string> argv = {"env", "LC_ALL=C", program_, "--quiet"};
    if (!uri_.empty()) argv.insert(argv.end(), {"--connect", uri_});
    argv.insert(argv.end(), words.begin(), words.end());
    const std::string output = dir_.File("output");
    const std::string errors = dir_.File("errors");
    for (const std::string& file : {output, errors}) {
      if (absl::Status made = WriteFile(file, "", 0600); !made.ok()) return made;
    }
    absl::StatusOr<std::unique_ptr<ChildProcess>> child = ChildProcess::Start(argv, errors, output);
    if (!child.ok()) return child.status();
    const absl::optional<std::string> how = (*child)->ExitedBy(absl::Now() + kLimit);
    if (!how.has_value()) {
      return absl::DeadlineExceededError(absl::StrCat("virsh ", words.front(), ": no answer in ",
                                                      absl::FormatDuration(kLimit),
                                                      "; look at libvirt's log"));
    }
    if (!(*child)->Succeeded()) return Failure(words.front(), *how, errors);
    return ReadFile(output);
  }

  absl::Status Failure(const std::string& command, const std::string& how,
                       const std::string& errors) const {
    std::string words = LastLines(errors, 5);
    if (how == "exited with status 127") {  // env found no such program
      return absl::NotFoundError(
          absl::StrCat("start ", program_, ": ", words, "; apt-get install libvirt-clients"));
    }
    const std::string what = absl::StrCat("virsh ", command, ": ", words.empty() ? how : words);
    if (absl::StrContains(words, "failed to connect to the hypervisor")) {
      return absl::UnavailableError(absl::StrCat(
          what, "\n  check that libvirtd runs, that you may use it, and the URI of --connect"));
    }
    if (absl::StrContains(words, "failed to get domain")) {
      return absl::NotFoundError(
          absl::StrCat(what, "; `virsh list --all` lists the domains that there are"));
    }
    return absl::InternalError(what);
  }

  const std::string uri_;
  const std::string program_;
  const ScratchDir dir_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<LibvirtHost>> ConnectVirsh(const std::string& uri,
                                                          const std::string& virsh) {
  absl::StatusOr<ScratchDir> dir = ScratchDir::Temporary("entropyctl-virsh");
  if (!dir.ok()) return dir.status();
  return std::make_unique<Virsh>(uri, virsh, *std::move(dir));
}

}  // namespace entropyd
