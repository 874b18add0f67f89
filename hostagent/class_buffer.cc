#include "hostagent/class_buffer.h"
