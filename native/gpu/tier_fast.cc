#include "gpu/sample.h"
#include "gpu/tiers.h"

namespace inference_health::gpu {
namespace {

using nvml::kSuccess;

constexpr int kClockSm = 1, kClockMemory = 2;

/// Answers what the driver answered: the probe of the handle.
nvml::Return sample_memory(Sample& sample) {
  nvml::MemoryV2 memory{};
  memory.version = nvml::version_word<nvml::MemoryV2>(2);
  auto result = sample.driver.call<Symbol::memory_v2>(sample.slot, sample.device.handle, &memory);
  if (result == kSuccess) {
    sample.set(GpusField::memTotalBytes, static_cast<double>(memory.total));
    sample.set(GpusField::memUsedBytes, static_cast<double>(memory.used));
    sample.set(GpusField::memFreeBytes, static_cast<double>(memory.free));
    sample.set(GpusField::memReservedBytes, static_cast<double>(memory.reserved));
    return result;
  }
  // Before R510, where `used` includes what the driver reserved.
  nvml::Memory old{};
  if (is_benign(result) && result != nvml::kInvalidArgument)
    result = sample.driver.call<Symbol::memory>(sample.slot, sample.device.handle, &old);
  const bool is_known = result == kSuccess;
  sample.set(GpusField::memTotalBytes, is_known ? static_cast<double>(old.total) : kAbsent);
  sample.set(GpusField::memUsedBytes, is_known ? static_cast<double>(old.used) : kAbsent);
  sample.set(GpusField::memFreeBytes, is_known ? static_cast<double>(old.free) : kAbsent);
  sample.set(GpusField::memReservedBytes, kAbsent);
  return result;
}

}  // namespace

nvml::Return sample_fast(DriverCalls& driver, GpuDevice& device, std::int32_t slot, double now_ms) {
  Sample sample{driver, device, slot};
  const auto probe = sample_memory(sample);
  // A handle of another session: everything would be "not here".
  const bool is_stale = probe == nvml::kInvalidArgument;
  if (is_stale || !is_benign(probe)) sample.worst = probe;
  if (sample.worst == kSuccess && !device.is_mig) {
    nvml::Utilization utilization{};
    const bool is_known = sample.ok<Symbol::utilization>(&utilization);
    sample.set(GpusField::utilGpuPercent, is_known ? utilization.gpu : kAbsent);
    sample.set(GpusField::utilMemPercent, is_known ? utilization.memory : kAbsent);
    sample.set(GpusField::powerMw, sample.number<Symbol::power>());
    sample.set(GpusField::temperatureC, sample.number<Symbol::temperature>(0));
    sample.set(GpusField::smClockMhz, sample.number<Symbol::clock>(kClockSm));
    sample.set(GpusField::memClockMhz, sample.number<Symbol::clock>(kClockMemory));
    sample.set(GpusField::clockReasons, driver.has<Symbol::clock_reasons>()
                                            ? sample.number<Symbol::clock_reasons, std::uint64_t>()
                                            : sample.number<Symbol::throttle_reasons, std::uint64_t>());
    sample.set(GpusField::pState, sample.number<Symbol::performance_state, int>());
  }
  sample.set(GpusField::lastReturn, sample.worst);
  sample.set(GpusField::fastAtMs, now_ms);
  return sample.worst;
}

}  // namespace inference_health::gpu
