// `isolation: 'process'`: the GPU threads in a process of their own, so that one which sits in the driver for ever keeps
// that process from ending and not this one. This is the side of the process that wants to know about its GPUs.
#pragma once

#include "gpu/session.h"

namespace inference_health::helper {

/// Starts a thread that starts the helper (`options.helper`) and starts it anew when it ends, or follows one that somebody
/// else runs (`options.segment`); returns at once. False when it is active already or the system gives no thread.
bool start(const gpu::Options& options);

/// Ends the helper. Waits a moment, not for one that is stuck: that one is killed and left to the driver.
void stop();

bool is_active();
void set_desired(gpu::Desired desired);
void refresh();

}  // namespace inference_health::helper
