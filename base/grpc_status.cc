#include "base/grpc_status.h"
