// The memory that native threads write and every environment of the process reads. Static storage without a
// destructor in a library linked with -z nodelete: it outlives every environment, worker and exit handler.
#pragma once

#include <atomic>

#include "snapshot/layout.h"
#include "snapshot/seqlock.h"

namespace inference_health {

struct Block {
  alignas(64) SeqlockSection<kHostSlots> host;
  alignas(64) SeqlockSection<kCoresSlots> cores;
  /// When a signal came that begins the shutdown; 0 = none has. One word, so a signal handler can store it.
  alignas(64) std::atomic<double> signal_at_ms{0};
};

extern Block block;

}  // namespace inference_health
