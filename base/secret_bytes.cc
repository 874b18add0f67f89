#include "base/secret_bytes.h"
