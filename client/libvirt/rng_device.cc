#include "client/libvirt/rng_device.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace entropyd {
namespace {

constexpr absl::string_view kSocketDirectories[] = {"/run/entropyd/", "/var/run/entropyd/"};

XmlElement* NewReconnect(const XmlDocument& document) {
  XmlElement* reconnect = document.NewElement("reconnect");
  SetAttribute(reconnect, "enabled", "yes");
  SetAttribute(reconnect, "timeout", kReconnectSeconds);
  return reconnect;
}

XmlElement* NewSource(const XmlDocument& document, const std::string& socket) {
  XmlElement* source = document.NewElement("source");
  SetAttribute(source, "mode", "connect");
  SetAttribute(source, "path", socket);
  AppendElement(source, NewReconnect(document));
  return source;
}

RngBackend ParseBackend(absl::string_view model) {
  if (model.empty()) return RngBackend::kNone;
  if (model == "random") return RngBackend::kRandom;
  if (model == "builtin") return RngBackend::kBuiltin;
  if (model == "egd") return RngBackend::kEgd;
  return model == "pool" ? RngBackend::kPool : RngBackend::kOther;
}

RngDevice Read(XmlElement* element) {
  RngDevice rng;
  rng.element = element;
  rng.has_rate = ChildElement(element, "rate") != nullptr;
  const XmlElement* backend = ChildElement(element, "backend");
  rng.model = Attribute(backend, "model");
  rng.backend = ParseBackend(rng.model);
  if (rng.backend == RngBackend::kRandom) {
    rng.path = ElementContent(backend);
  } else if (rng.backend == RngBackend::kEgd && Attribute(backend, "type") == "unix") {
    const XmlElement* source = ChildElement(backend, "source");
    rng.path = Attribute(source, "path");
    rng.binds = Attribute(source, "mode") == "bind";
    rng.reconnects = Attribute(ChildElement(source, "reconnect"), "enabled") == "yes";
  }
  return rng;
}

bool HasUnixSource(const RngDevice& rng) {
  const XmlElement* backend = ChildElement(rng.element, "backend");
  return rng.backend == RngBackend::kEgd && Attribute(backend, "type") == "unix" &&
         ChildElement(backend, "source") != nullptr;
}

// Keeps nothing of the old backend: an egd backend has no use for it.
void ReplaceBackend(const XmlDocument& document, XmlElement* rng, const std::string& socket) {
  XmlElement* old = ChildElement(rng, "backend");
  XmlElement* backend = document.NewElement("backend");
  SetAttribute(backend, "model", "egd");
  SetAttribute(backend, "type", "unix");
  AppendElement(backend, NewSource(document, socket));
  if (old == nullptr) return AppendElement(rng, backend);
  InsertElementAfter(old, backend);
  RemoveElement(old);
}

std::vector<std::string> MendSource(const XmlDocument& document, const RngDevice& rng,
                                    const std::string& socket) {
  std::vector<std::string> changes;
  XmlElement* source = ChildElement(ChildElement(rng.element, "backend"), "source");
  if (rng.path != socket || rng.binds) {
    SetAttribute(source, "mode", "connect");
    SetAttribute(source, "path", socket);
    changes.push_back(absl::StrCat("rng: connects to ", socket, " instead of ", DescribeRng(rng)));
  }
  if (!rng.reconnects) {
    XmlElement* reconnect = ChildElement(source, "reconnect");
    if (reconnect == nullptr) {
      AppendElement(source, NewReconnect(document));
    } else {
      SetAttribute(reconnect, "enabled", "yes");
      SetAttribute(reconnect, "timeout", kReconnectSeconds);
    }
    changes.push_back("rng: reconnects when the connection is lost");
  }
  return changes;
}

}  // namespace

bool RngDevice::ConnectsTo(absl::string_view socket) const {
  return backend == RngBackend::kEgd && !path.empty() && path == socket;
}

bool RngDevice::IsEntropyds() const {
  if (backend != RngBackend::kEgd) return false;
  for (absl::string_view directory : kSocketDirectories) {
    if (absl::StartsWith(path, directory)) return true;
  }
  return false;
}

std::vector<RngDevice> RngDevices(const XmlElement* domain) {
  std::vector<RngDevice> found;
  for (XmlElement* element : ChildElements(ChildElement(domain, "devices"), "rng")) {
    found.push_back(Read(element));
  }
  return found;
}

std::string DescribeRng(const RngDevice& rng) {
  const std::string backend = rng.model.empty() ? "no backend" : rng.model;
  return absl::StrCat(backend, rng.binds ? " listening on" : "", rng.path.empty() ? "" : " ",
                      rng.path);
}

XmlElement* NewFedRng(const XmlDocument& document, const std::string& socket) {
  XmlElement* rng = document.NewElement("rng");
  SetAttribute(rng, "model", "virtio");
  ReplaceBackend(document, rng, socket);
  return rng;
}

std::vector<std::string> MendFedRng(const XmlDocument& document, const RngDevice& rng,
                                    const std::string& socket) {
  std::vector<std::string> changes;
  if (HasUnixSource(rng)) {
    changes = MendSource(document, rng, socket);
  } else {
    changes.push_back(absl::StrCat("rng: egd ", socket, " instead of ", DescribeRng(rng)));
    ReplaceBackend(document, rng.element, socket);
  }
  for (XmlElement* rate : ChildElements(rng.element, "rate")) {
    changes.push_back(absl::StrCat("rng: without ", ElementText(rate),
                                   ", because the class and guest_ceil limit the guest"));
    RemoveElement(rate);
  }
  return changes;
}

}  // namespace entropyd
