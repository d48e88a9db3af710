#include <array>

#include "gpu/processes.h"
#include "gpu/sample.h"
#include "gpu/tiers.h"

namespace inference_health::gpu {
namespace {

using nvml::kSuccess;

constexpr int kTransmit = 0, kReceive = 1;
constexpr std::size_t kProcessRoom = 128;

template <Symbol S>
bool list_processes(Sample& sample, std::size_t stride, std::uint32_t own_pid, ProcessTotals& totals) {
  std::array<unsigned char, kProcessRoom * sizeof(nvml::ProcessDetail)> buffer;
  buffer.fill(kProcessCanary);
  std::uint32_t count = kProcessRoom;
  const auto result = sample.driver.call<S>(sample.slot, sample.device.handle, &count, static_cast<void*>(buffer.data()));
  if (result == nvml::kInsufficientSize) {
    // More than anyone runs on a GPU: their number is enough.
    totals.count += count;
    return true;
  }
  if (result != kSuccess || count > kProcessRoom) return false;
  if (stride == 0) stride = process_stride(buffer, count);
  add_processes(buffer, count, stride, own_pid, totals);
  return true;
}

}  // namespace

void sample_slow(DriverCalls& driver, GpuDevice& device, std::int32_t slot, std::uint32_t own_pid, double now_ms) {
  Sample sample{driver, device, slot};
  ProcessTotals totals;
  const bool is_known = list_processes<Symbol::compute_processes_v3>(sample, 0, own_pid, totals) ||
                        list_processes<Symbol::compute_processes_v2>(sample, sizeof(nvml::ProcessV2), own_pid, totals) ||
                        list_processes<Symbol::compute_processes>(sample, sizeof(nvml::ProcessV1), own_pid, totals);
  if (is_known) {
    list_processes<Symbol::graphics_processes_v3>(sample, 0, own_pid, totals);
    list_processes<Symbol::mps_processes_v3>(sample, 0, own_pid, totals);
  }
  sample.set(GpusField::processCount, is_known ? static_cast<double>(totals.count) : kAbsent);
  sample.set(GpusField::ownMemoryBytes, is_known && own_pid != 0 ? totals.own_bytes : kAbsent);
  if (!device.is_mig) {
    // Each takes 20 ms by definition.
    sample.set(GpusField::pcieTxKbps, sample.number<Symbol::pcie_throughput>(kTransmit));
    sample.set(GpusField::pcieRxKbps, sample.number<Symbol::pcie_throughput>(kReceive));
  }
  sample.set(GpusField::slowAtMs, now_ms);
}

}  // namespace inference_health::gpu
