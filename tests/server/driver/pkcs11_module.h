// The faults of a security module that a test can order. pkcs11_module.cc is a PKCS#11 module that
// obeys these orders. A test finds them in the loaded module under the name below.
#pragma once

#include <atomic>

namespace entropyd {

struct Pkcs11ModuleControl {
  std::atomic<unsigned long> answer{0};  // of C_GenerateRandom, e.g. 0xB3
  std::atomic<bool> hang{false};         // C_GenerateRandom does not return
  std::atomic<bool> repeat{false};       // the same bytes at every call
  std::atomic<bool> present{true};       // the token is in its slot
  std::atomic<bool> has_rng{true};
  std::atomic<bool> is_softhsm{false};  // by its manufacturer's name
  // C_GenerateRandom wants the user's PIN, kPkcs11ModulePin.
  std::atomic<bool> wants_login{false};
  std::atomic<bool> logged_in{false};
  std::atomic<int> logins{0};             // calls of C_Login, also those in vain
  std::atomic<bool> is_tpm{false};        // by what the module says of itself
  std::atomic<bool> second_token{false};  // a second slot, with "other token"
  // The serial numbers of the tokens; 0 = the token has none.
  std::atomic<int> serial{0};
  std::atomic<int> second_serial{0};
  std::atomic<int> initialised{0};        // calls of C_Initialize that were not in vain
  std::atomic<int> sessions{0};           // open now
  std::atomic<unsigned long> largest{0};  // bytes asked for at a time
};

inline constexpr char kPkcs11ModulePin[] = "open sesame";

inline constexpr char kPkcs11ModuleControl[] = "entropyd_test_pkcs11_control";

}  // namespace entropyd
