#include "base/attach_wire.h"
