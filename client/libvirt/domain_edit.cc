#include "client/libvirt/domain_edit.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/types/optional.h"
#include "base/libvirt/libvirt_domain.h"
#include "base/text/names.h"
#include "client/libvirt/xml_document.h"

namespace entropyd {
namespace {

absl::StatusOr<XmlDocument> ParseDomain(absl::string_view xml) {
  absl::StatusOr<XmlDocument> document = XmlDocument::Parse(xml, "domain XML");
  if (document.ok() && NameOf(document->root()) != "domain") {
    return absl::InvalidArgumentError(absl::StrCat("domain XML: the outermost element is <",
                                                   NameOf(document->root()),
                                                   ">; give a whole <domain>"));
  }
  return document;
}

// Finds or makes <metadata> where libvirt writes it: after the elements that name the domain.
XmlElement* Metadata(const XmlDocument& document) {
  XmlElement* domain = document.root();
  if (XmlElement* found = ChildElement(domain, "metadata")) return found;
  XmlElement* metadata = document.NewElement("metadata");
  XmlElement* before = nullptr;
  for (absl::string_view name : {"name", "uuid", "genid", "title", "description"}) {
    if (XmlElement* element = ChildElement(domain, name)) before = element;
  }
  if (before == nullptr) {
    AppendElement(domain, metadata);
  } else {
    InsertElementAfter(before, metadata);
  }
  return metadata;
}

XmlElement* Devices(const XmlDocument& document) {
  if (XmlElement* found = ChildElement(document.root(), "devices")) return found;
  XmlElement* devices = document.NewElement("devices");
  AppendElement(document.root(), devices);
  return devices;
}

XmlElement* OurElement(const XmlElement* domain) {
  return ChildElementOf(ChildElement(domain, "metadata"), kLibvirtMetadataUri,
                        kLibvirtMetadataElement);
}

void NameClass(XmlElement* element, const std::string& pool, const std::string& name) {
  SetAttribute(element, "model", "pool");
  SetAttribute(element, "name", pool);
  SetAttribute(element, "class", name);
}

std::string ClassIn(const XmlElement* element) {
  return element == nullptr
             ? ""
             : absl::StrCat(Attribute(element, "name"), "/", Attribute(element, "class"));
}

// Errors: INVALID_ARGUMENT for a name that the agent would not accept from the metadata.
absl::Status SetClass(const XmlDocument& document, const std::string& pool_class,
                      DomainEdit* edit) {
  const auto parts = SplitPoolClass(pool_class);
  if (!parts.ok()) return parts.status();
  XmlElement* element = OurElement(document.root());
  const std::string before = ClassIn(element);
  const bool whole = Attribute(element, "model") == "pool";
  if (before == pool_class && whole) return absl::OkStatus();
  if (element == nullptr) {
    element =
        document.NewElement(kLibvirtMetadataPrefix, kLibvirtMetadataUri, kLibvirtMetadataElement);
    AppendElement(Metadata(document), element);
  }
  NameClass(element, parts->first, parts->second);
  edit->changes.push_back(absl::StrCat("metadata: class ", pool_class,
                                       before.empty() ? "" : absl::StrCat(" (was ", before, ")")));
  return absl::OkStatus();
}

absl::optional<RngDevice> Fed(const XmlElement* domain, const std::string& socket) {
  const std::vector<RngDevice> devices = RngDevices(domain);
  for (const RngDevice& rng : devices) {
    if (rng.ConnectsTo(socket)) return rng;
  }
  for (const RngDevice& rng : devices) {
    if (rng.IsEntropyds()) return rng;
  }
  return absl::nullopt;
}

void AddRng(const XmlDocument& document, const std::string& socket) {
  XmlElement* devices = Devices(document);
  const std::vector<XmlElement*> others = ChildElements(devices, "rng");
  XmlElement* rng = NewFedRng(document, socket);
  if (others.empty()) {
    AppendElement(devices, rng);
  } else {
    InsertElementAfter(others.back(), rng);
  }
}

void HandleOthers(const XmlDocument& document, const XmlElement* fed, bool remove,
                  DomainEdit* edit) {
  for (const RngDevice& rng : RngDevices(document.root())) {
    if (rng.element == fed) continue;
    if (remove) {
      edit->changes.push_back(absl::StrCat("rng: ", DescribeRng(rng), " removed"));
      RemoveElement(rng.element);
    } else {
      edit->notes.push_back(
          absl::StrCat("another <rng> stays (", DescribeRng(rng),
                       "); the guest chooses which one it reads. --only removes the other"));
    }
  }
}

// Checks that the agent reads from the result what was meant.
absl::Status Finish(const XmlDocument& document, const std::string& pool_class, DomainEdit* edit) {
  edit->xml = document.ToString();
  const auto read = ParseLibvirtDomain(edit->xml);
  if (!read.ok()) return read.status();
  if (read->class_name == pool_class) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("class ", pool_class, ": ",
                   read->class_error.empty() ? "cannot stand in metadata" : read->class_error));
}

absl::Status Feeding(const XmlDocument& document, const Feed& feed, DomainEdit* edit) {
  if (absl::Status status = SetClass(document, feed.pool_class, edit); !status.ok()) return status;
  absl::optional<RngDevice> fed = Fed(document.root(), feed.socket);
  if (fed.has_value()) {
    for (std::string& change : MendFedRng(document, *fed, feed.socket)) {
      edit->changes.push_back(std::move(change));
    }
  } else {
    AddRng(document, feed.socket);
    edit->changes.push_back(absl::StrCat("rng: added, fed from ", feed.socket));
    fed = Fed(document.root(), feed.socket);
  }
  HandleOthers(document, fed->element, feed.only, edit);
  return Finish(document, feed.pool_class, edit);
}

void RemoveClass(XmlElement* metadata, DomainEdit* edit) {
  const std::vector<XmlElement*> ours = ChildElementsOf(metadata, kLibvirtMetadataUri);
  for (XmlElement* element : ours) {
    edit->changes.push_back(absl::StrCat("metadata: no class (was ", ClassIn(element), ")"));
    RemoveElement(element);
  }
  if (!ours.empty() && AllChildElements(metadata).empty() && ElementContent(metadata).empty()) {
    RemoveElement(metadata);
  }
}

}  // namespace

