#include "client/libvirt/xml_document.h"

#include <libxml/parser.h>
#include <libxml/tree.h>
#include <libxml/xmlsave.h>

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/libvirt/libvirt_domain.h"

namespace entropyd {
namespace {

// libvirt's own indentation, for documents that have none.
constexpr absl::string_view kIndentStep = "  ";

const xmlChar* Chars(const char* text) { return reinterpret_cast<const xmlChar*>(text); }
const char* Plain(const xmlChar* text) {
  return text == nullptr ? "" : reinterpret_cast<const char*>(text);
}

// Whether the node is only blanks between two elements.
bool IsBlank(const xmlNode* node) {
  return node != nullptr && node->type == XML_TEXT_NODE &&
         absl::StripAsciiWhitespace(Plain(node->content)).empty();
}

// The blanks between the last line end before `node` and `node`. nullopt: `node` does not begin a
// line.
absl::optional<std::string> IndentOf(const xmlNode* node) {
  if (!IsBlank(node->prev)) return absl::nullopt;
  const absl::string_view blanks = Plain(node->prev->content);
  const size_t line = blanks.rfind('\n');
  if (line == absl::string_view::npos) return absl::nullopt;
  return std::string(blanks.substr(line + 1));
}

xmlNode* NewText(const xmlNode* beside, const std::string& text) {
  return xmlNewDocText(beside->doc, Chars(text.c_str()));
}

void RemoveNode(xmlNode* node) {
  xmlUnlinkNode(node);
  xmlFreeNode(node);
}

// Puts every element below `element`, which stands at `indent`, on a line of its own.
void LayOut(xmlNode* element, const std::string& indent) {
  const std::vector<xmlNode*> children = AllChildElements(element);
  if (children.empty()) return;
  const std::string inner = absl::StrCat(indent, kIndentStep);
  for (xmlNode* child : children) {
    xmlAddPrevSibling(child, NewText(element, absl::StrCat("\n", inner)));
    LayOut(child, inner);
  }
  xmlAddChild(element, NewText(element, absl::StrCat("\n", indent)));
}

std::string Saved(xmlBuffer* buffer) {
  return std::string(Plain(xmlBufferContent(buffer)), static_cast<size_t>(xmlBufferLength(buffer)));
}

struct FreeBuffer {
  void operator()(xmlBuffer* buffer) const { xmlBufferFree(buffer); }
};
using Buffer = std::unique_ptr<xmlBuffer, FreeBuffer>;

// All attacks with entities need a document type.
void StopAtDocumentType(void* context, const xmlChar*, const xmlChar*, const xmlChar*) {
  auto* parser = static_cast<xmlParserCtxt*>(context);
  *static_cast<bool*>(parser->_private) = true;
  xmlStopParser(parser);
}

struct FreeParser {
  void operator()(xmlParserCtxt* parser) const { xmlFreeParserCtxt(parser); }
};

}  // namespace

void XmlDocument::Free::operator()(xmlDoc* document) const { xmlFreeDoc(document); }

absl::StatusOr<XmlDocument> XmlDocument::Parse(absl::string_view text, absl::string_view what) {
  if (text.size() > kMaxLibvirtXmlBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        what, ": ", text.size(), " bytes of XML; a domain has at most ", kMaxLibvirtXmlBytes));
  }
  const std::unique_ptr<xmlParserCtxt, FreeParser> parser(xmlNewParserCtxt());
  if (parser == nullptr) return absl::ResourceExhaustedError("parse XML: no memory");
  bool has_document_type = false;
  parser->_private = &has_document_type;
  parser->sax->internalSubset = StopAtDocumentType;
  XmlDocument document(
      xmlCtxtReadMemory(parser.get(), text.data(), static_cast<int>(text.size()), nullptr, nullptr,
                        XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING),
      absl::StartsWith(absl::StripLeadingAsciiWhitespace(text), "<?xml"));
  if (has_document_type) {
    return absl::InvalidArgumentError(absl::StrCat(
        what, ": has a document type (<!DOCTYPE …>), which no domain needs; remove it"));
  }
  if (document.document_ == nullptr) {
    const xmlError* error = xmlCtxtGetLastError(parser.get());
    const bool known = error != nullptr && error->message != nullptr;
    return absl::InvalidArgumentError(absl::StrCat(
        what, ":", known ? error->line : 1, ": no well-formed XML: ",
        known ? absl::StripAsciiWhitespace(error->message) : absl::string_view("it is empty")));
  }
  return document;
}

xmlNode* XmlDocument::root() const { return xmlDocGetRootElement(document_.get()); }

xmlNode* XmlDocument::NewElement(const char* name) const {
  return xmlNewDocNode(document_.get(), nullptr, Chars(name), nullptr);
}

