#include "base/wire/grpc_resolver.h"

#include <stdlib.h>

namespace entropyd {

bool UsePlatformResolver() { return setenv("GRPC_DNS_RESOLVER", "native", /*overwrite=*/0) == 0; }

}  // namespace entropyd
