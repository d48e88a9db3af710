// The GPU part: one for the process, whoever asks for it. Nothing here enters NVML on the caller's thread.
#pragma once

#include "gpu/session.h"

namespace inference_health::gpu {

/// Starts the threads and returns at once; false when it runs already or the system refuses a thread.
bool start(const Options& options);

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
