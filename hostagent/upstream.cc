#include "hostagent/upstream.h"
