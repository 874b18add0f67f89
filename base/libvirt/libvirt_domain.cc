#include "base/libvirt/libvirt_domain.h"

#include <libxml/parser.h>
#include <libxml/tree.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/text/names.h"

namespace entropyd {
namespace {

// libvirt uses the name as a file name.
constexpr size_t kMaxNameBytes = 255;
constexpr size_t kUuidLength = 36;
// COMPACT saves memory. NONET forbids the network. By default libxml2 substitutes no entities and
// loads no DTD, and without XML_PARSE_HUGE it bounds the depth.
constexpr int kParseOptions =
    XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_COMPACT;

struct FreeDocument {
  void operator()(xmlDoc* document) const { xmlFreeDoc(document); }
};
struct FreeContext {
  void operator()(xmlParserCtxt* context) const { xmlFreeParserCtxt(context); }
};
using Document = std::unique_ptr<xmlDoc, FreeDocument>;

absl::Status Refuse(absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("read libvirt domain XML: ", why));
}

// libvirt writes no document type, and all attacks with entities need one.
void StopAtDocumentType(void* context, const xmlChar*, const xmlChar*, const xmlChar*) {
  auto* parser = static_cast<xmlParserCtxt*>(context);
  *static_cast<bool*>(parser->_private) = true;
  xmlStopParser(parser);
}

absl::StatusOr<Document> Parse(absl::string_view xml) {
  static const bool initialized = (xmlInitParser(), true);
  if (!initialized || xml.empty()) return Refuse("it is empty");
  if (xml.size() > kMaxLibvirtXmlBytes) {
    return Refuse(
        absl::StrCat("it has ", xml.size(), " bytes, at most ", kMaxLibvirtXmlBytes, " are read"));
  }
  const std::unique_ptr<xmlParserCtxt, FreeContext> context(xmlNewParserCtxt());
  if (context == nullptr) return absl::ResourceExhaustedError("read libvirt domain XML: no memory");
  bool has_document_type = false;
  context->_private = &has_document_type;
  context->sax->internalSubset = StopAtDocumentType;
  Document document(xmlCtxtReadMemory(context.get(), xml.data(), static_cast<int>(xml.size()),
                                      "domain.xml", nullptr, kParseOptions));
  if (has_document_type) return Refuse("it has a document type, which libvirt never writes");
  if (document == nullptr) {
    const xmlError* error = xmlCtxtGetLastError(context.get());
    const bool known = error != nullptr && error->message != nullptr;
    return Refuse(
        absl::StrCat("malformed", known ? absl::StrCat(", line ", error->line, ": ",
                                                       absl::StripAsciiWhitespace(error->message))
                                        : ""));
  }
  return document;
}

bool Is(const xmlNode* node, const char* name, const char* uri) {
  if (node->type != XML_ELEMENT_NODE || !xmlStrEqual(node->name, BAD_CAST name)) return false;
  if (uri == nullptr) return node->ns == nullptr;
  return node->ns != nullptr && xmlStrEqual(node->ns->href, BAD_CAST uri);
}

const xmlNode* Child(const xmlNode* parent, const char* name, const char* uri = nullptr) {
  for (const xmlNode* node = parent->children; node != nullptr; node = node->next) {
    if (Is(node, name, uri)) return node;
  }
  return nullptr;
}

std::string Owned(xmlChar* text) {
  if (text == nullptr) return "";
  std::string owned(reinterpret_cast<const char*>(text));
  xmlFree(text);
  return owned;
}

std::string TextOf(const xmlNode* node) {
  return node == nullptr ? "" : Owned(xmlNodeGetContent(node));
}

std::string AttributeOf(const xmlNode* node, const char* name) {
  return Owned(xmlGetNoNsProp(node, BAD_CAST name));
}

absl::Status CheckDomainName(absl::string_view name) {
  if (name.empty()) return Refuse("the domain has no <name>");
  if (name.size() > kMaxNameBytes) return Refuse("the domain's name is longer than a file name");
  if (std::any_of(name.begin(), name.end(), [](char c) { return absl::ascii_iscntrl(c); })) {
    return Refuse("the domain's name has control characters");
  }
  return absl::OkStatus();
}

bool IsUuid(absl::string_view text) {
  if (text.size() != kUuidLength) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : !absl::ascii_isxdigit(text[i])) return false;
  }
  return true;
}

// Sets the class that our element names, or the reason why it names none.
void ReadBackend(const xmlNode* backend, LibvirtDomain* domain) {
  const std::string model = AttributeOf(backend, "model");
  const std::string pool = AttributeOf(backend, "name");
  const std::string leaf = AttributeOf(backend, "class");
  if (model != "pool") {
    domain->class_error = absl::StrCat("model is ", Excerpt(model), ", not 'pool'");
  } else if (!CheckName(pool).ok()) {
    domain->class_error = absl::StrCat("name=", Excerpt(pool), " is not the name of a pool");
  } else if (!CheckName(leaf).ok()) {
    domain->class_error = absl::StrCat("class=", Excerpt(leaf), " is not the name of a class");
  } else {
    domain->class_name = absl::StrCat(pool, "/", leaf);
  }
}

absl::Status ReadDomain(const xmlNode* element, LibvirtDomain* domain) {
  domain->name = TextOf(Child(element, "name"));
  if (auto status = CheckDomainName(domain->name); !status.ok()) return status;
  if (const xmlNode* uuid = Child(element, "uuid")) {
    domain->uuid = absl::AsciiStrToLower(absl::StripAsciiWhitespace(TextOf(uuid)));
    if (!IsUuid(domain->uuid)) return Refuse("the domain's <uuid> is none");
  }
  const xmlNode* metadata = Child(element, "metadata");
  if (metadata == nullptr) return absl::OkStatus();
  const xmlNode* backend = Child(metadata, kLibvirtMetadataElement, kLibvirtMetadataUri);
  if (backend != nullptr) ReadBackend(backend, domain);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<LibvirtDomain> ParseLibvirtDomain(absl::string_view xml) {
  auto document = Parse(xml);
  if (!document.ok()) return document.status();
  LibvirtDomain domain;
  const xmlNode* element = xmlDocGetRootElement(document->get());
  if (element != nullptr && Is(element, "domstatus", nullptr)) {
    const std::string pid = AttributeOf(element, "pid");
    if (!absl::SimpleAtoi(pid, &domain.pid) || domain.pid <= 0) {
      return Refuse(absl::StrCat("pid=", Excerpt(pid), " of <domstatus> is none"));
    }
    element = Child(element, "domain");
  }
  if (element == nullptr || !Is(element, "domain", nullptr)) {
    return Refuse("it holds no <domain>; give a domain's XML or its status file");
  }
  if (auto status = ReadDomain(element, &domain); !status.ok()) return status;
  return domain;
}

}  // namespace entropyd
