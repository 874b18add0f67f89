#include "server/supply.h"
