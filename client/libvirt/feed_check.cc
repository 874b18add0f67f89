#include "client/libvirt/feed_check.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/libvirt/libvirt_domain.h"
#include "client/libvirt/xml_document.h"

namespace entropyd {
namespace {

class Linter {
 public:
  Linter(absl::string_view domain, absl::string_view view, const v1::GetStatusResponse* agent,
         const std::string& socket)
      : domain_(domain), view_(view), agent_(agent), socket_(socket) {}

  std::vector<LintFinding> Lint(absl::string_view xml) {
    const absl::StatusOr<XmlDocument> document = XmlDocument::Parse(xml, "domain XML");
    const auto read = ParseLibvirtDomain(xml);
    if (!document.ok() || !read.ok()) {
      const absl::Status& why = document.ok() ? read.status() : document.status();
      Find("xml", std::string(why.message()), absl::StrCat("virsh edit ", domain_));
      return std::move(found_);
    }
    class_ = read->class_name;
    for (const RngDevice& rng : RngDevices(document->root())) LintDevice(rng);
    LintClass(*read);
    return std::move(found_);
  }

 private:
  void Find(const char* code, std::string message, std::string remedy) {
    found_.push_back({domain_, view_, code, std::move(message), std::move(remedy)});
  }

  // The command that mends most findings.
  std::string Set(absl::string_view flags = "") const {
    return absl::StrCat(
        "entropyctl libvirt set ", domain_, " --class ", class_.empty() ? "POOL/CLASS" : class_,
        flags,
        socket_.empty() || socket_ == kDefaultEgdSocket ? "" : absl::StrCat(" --socket ", socket_));
  }

  bool IsAgents(const RngDevice& rng) const {
    if (!socket_.empty()) return rng.ConnectsTo(socket_);
    if (agent_ == nullptr) return rng.ConnectsTo(kDefaultEgdSocket);
    return rng.backend == RngBackend::kEgd && CheckSocket(*agent_, rng.path).ok();
  }

  void LintDevice(const RngDevice& rng) {
    if (rng.backend == RngBackend::kRandom || rng.backend == RngBackend::kBuiltin) {
      return Find("kernel-device",
                  absl::StrCat("an <rng> is fed from the host's kernel (", DescribeRng(rng),
                               "); classes, limits and accounts do not apply to it"),
                  Set(" --only"));
    }
    if (rng.backend != RngBackend::kEgd) return;
    if (!IsAgents(rng)) {
      elsewhere_ = true;
      const std::string listens =
          agent_ == nullptr ? "" : absl::StrCat(": ", CheckSocket(*agent_, rng.path).message());
      return Find(
          "device-elsewhere",
          absl::StrCat("an <rng> (", DescribeRng(rng), ") is not on the agent's socket", listens),
          Set(rng.IsEntropyds() ? "" : " --only"));
    }
    if (++fed_ == 2) {
      Find("device-twice", "the agent feeds more than one <rng>; a guest reads only one of them",
           absl::StrCat("virsh edit ", domain_));
    }
    LintListener(rng);
    if (rng.binds) {
      Find("listens", absl::StrCat("QEMU would listen on ", rng.path, " instead of connecting"),
           Set());
    } else if (!rng.reconnects) {
      Find("no-reconnect",
           "without <reconnect> the guest gets no more entropy after a restart of the agent, "
           "and "
           "it does not start while the agent does not run",
           Set());
    }
    if (rng.has_rate) {
      Find("rate",
           "a <rate> makes QEMU hold requests back for its whole period; the class and guest_ceil "
           "limit the guest anyway",
           Set());
    }
  }

