// What the parts of the NVML thread share: its way into the driver, what it knows of the GPUs and where it publishes that.
#pragma once

#include <cstddef>

#include "gpu/inventory.h"
#include "gpu/session.h"

namespace inference_health::gpu {

/// Of one thread and of no other: what others may touch is in `session`.
struct WorkerContext {
  /// Takes the lane. A replacement goes on with the GPUs that the thread before it has published.
  WorkerContext(Session& session, std::size_t lane, bool is_replacement);

  /// Not once a stop or a release waits: a tier may take long.
  bool is_wanted() const {
    return !driver.is_abandoned() && session.desired.load(std::memory_order_acquire) == Desired::run;
  }

  void set_state(State state, NoneReason reason = NoneReason::no_reason, double code = kAbsent);
  /// Which GPUs there are, for readers, and their handles, for the event thread.
  void publish_inventory();
  /// Tells readers and the watching thread that something has changed.
  void announce();

  Session& session;
  const Options& options;
  Session::Thread& thread;
  Lane& lane;
  DriverCalls driver;
  Inventory inventory;
  Texts texts{};
};

}  // namespace inference_health::gpu
