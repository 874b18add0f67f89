// What the PKCS#11 modules of tests answer alike: what they and their tokens are.
#pragma once

#include <p11-kit/pkcs11.h>

#include <algorithm>
#include <cstddef>
#include <string>

namespace entropyd {

// A field of PKCS#11 has no end but its size, and is filled up with spaces.
inline void Pad(unsigned char* field, size_t size, const std::string& text) {
  std::fill_n(std::copy(text.begin(), text.end(), field), size - text.size(), ' ');
}

inline CK_RV AnswerInfo(const std::string& description, CK_INFO* info) {
  *info = {};
  Pad(info->libraryDescription, sizeof info->libraryDescription, description);
  return CKR_OK;
}

inline CK_RV AnswerTokenInfo(const std::string& label, const std::string& manufacturer,
                             const std::string& serial, bool has_rng, CK_TOKEN_INFO* info) {
  *info = {};
  Pad(info->label, sizeof info->label, label);
  Pad(info->manufacturerID, sizeof info->manufacturerID, manufacturer);
  Pad(info->model, sizeof info->model, "T1");
  Pad(info->serialNumber, sizeof info->serialNumber, serial);
  info->flags = has_rng ? CKF_RNG : 0;
  return CKR_OK;
}

}  // namespace entropyd
