#include "base/grpc_credentials.h"