absl::StatusOr<DomainEdit> SetFeed(absl::string_view xml, const Feed& feed) {
  absl::StatusOr<XmlDocument> document = ParseDomain(xml);
  if (!document.ok()) return document.status();
  DomainEdit edit;
  edit.before = document->ToString();
  if (absl::Status status = Feeding(*document, feed, &edit); !status.ok()) return status;
  return edit;
}

absl::StatusOr<DomainEdit> RemoveFeed(absl::string_view xml, absl::string_view socket) {
  absl::StatusOr<XmlDocument> document = ParseDomain(xml);
  if (!document.ok()) return document.status();
  DomainEdit edit;
  edit.before = document->ToString();
  // libvirt writes one. In a file that people have put together there may be more.
  for (XmlElement* metadata : ChildElements(document->root(), "metadata")) {
    RemoveClass(metadata, &edit);
  }
  for (const RngDevice& rng : RngDevices(document->root())) {
    if (socket.empty() ? !rng.IsEntropyds() : !rng.ConnectsTo(socket)) continue;
    edit.changes.push_back(absl::StrCat("rng: ", DescribeRng(rng), " removed"));
    RemoveElement(rng.element);
  }
  edit.xml = document->ToString();
  return edit;
}

absl::StatusOr<DomainEdit> ConvertPoolBackends(absl::string_view xml, const std::string& socket) {
  absl::StatusOr<XmlDocument> document = ParseDomain(xml);
  if (!document.ok()) return document.status();
  DomainEdit edit;
  edit.before = document->ToString();
  Feed feed;
  feed.socket = socket;
  for (const RngDevice& rng : RngDevices(document->root())) {
    if (rng.backend != RngBackend::kPool) continue;
    const XmlElement* backend = ChildElement(rng.element, "backend");
    const std::string where = absl::StrCat("domain XML:", LineOf(backend), ": ");
    for (const char* needed : {"name", "class"}) {
      if (!Attribute(backend, needed).empty()) continue;
      return absl::InvalidArgumentError(
          absl::StrCat(where, "<backend model='pool'> has no ", needed,
                       "=; write <backend model='pool' name='POOL' class='CLASS'/>"));
    }
    const std::string named = ClassIn(backend);
    if (!feed.pool_class.empty() && feed.pool_class != named) {
      return absl::InvalidArgumentError(absl::StrCat(where, "class ", named, " beside class ",
                                                     feed.pool_class,
                                                     "; a domain has one class: name it once"));
    }
    feed.pool_class = named;
    for (std::string& change : MendFedRng(*document, rng, socket)) {
      edit.changes.push_back(std::move(change));
    }
  }
  if (feed.pool_class.empty()) {
    return absl::NotFoundError(
        "domain XML: no <rng> has a <backend model='pool' name='POOL' class='CLASS'/>; nothing to "
        "convert");
  }
  if (absl::Status status = Feeding(*document, feed, &edit); !status.ok()) return status;
  return edit;
}

std::string FedRngXml(const std::string& socket) {
  const XmlDocument document = *XmlDocument::Parse("<domain/>", "device");
  XmlElement* rng = NewFedRng(document, socket);
  AppendElement(document.root(), rng);
  return ElementText(rng);
}

std::vector<std::string> FedRngXmls(absl::string_view xml, absl::string_view socket) {
  std::vector<std::string> found;
  const absl::StatusOr<XmlDocument> document = ParseDomain(xml);
  if (!document.ok()) return found;
  for (const RngDevice& rng : RngDevices(document->root())) {
    if (socket.empty() ? rng.IsEntropyds() : rng.ConnectsTo(socket)) {
      found.push_back(ElementText(rng.element));
    }
  }
  return found;
}

std::string ClassElementXml(absl::string_view pool_class) {
  const XmlDocument document = *XmlDocument::Parse("<domain/>", "metadata");
  XmlElement* element = document.NewElement(kLibvirtMetadataElement);
  const auto parts = SplitPoolClass(pool_class);
  if (parts.ok()) NameClass(element, parts->first, parts->second);
  AppendElement(document.root(), element);
  return ElementText(element);
}

}  // namespace entropyd
