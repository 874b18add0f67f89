#include "client/entropy_stream.h"
