// A client's context for tests: no call, and no stream, lasts for ever.
#pragma once

#include <chrono>

#include "grpcpp/client_context.h"

namespace entropyd {

class BoundedContext : public grpc::ClientContext {
 public:
  // Longer than any test waits for the end of a call; one that ends by this has lost its end.
  BoundedContext() { set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60)); }
};

}  // namespace entropyd
