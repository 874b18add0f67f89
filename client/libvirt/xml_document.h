// Edits an XML document in place and writes it again. Only xml_document.cc includes libxml2.
//
//   XmlDocument document = XmlDocument::Parse(text, "domain g1").value();
//   XmlElement* devices = ChildElement(document.root(), "devices");
//   XmlElement* rng = document.NewElement("rng");
//   SetAttribute(rng, "model", "virtio");
//   AppendElement(devices, rng);        // indented like its neighbours
//   document.ToString();
//
// What nobody changes comes out as it went in. Only the quotes around attributes become ", as
// libxml2 writes them. Document types are refused, so there are no entities and no fetches.
//
// Thread safety: a document and its elements belong to one thread at a time.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"

// Types of libxml2.
struct _xmlDoc;
struct _xmlNode;

namespace entropyd {

using XmlElement = ::_xmlNode;

class XmlDocument {
 public:
  // `what` names the text in errors. Errors: INVALID_ARGUMENT with the line; also when the text is
  // longer than a domain can be (kMaxLibvirtXmlBytes).
  static absl::StatusOr<XmlDocument> Parse(absl::string_view text, absl::string_view what);

  XmlElement* root() const;
  // A new element without a namespace. Give it to AppendElement or InsertElementAfter.
  XmlElement* NewElement(const char* name) const;
  // A new element that declares its own namespace.
  XmlElement* NewElement(const char* prefix, const char* uri, const char* name) const;
  // Ends with a line end. Has an XML declaration if the text had one.
  std::string ToString() const;

 private:
  struct Free {
    void operator()(::_xmlDoc* document) const;
  };
  XmlDocument(::_xmlDoc* document, bool declared) : document_(document), declared_(declared) {}

  std::unique_ptr<::_xmlDoc, Free> document_;
  bool declared_;
};

// Child elements by name, without those that have a namespace. `parent` may be null.
XmlElement* ChildElement(const XmlElement* parent, absl::string_view name);
std::vector<XmlElement*> ChildElements(const XmlElement* parent, absl::string_view name);
// All child elements, with and without a namespace.
std::vector<XmlElement*> AllChildElements(const XmlElement* parent);
// The first child that has this name in this namespace.
XmlElement* ChildElementOf(const XmlElement* parent, absl::string_view uri, absl::string_view name);
// All children of a namespace.
std::vector<XmlElement*> ChildElementsOf(const XmlElement* parent, absl::string_view uri);

// nullopt when the attribute is absent. `element` may be null.
absl::optional<std::string> FindAttribute(const XmlElement* element, const char* name);
std::string Attribute(const XmlElement* element, const char* name);  // "" when absent
void SetAttribute(XmlElement* element, const char* name, const std::string& value);
void RemoveAttribute(XmlElement* element, const char* name);
// The text inside, without the blanks around it.
std::string ElementContent(const XmlElement* element);
// Counts from 1; 0 = not known, e.g. for a new element.
long LineOf(const XmlElement* element);
absl::string_view NameOf(const XmlElement* element);

// Both put a new element, with its children, into its place, with the same blanks as its
// neighbours.
void AppendElement(XmlElement* parent, XmlElement* element);
void InsertElementAfter(XmlElement* sibling, XmlElement* element);
// Removes and frees an element, with the blanks before it.
void RemoveElement(XmlElement* element);
// The text of one element, without an end of line.
std::string ElementText(XmlElement* element);

}  // namespace entropyd
