#include "base/class_tree.h"
