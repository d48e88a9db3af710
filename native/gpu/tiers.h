// What is asked of one GPU, in three tiers by cost: fast is a few microseconds a call, medium a batch of counters, slow has
// calls of milliseconds.
#pragma once

#include "gpu/inventory.h"

namespace inference_health::gpu {

/// Memory, utilisation, power, temperature, clocks, throttle reasons. The first call is the probe of the handle: what it
/// answers is the return value; 0 = healthy or merely unsupported.
nvml::Return sample_fast(DriverCalls& driver, GpuDevice& device, std::int32_t slot, double now_ms);

/// ECC, row remapping, retired pages, PCIe replay, NVLink, fabric, recovery action.
void sample_medium(DriverCalls& driver, GpuDevice& device, std::int32_t slot, double now_ms);

/// The recovery action alone, for GPUs that are better left alone.
void sample_recovery_action(DriverCalls& driver, GpuDevice& device, std::int32_t slot);

/// Processes and PCIe throughput. `own_pid` as the driver numbers processes; 0 = unknown.
void sample_slow(DriverCalls& driver, GpuDevice& device, std::int32_t slot, std::uint32_t own_pid, double now_ms);

}  // namespace inference_health::gpu