  // The class is in the domain's metadata, but the listener does not read it. If the listener gives
  // the same class anyway, e.g. with a socket for each class, there is nothing to mend.
  void LintListener(const RngDevice& rng) {
    if (agent_ == nullptr || class_.empty()) return;
    std::string heeds;
    const v1::GetStatusResponse::ListenerStatus* of = nullptr;
    for (const auto& listener : agent_->listener()) {
      if (listener.path() == rng.path) of = &listener;
      if (heeds.empty() && listener.identify() == "libvirt") heeds = listener.path();
    }
    // An agent of an earlier version does not say how it identifies.
    if (of == nullptr || of->identify().empty() || of->identify() == "libvirt") return;
    if (of->class_() == class_) return;
    std::string remedy = absl::StrCat("set identify: libvirt for the listener ", rng.path,
                                      " in agent.yaml and run `entropyctl agent reload`");
    if (!heeds.empty()) {
      absl::StrAppend(&remedy, "; or `entropyctl libvirt set ", domain_, " --class ", class_,
                      " --socket ", heeds, rng.IsEntropyds() ? "`" : " --only`");
    }
    Find("class-ignored",
         absl::StrCat("metadata names class ", class_, ", but the listener ", rng.path,
                      " has identify: ", of->identify(), " and serves the guest in ", of->class_()),
         std::move(remedy));
  }

  void LintClass(const LibvirtDomain& domain) {
    if (!domain.class_error.empty()) {
      return Find("class-unreadable", absl::StrCat("metadata: ", domain.class_error), Set());
    }
    if (class_.empty()) return;
    if (fed_ == 0 && !elsewhere_) {
      Find("class-without-device",
           absl::StrCat("metadata names class ", class_, ", but no <rng> is on the agent's socket"),
           Set());
    }
    if (agent_ == nullptr) return;
    const absl::Status usable = CheckClass(*agent_, class_);
    if (usable.ok()) return;
    Find(absl::IsNotFound(usable) ? "class-unknown" : "class-closed",
         absl::StrCat("metadata: ", usable.message()),
         absl::StrCat("entropyctl libvirt set ", domain_, " --class POOL/CLASS"));
  }

  const std::string domain_;
  const std::string view_;
  const v1::GetStatusResponse* const agent_;
  const std::string socket_;
  std::string class_;
  int fed_ = 0;             // devices on the agent's socket
  bool elsewhere_ = false;  // an EGD device is on another socket
  std::vector<LintFinding> found_;
};

}  // namespace

absl::Status CheckClass(const v1::GetStatusResponse& agent, absl::string_view pool_class) {
  std::vector<std::string> names;
  for (const auto& one : agent.class_()) {
    if (one.class_() != pool_class) {
      names.push_back(one.class_());
      continue;
    }
    if (one.phase() != v1::PHASE_CLOSED) return absl::OkStatus();
    return absl::PermissionDeniedError(
        absl::StrCat("class ", pool_class, " is closed to this host",
                     one.reason().empty() ? "" : absl::StrCat(" (", one.reason(), ")"),
                     "; allow it in `policy` of server.yaml"));
  }
  return absl::NotFoundError(
      absl::StrCat("class ", pool_class, " is not among this host's (",
                   names.empty() ? "it has none" : absl::StrJoin(names, ", "),
                   "); add it to `classes` in agent.yaml and run `entropyctl agent reload`"));
}

absl::Status CheckSocket(const v1::GetStatusResponse& agent, absl::string_view socket) {
  std::vector<std::string> paths;
  for (const auto& listener : agent.listener()) {
    if (listener.path() == socket) return absl::OkStatus();
    paths.push_back(listener.path());
  }
  return absl::NotFoundError(absl::StrCat("the agent does not listen on ",
                                          socket.empty() ? "that" : socket, " but on ",
                                          paths.empty() ? "nothing" : absl::StrJoin(paths, ", ")));
}

std::vector<LintFinding> LintDomain(absl::string_view domain, absl::string_view view,
                                    absl::string_view xml, const v1::GetStatusResponse* agent,
                                    const std::string& socket) {
  return Linter(domain, view, agent, socket).Lint(xml);
}

std::vector<LintFinding> MergeViews(std::vector<LintFinding> defined,
                                    std::vector<LintFinding> running) {
  for (LintFinding& finding : running) {
    const auto same = std::find_if(defined.begin(), defined.end(), [&](const LintFinding& other) {
      return other.code == finding.code && other.message == finding.message;
    });
    if (same != defined.end()) {
      same->view = "both";
    } else {
      finding.remedy = absl::StrCat(finding.remedy, ", then shut it down and start it");
      defined.push_back(std::move(finding));
    }
  }
  return defined;
}

}  // namespace entropyd
