// The names of PKCS#11's return codes, as its standard and the manuals of modules have them.
//
//   Pkcs11CodeText(0xa0)         // "0xa0 (CKR_PIN_INCORRECT)"
//   Pkcs11CodeText(0x80000001)   // "0x80000001 (the vendor's own code)"
//
// Errors: none; a code that the standard does not have is only a number.
//
// Thread safety: a function without state.
#pragma once

#include <string>

namespace entropyd {

std::string Pkcs11CodeText(unsigned long code);

}  // namespace entropyd
