#include "server/driver/tcti_library.h"

#include <dlfcn.h>
#include <link.h>
#include <sys/stat.h>
#include <tss2/tss2_tctildr.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "server/driver/file_rights.h"

namespace entropyd {
namespace {

// What the TSS puts before and behind a word.
constexpr char kPrefix[] = "libtss2-tcti-";

bool IsPath(absl::string_view library) { return absl::StrContains(library, '/'); }

// As the tcti names them, the first one first.
std::vector<std::string> LibrariesOf(absl::string_view tcti) {
  std::vector<std::string> libraries;
  for (;;) {
    libraries.emplace_back(tcti.substr(0, tcti.find(':')));
    const auto [name, rest] = SplitTcti(tcti);
    if (name != "pcap" || rest.empty()) return libraries;
    tcti = rest;
  }
}

// Where the loader looks without its cache.
void AddLoaderPaths(std::vector<std::string>* places) {
  void* const program = dlopen(nullptr, RTLD_LAZY);
  if (program == nullptr) return;
  Dl_serinfo size;
  if (dlinfo(program, RTLD_DI_SERINFOSIZE, &size) == 0) {
    std::vector<char> bytes(size.dls_size);
    auto* const info = reinterpret_cast<Dl_serinfo*>(bytes.data());
    info->dls_size = size.dls_size;
    info->dls_cnt = size.dls_cnt;
    if (dlinfo(program, RTLD_DI_SERINFO, info) == 0) {
      const Dl_serpath* const paths = info->dls_serpath;
      for (unsigned int i = 0; i < info->dls_cnt; ++i) places->emplace_back(paths[i].dls_name);
    }
  }
  dlclose(program);
}

std::vector<std::string> Places() {
  std::vector<std::string> places;
  AddLoaderPaths(&places);
  // The TSS and what belongs to it are installed together.
  Dl_info tss;
  if (dladdr(reinterpret_cast<void*>(&Tss2_TctiLdr_Initialize), &tss) != 0) {
    places.push_back(std::filesystem::path(tss.dli_fname).parent_path());
  }
  return places;
}

bool IsFile(const std::string& path) {
  struct stat found;
  return stat(path.c_str(), &found) == 0 && S_ISREG(found.st_mode);
}

bool IsThere(const std::string& library, const std::vector<std::string>& places) {
  if (IsPath(library)) return IsFile(library);
  const std::string names[] = {library, absl::StrCat(kPrefix, library, ".so.0"),
                               absl::StrCat(kPrefix, library, ".so")};
  return std::any_of(places.begin(), places.end(), [&](const std::string& place) {
    return std::any_of(std::begin(names), std::end(names), [&](const std::string& name) {
      return IsFile(absl::StrCat(place, "/", name));
    });
  });
}

}  // namespace

std::pair<absl::string_view, absl::string_view> SplitTcti(absl::string_view tcti) {
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(tcti, absl::MaxSplits(':', 1));
  absl::string_view name = parts.first.substr(parts.first.rfind('/') + 1);
  absl::ConsumePrefix(&name, kPrefix);
  return {name.substr(0, name.find(".so")), parts.second};
}

absl::Status CheckTctiLibraries(absl::string_view tcti) {
  for (const std::string& library : LibrariesOf(tcti)) {
    struct stat found;
    if (!IsPath(library) || stat(library.c_str(), &found) != 0) continue;
    const std::string others = WhoElseMayWrite(found);
    if (others.empty()) continue;
    return absl::FailedPreconditionError(
        absl::StrCat("load library ", library, ": ", others,
                     " may write it; let it belong to root, and let nobody else write it"));
  }
  return absl::OkStatus();
}

absl::Status FindTctiLibraries(absl::string_view tcti) {
  const std::vector<std::string> places = Places();
  for (const std::string& library : LibrariesOf(tcti)) {
    if (IsThere(library, places)) continue;
    return absl::NotFoundError(
        absl::StrCat("there is no library ",
                     IsPath(library) ? library : absl::StrCat(kPrefix, library, ".so.0")));
  }
  return absl::OkStatus();
}

}  // namespace entropyd
