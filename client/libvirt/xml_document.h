// An XML document that is edited in place and written out again; libxml2 is fenced in here.
//
//   XmlDocument document = XmlDocument::Parse(text, "domain g1").value();
//   XmlElement* devices = ChildElement(document.root(), "devices");
//   XmlElement* rng = document.NewElement("rng");
//   SetAttribute(rng, "model", "virtio");
//   AppendElement(devices, rng);        // indented as its neighbours are
//   document.ToString();
//
// What is not touched comes out as it went in, but for the quotes around attributes, which libxml2
// writes as ". Document types are refused: no entities, no fetches.
//
// Thread safety: none of its own.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"

// libxml2's, whose headers stay with xml_document.cc.
struct _xmlDoc;
struct _xmlNode;

namespace entropyd {

using XmlElement = ::_xmlNode;

class XmlDocument {
 public:
  // `what` names the text in errors. Errors: INVALID_ARGUMENT with the line; also when it is longer
  // than a domain can be (kMaxLibvirtXmlBytes).
  static absl::StatusOr<XmlDocument> Parse(absl::string_view text, absl::string_view what);

  XmlElement* root() const;
  // An element without a name space that belongs to nobody yet: give it to AppendElement or
  // InsertElementAfter.
  XmlElement* NewElement(const char* name) const;
  // One that declares its own name space.
  XmlElement* NewElement(const char* prefix, const char* uri, const char* name) const;
  // Ends with a line end; has a declaration if the text had one.
  std::string ToString() const;

 private:
  struct Free {
    void operator()(::_xmlDoc* document) const;
  };
  XmlDocument(::_xmlDoc* document, bool declared) : document_(document), declared_(declared) {}

  std::unique_ptr<::_xmlDoc, Free> document_;
  bool declared_;
};

// Elements only, by name; those of a name space do not count. `parent` may be null.
XmlElement* ChildElement(const XmlElement* parent, absl::string_view name);
std::vector<XmlElement*> ChildElements(const XmlElement* parent, absl::string_view name);
// Whatever its name space.
std::vector<XmlElement*> AllChildElements(const XmlElement* parent);
// The first that has this name in this name space.
XmlElement* ChildElementOf(const XmlElement* parent, absl::string_view uri, absl::string_view name);
// All of a name space.
std::vector<XmlElement*> ChildElementsOf(const XmlElement* parent, absl::string_view uri);

// nullopt when it is absent; `element` may be null.
absl::optional<std::string> FindAttribute(const XmlElement* element, const char* name);
std::string Attribute(const XmlElement* element, const char* name);  // "" when absent
void SetAttribute(XmlElement* element, const char* name, const std::string& value);
void RemoveAttribute(XmlElement* element, const char* name);
// The text inside, without the blanks around it.
std::string ElementContent(const XmlElement* element);
// From 1; 0 = not known, as of an element that is new.
long LineOf(const XmlElement* element);
absl::string_view NameOf(const XmlElement* element);

// Both put a whole new element into its place, with the blanks that its neighbours have.
void AppendElement(XmlElement* parent, XmlElement* element);
void InsertElementAfter(XmlElement* sibling, XmlElement* element);
// Takes an element out and ends it, with the blanks before it.
void RemoveElement(XmlElement* element);
// An element by itself, as text without an end of line.
std::string ElementText(XmlElement* element);

}  // namespace entropyd
