// The memory that native threads write and every environment of the process reads. Static storage without a
// destructor in a library linked with -z nodelete: it outlives every environment, worker and exit handler.
#pragma once

#include "snapshot/layout.h"
#include "snapshot/seqlock.h"

namespace inference_health {

struct Block {
  alignas(64) SeqlockSection<kHostSlots> host;
  alignas(64) SeqlockSection<kCoresSlots> cores;
};

extern Block block;

}  // namespace inference_health
