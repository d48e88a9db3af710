#include <array>

#include "fuzz.h"
#include "host/cpu.h"

using namespace inference_health;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // The text is cut in two samples: whatever they say, ratios stay ratios.
  const auto text = test::text_of(data, size);
  const auto cut = text.find('\0');
  host::CpuMeter meter;
  for (const auto part : {text.substr(0, cut), cut == text.npos ? text : text.substr(cut + 1)}) {
    host::CpuStat stat;
    std::array<host::CoreTimes, 4> cores{};
    const auto reason = host::parse_cpu_stat(part, stat, cores);
    if (reason == Reason::ok) meter.update(stat.total);
  }
  if (meter.has_ratios()) {
    const auto& [busy, user, system, iowait, steal] = meter.ratios();
    for (const double ratio : {busy, user, system, iowait, steal}) test::expect(ratio >= -1e-9 && ratio <= 1 + 1e-9);
  }
  return 0;
}
