// One input = the XML of a libvirt domain that entropyctl edits. See README.md.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "client/libvirt/domain_edit.h"
#include "tests/fuzz/check.h"

namespace entropyd {
namespace {

constexpr char kSocket[] = "/run/entropyd/gold.sock";

// What was edited once needs no edit, and says the same again.
template <typename Edit>
std::string CheckOnce(absl::string_view xml, Edit edit) {
  const absl::StatusOr<DomainEdit> first = edit(xml);
  if (!first.ok()) {
    FUZZ_CHECK(!first.status().message().empty());
    return "";
  }
  FUZZ_CHECK(first->changes.empty() == (first->before == first->xml));
  const absl::StatusOr<DomainEdit> second = edit(first->xml);
  FUZZ_CHECK(second.ok() && second->changes.empty() && second->xml == first->xml);
  return first->xml;
}

void Edit(absl::string_view xml) {
  for (const bool only : {false, true}) {
    Feed feed;
    feed.pool_class = "default/gold";
    feed.socket = kSocket;
    feed.only = only;
    const std::string fed =
        CheckOnce(xml, [&feed](absl::string_view domain) { return SetFeed(domain, feed); });
    if (fed.empty()) return;  // no domain
    const std::vector<std::string> devices = FedRngXmls(fed, kSocket);
    FUZZ_CHECK(!devices.empty() && (!only || devices.size() == 1));
    const std::string bare =
        CheckOnce(fed, [](absl::string_view domain) { return RemoveFeed(domain, kSocket); });
    FUZZ_CHECK(!bare.empty() && FedRngXmls(bare, kSocket).empty());
  }
  const absl::StatusOr<DomainEdit> converted = ConvertPoolBackends(xml, kSocket);
  if (!converted.ok()) return;
  FUZZ_CHECK(!converted->changes.empty() && !FedRngXmls(converted->xml, kSocket).empty());
  FUZZ_CHECK(!ConvertPoolBackends(converted->xml, kSocket).ok());
}

}  // namespace
}  // namespace entropyd

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  entropyd::Edit({reinterpret_cast<const char*>(data), size});
  return 0;
}
