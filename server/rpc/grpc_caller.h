// Who is on the other end of a gRPC call, in the terms of the gate.
//
//   std::string storage;
//   auto identity = gate->Admit(CallerOf(*context, "Attach", &storage), roles);
//
// Errors: none; a caller without a certificate has an empty `cert_pem`.
//
// Thread safety: a function without state.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "grpc/grpc_security_constants.h"
#include "grpcpp/server_context.h"
#include "server/access/gate.h"

namespace entropyd {

// The views of the result point into `context` and `storage`.
inline Gate::Caller CallerOf(const grpc::ServerContextBase& context, absl::string_view call,
                             std::string* storage) {
  *storage = context.peer();
  Gate::Caller caller = {.cert_pem = {}, .chain_pem = {}, .address = *storage, .call = call};
  const std::shared_ptr<const grpc::AuthContext> peer = context.auth_context();
  const auto property = [&peer](const char* name) {
    const std::vector<grpc::string_ref> values = peer->FindPropertyValues(name);
    return values.empty() ? absl::string_view()
                          : absl::string_view(values[0].data(), values[0].size());
  };
  caller.cert_pem = property(GRPC_X509_PEM_CERT_PROPERTY_NAME);
  caller.chain_pem = property(GRPC_X509_PEM_CERT_CHAIN_PROPERTY_NAME);
  return caller;
}

}  // namespace entropyd
