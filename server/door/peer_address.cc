#include "server/door/peer_address.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/process/socket_address.h"

namespace entropyd {
namespace {

std::string PercentDecoded(absl::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    int byte = 0;
    if (text[i] == '%' && i + 2 < text.size() &&
        absl::SimpleHexAtoi(text.substr(i + 1, 2), &byte)) {
      decoded.push_back(static_cast<char>(byte));
      i += 2;
    } else {
      decoded.push_back(text[i]);
    }
  }
  return decoded;
}

}  // namespace

std::string PeerKey(const sockaddr_storage& address) {
  const std::string text = AddressText(address);
  if (text.empty()) return "";
  const bool v6 = text.find(':') != std::string::npos;
  return absl::StrCat(v6 ? "[" : "", text, v6 ? "]:" : ":", AddressPort(address));
}

std::string PeerKeyOfUri(absl::string_view uri) {
  const size_t scheme = uri.find(':');
  if (scheme == absl::string_view::npos) return "";
  std::string key = PercentDecoded(uri.substr(scheme + 1));
  // The interface of a link-local address, "[fe80::1%eth0]", is not part of the key.
  const size_t zone = key.find('%');
  const size_t end = key.find(']');
  if (zone != std::string::npos && end != std::string::npos && zone < end) {
    key.erase(zone, end - zone);
  }
  return key;
}

}  // namespace entropyd
