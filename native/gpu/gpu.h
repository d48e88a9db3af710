// The GPU part: one for the process, whoever asks for it, in threads or in a helper process. Nothing here enters NVML on the caller's thread.
#pragma once

#include "gpu/session.h"

namespace inference_health::gpu {

/// Starts the threads, or with `options.helper` the process that runs them, and returns at once; false when it runs already
/// or the system refuses a thread. `block` is what the threads of this process write to.
bool start(const Options& options, SharedBlock& block = own_block);

/// Ends the threads and gives NVML back. Waits a moment for those that are inside; one that does not return is left behind,
/// writes nothing any more and ends when it returns.
void stop();

/// Gives all NVML handles back, for a reset of a GPU or an update of the driver; asynchronous, see the state.
void release();
/// Takes them again.
void acquire();

/// Samples the fast and medium tiers now instead of when they are due.
void refresh();

}  // namespace inference_health::gpu
