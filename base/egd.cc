#include "base/egd.h"