xmlNode* XmlDocument::NewElement(const char* prefix, const char* uri, const char* name) const {
  xmlNode* element = NewElement(name);
  xmlSetNs(element, xmlNewNs(element, Chars(uri), Chars(prefix)));
  return element;
}

std::string XmlDocument::ToString() const {
  const Buffer buffer(xmlBufferCreate());
  xmlSaveCtxt* save =
      xmlSaveToBuffer(buffer.get(), "UTF-8", XML_SAVE_AS_XML | (declared_ ? 0 : XML_SAVE_NO_DECL));
  xmlSaveDoc(save, document_.get());
  xmlSaveClose(save);
  std::string text = Saved(buffer.get());
  if (!absl::EndsWith(text, "\n")) text += '\n';
  return text;
}

std::vector<xmlNode*> AllChildElements(const xmlNode* parent) {
  std::vector<xmlNode*> found;
  for (xmlNode* node = parent == nullptr ? nullptr : parent->children; node != nullptr;
       node = node->next) {
    if (node->type == XML_ELEMENT_NODE) found.push_back(node);
  }
  return found;
}

std::vector<xmlNode*> ChildElements(const xmlNode* parent, absl::string_view name) {
  std::vector<xmlNode*> found;
  for (xmlNode* node : AllChildElements(parent)) {
    if (node->ns == nullptr && name == Plain(node->name)) found.push_back(node);
  }
  return found;
}

xmlNode* ChildElement(const xmlNode* parent, absl::string_view name) {
  const std::vector<xmlNode*> found = ChildElements(parent, name);
  return found.empty() ? nullptr : found.front();
}

std::vector<xmlNode*> ChildElementsOf(const xmlNode* parent, absl::string_view uri) {
  std::vector<xmlNode*> found;
  for (xmlNode* node : AllChildElements(parent)) {
    if (node->ns != nullptr && uri == Plain(node->ns->href)) found.push_back(node);
  }
  return found;
}

xmlNode* ChildElementOf(const xmlNode* parent, absl::string_view uri, absl::string_view name) {
  for (xmlNode* node : ChildElementsOf(parent, uri)) {
    if (name == Plain(node->name)) return node;
  }
  return nullptr;
}

absl::optional<std::string> FindAttribute(const xmlNode* element, const char* name) {
  if (element == nullptr) return absl::nullopt;
  xmlChar* value = xmlGetNoNsProp(element, Chars(name));
  if (value == nullptr) return absl::nullopt;
  std::string text = Plain(value);
  xmlFree(value);
  return text;
}

std::string Attribute(const xmlNode* element, const char* name) {
  return FindAttribute(element, name).value_or("");
}

void SetAttribute(xmlNode* element, const char* name, const std::string& value) {
  xmlSetProp(element, Chars(name), Chars(value.c_str()));
}

void RemoveAttribute(xmlNode* element, const char* name) { xmlUnsetProp(element, Chars(name)); }

std::string ElementContent(const xmlNode* element) {
  xmlChar* content = xmlNodeGetContent(element);
  std::string text(absl::StripAsciiWhitespace(Plain(content)));
  xmlFree(content);
  return text;
}

long LineOf(const xmlNode* element) { return xmlGetLineNo(element); }
absl::string_view NameOf(const xmlNode* element) { return Plain(element->name); }

void InsertElementAfter(xmlNode* sibling, xmlNode* element) {
  const absl::optional<std::string> indent = IndentOf(sibling);
  xmlAddNextSibling(sibling, element);
  if (!indent.has_value()) return;
  LayOut(element, *indent);
  // The element is in place first. So there is no text beside the new one into which libxml2 could
  // merge it.
  xmlAddNextSibling(sibling, NewText(sibling, absl::StrCat("\n", *indent)));
}

void AppendElement(xmlNode* parent, xmlNode* element) {
  const std::vector<xmlNode*> children = AllChildElements(parent);
  if (!children.empty()) return InsertElementAfter(children.back(), element);
  const absl::optional<std::string> indent = IndentOf(parent);
  while (IsBlank(parent->children)) RemoveNode(parent->children);
  xmlAddChild(parent, element);
  if (indent.has_value()) LayOut(parent, *indent);
}

void RemoveElement(xmlNode* element) {
  xmlNode* parent = element->parent;
  if (IsBlank(element->prev)) RemoveNode(element->prev);
  RemoveNode(element);
  // A parent that holds only blanks now becomes empty again.
  if (IsBlank(parent->children) && parent->children->next == nullptr) RemoveNode(parent->children);
}

std::string ElementText(xmlNode* element) {
  const Buffer buffer(xmlBufferCreate());
  xmlNodeDump(buffer.get(), element->doc, element, 0, 0);
  return Saved(buffer.get());
}

}  // namespace entropyd
