// The names of what a TPM and the TSS answer (TPM 2.0 Library, Part 2, 6.6; TSS 2.0 Overview,
// "Return codes").
//
//   Tpm2CodeText(0x101)      // "0x101 (TPM2_RC_FAILURE)"
//   Tpm2CodeText(0xa000a)    // "0xa000a (TSS2_BASE_RC_IO_ERROR of the TCTI)"
//
// Errors: none; a code that nobody knows is only a number.
//
// Thread safety: a function without state.
#pragma once

#include <cstdint>
#include <string>

namespace entropyd {

std::string Tpm2CodeText(uint32_t code);

}  // namespace entropyd
