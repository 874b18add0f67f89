// Reads and changes the domains of one libvirt, for `entropyctl libvirt`.
//
//   std::unique_ptr<LibvirtHost> host = ConnectVirsh("qemu:///system", "virsh").value();
//   LibvirtName domain = ChooseDomain(host->Domains().value(), "g1").value();
//   std::string xml = host->DumpXml(domain.uuid, LibvirtView::kDefined).value();
//
// A domain is named by its UUID in every call: libvirt's names and ids may be the same words.
//
// Errors: of every call NOT_FOUND (no such domain, no virsh), UNAVAILABLE (libvirt does not
// answer), else INTERNAL with libvirt's own words.
//
// Thread safety: a LibvirtHost belongs to one thread at a time.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace entropyd {

struct LibvirtName {
  std::string uuid;  // lower case
  std::string name;
  std::string id;  // empty = it does not run
};

struct LibvirtState {
  bool running = false;     // or paused: it has a QEMU
  bool persistent = false;  // it has a definition that stays when it stops
};

enum class LibvirtView {
  kDefined,  // what the next start uses; a transient domain has none
  kRunning,
};

class LibvirtHost {
 public:
  virtual ~LibvirtHost() = default;

  // All of them, running or not.
  virtual absl::StatusOr<std::vector<LibvirtName>> Domains() = 0;
  virtual absl::StatusOr<LibvirtState> State(const std::string& uuid) = 0;
  // Includes the secrets: Define() without them would lose them.
  virtual absl::StatusOr<std::string> DumpXml(const std::string& uuid, LibvirtView view) = 0;
  // Replaces the definition of the domain that the XML names.
  virtual absl::Status Define(const std::string& xml) = 0;
  // Changes the running domain.
  virtual absl::Status AttachDevice(const std::string& uuid, const std::string& xml) = 0;
  // Asks the guest to release the device. It is gone when the running domain's XML lacks it.
  virtual absl::Status DetachDevice(const std::string& uuid, const std::string& xml) = 0;
  // Sets our element in the running domain's metadata, without a namespace; `element` empty removes
  // it.
  virtual absl::Status SetMetadata(const std::string& uuid, const std::string& element) = 0;
};

// Uses the program `virsh` (a path or a name in PATH), and starts it once for each call. `uri`
// empty = virsh's default. Does not connect yet. Errors: those of ScratchDir::Temporary.
absl::StatusOr<std::unique_ptr<LibvirtHost>> ConnectVirsh(const std::string& uri,
                                                          const std::string& virsh = "virsh");

}  // namespace entropyd
