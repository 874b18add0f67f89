#include "hostagent/upstream/rendezvous.h"

#include <openssl/sha.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"

namespace entropyd {
namespace {

uint64_t Weight(absl::string_view host_id, const std::string& server) {
  const std::string input = absl::StrCat(host_id, absl::string_view("\0", 1), server);
  uint8_t digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const uint8_t*>(input.data()), input.size(), digest);
  uint64_t weight = 0;
  for (int i = 0; i < 8; ++i) weight = weight << 8 | digest[i];
  return weight;
}

}  // namespace

std::vector<std::string> RendezvousOrder(absl::string_view host_id,
                                         std::vector<std::string> servers) {
  std::vector<std::pair<uint64_t, std::string>> weighed;
  for (std::string& server : servers) {
    const uint64_t weight = Weight(host_id, server);
    weighed.emplace_back(weight, std::move(server));
  }
  std::sort(weighed.begin(), weighed.end(), [](const auto& a, const auto& b) { return a > b; });
  std::vector<std::string> order;
  order.reserve(weighed.size());
  for (auto& [weight, server] : weighed) order.push_back(std::move(server));
  return order;
}

}  // namespace entropyd
