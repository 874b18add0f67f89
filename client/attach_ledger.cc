#include "client/attach_ledger.h"
