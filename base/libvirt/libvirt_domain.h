// What libvirt's XML says of a domain that entropyd wants to know: who it is, and its class.
//
// The class stands in the domain's metadata, where libvirt keeps it across live changes, saves and
// migrations, and where a <backend model='pool'> of the <rng> device would name it if libvirt had
// one:
//
//   <metadata>
//     <entropyd:backend xmlns:entropyd="urn:entropyd:libvirt:1" model="pool" name="default"
//     class="gold"/>
//   </metadata>
//
//   auto domain = ParseLibvirtDomain(xml);           // of `virsh dumpxml`, or
//   auto domain = ParseLibvirtDomain(status_file);   // /run/libvirt/qemu/NAME.xml
//   if (domain.ok() && domain->class_name == "default/gold") ...
//
// The text is not trusted: no network, no external file, no document type, no entity of its own is
// followed, and depth and size are bounded.
//
// Thread safety: safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace entropyd {

// Of the element in <metadata>, as `virsh metadata --uri URI --key PREFIX` takes them.
inline constexpr char kLibvirtMetadataUri[] = "urn:entropyd:libvirt:1";
inline constexpr char kLibvirtMetadataPrefix[] = "entropyd";
inline constexpr char kLibvirtMetadataElement[] = "backend";

// A domain with hundreds of disks has a status file of some 500 KiB.
inline constexpr size_t kMaxLibvirtXmlBytes = 4 * 1024 * 1024;

struct LibvirtDomain {
  std::string name;
  std::string uuid;         // lower case; empty = a definition that leaves it to libvirt
  int32_t pid = 0;          // of its QEMU; 0 = not a status file
  std::string class_name;   // POOL/CLASS; empty = no element of ours, or see below
  std::string class_error;  // our element is there and says nothing usable; why, for a log
};

// Takes a <domain> or a <domstatus>, the latter with its <domain> inside.
// Errors: INVALID_ARGUMENT (malformed, too long, a document type, another element, no name, a uuid
// or pid that is none). What is wrong with our own element is no error: a domain keeps its
// identity.
absl::StatusOr<LibvirtDomain> ParseLibvirtDomain(absl::string_view xml);

}  // namespace entropyd
