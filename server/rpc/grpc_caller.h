// Who is on the other end of a gRPC call, in the terms of the gate.
//
//   std::string storage;
//   auto identity = gate->Admit(CallerOf(*context, "Attach", &storage), roles);
//
// Errors: none; a caller without a certificate has an empty `cert_pem`.
//
// Thread safety: a function without state.
#pragma once

#include <string>
#include <vector>

#include "grpcpp/server_context.h"
#include "server/access/gate.h"

namespace entropyd {

// The views of the result point into `context` and `storage`.
inline Gate::Caller CallerOf(const grpc::ServerContextBase& context, absl::string_view call,
                             std::string* storage) {
  *storage = context.peer();
  Gate::Caller caller = {.cert_pem = {}, .address = *storage, .call = call};
  const std::vector<grpc::string_ref> pem =
      context.auth_context()->FindPropertyValues("x509_pem_cert");
  if (!pem.empty()) caller.cert_pem = absl::string_view(pem[0].data(), pem[0].size());
  return caller;
}

}  // namespace entropyd
