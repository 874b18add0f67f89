// Reads from libvirt's XML who a domain is and which class it asks for.
//
// The class is in the domain's metadata, which libvirt keeps across live changes, saves and
// migrations. It has the form of a <backend model='pool'> of an <rng> device, which libvirt lacks:
//
//   <metadata>
//     <entropyd:backend xmlns:entropyd="urn:entropyd:libvirt:1"
//                       model="pool" name="default" class="gold"/>
//   </metadata>
//
//   auto domain = ParseLibvirtDomain(xml);           // of `virsh dumpxml`, or
//   auto domain = ParseLibvirtDomain(status_file);   // /run/libvirt/qemu/NAME.xml
//   if (domain.ok() && domain->class_name == "default/gold") ...
//
// The text is not trusted. The parser uses no network and no external file, refuses a document type
// (and so all entities of its own), and bounds depth and size.
//
// Thread safety: safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace entropyd {

// Name our element in <metadata>, as `virsh metadata --uri URI --key PREFIX` takes them.
inline constexpr char kLibvirtMetadataUri[] = "urn:entropyd:libvirt:1";
inline constexpr char kLibvirtMetadataPrefix[] = "entropyd";
inline constexpr char kLibvirtMetadataElement[] = "backend";

// A domain with hundreds of disks has a status file of some 500 KiB.
inline constexpr size_t kMaxLibvirtXmlBytes = 4 * 1024 * 1024;

struct LibvirtDomain {
  std::string name;
  std::string uuid;         // lower case; empty = the definition leaves it to libvirt
  int32_t pid = 0;          // of its QEMU; 0 = not a status file
  std::string class_name;   // POOL/CLASS; empty = there is no element of ours, or class_error
  std::string class_error;  // for a log: why our element names no class; empty = no error
};

// Takes a <domain>, or a <domstatus> with its <domain> inside.
// Errors: INVALID_ARGUMENT (malformed, too long, a document type, another element, no name, a wrong
// uuid or pid). A mistake in our own element is no error: the domain keeps its identity.
absl::StatusOr<LibvirtDomain> ParseLibvirtDomain(absl::string_view xml);

}  // namespace entropyd
