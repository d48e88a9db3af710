#include "gpu/processes.h"

#include <algorithm>
#include <cstring>

#include "gpu/nvml_abi.h"

namespace inference_health::gpu {

std::size_t process_stride(std::span<const unsigned char> buffer, std::size_t count) {
  constexpr auto narrow = sizeof(nvml::ProcessV2), wide = sizeof(nvml::ProcessDetail);
  const auto beyond = buffer.subspan(std::min(buffer.size(), count * narrow), count * (wide - narrow));
  const bool is_untouched =
      std::all_of(beyond.begin(), beyond.end(), [](unsigned char byte) { return byte == kProcessCanary; });
  return is_untouched ? narrow : wide;
}

void add_processes(std::span<const unsigned char> buffer, std::size_t count, std::size_t stride, std::uint32_t own_pid,
                   ProcessTotals& totals) {
  totals.count += count;
  for (std::size_t i = 0; i < count && (i + 1) * stride <= buffer.size(); ++i) {
    nvml::ProcessV1 process;  // the first members of all three
    std::memcpy(&process, buffer.data() + i * stride, sizeof process);
    if (own_pid == 0 || process.pid != own_pid) continue;
    totals.has_own = true;
    if (process.used_memory != nvml::kAllOnes64) totals.own_bytes += static_cast<double>(process.used_memory);
  }
}

}  // namespace inference_health::gpu
