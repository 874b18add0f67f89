// One input = the text of a status file that libvirt, or an attacker, wrote. See README.md.
#include <cstddef>
#include <cstdint>

#include "base/libvirt/libvirt_domain.h"
#include "tests/fuzz/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto domain = entropyd::ParseLibvirtDomain({reinterpret_cast<const char*>(data), size});
  if (!domain.ok()) return 0;
  FUZZ_CHECK(!domain->name.empty() && domain->name.size() <= 255);
  FUZZ_CHECK(domain->name.find('\n') == std::string::npos);
  FUZZ_CHECK(domain->uuid.empty() || domain->uuid.size() == 36);
  FUZZ_CHECK(domain->pid >= 0);
  FUZZ_CHECK(domain->class_name.empty() || domain->class_error.empty());
  FUZZ_CHECK(domain->class_name.empty() || domain->class_name.find('/') != std::string::npos);
  return 0;
}
