// Processor time from /proc/stat.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "snapshot/layout.h"

namespace inference_health::host {

/// Clock ticks since boot. The kernel counts guest time inside `user` and guest_nice inside `nice`, so those two columns
/// are left out; adding them would count a virtual machine's time twice.
struct CpuTimes {
  enum Column { user, nice, system, idle, iowait, irq, softirq, steal, columns };
  std::array<std::uint64_t, columns> ticks{};
};

struct CoreTimes {
  std::uint32_t core;  // the N of cpuN; offline cores leave gaps
  CpuTimes times;
};

struct CpuStat {
  CpuTimes total;
  std::size_t core_count = 0;  // online cores; may be more than were stored
};

/// Parses the "cpu" lines, which come first, and stores up to cores.size() of the per-core ones.
Reason parse_cpu_stat(std::string_view text, CpuStat& stat, std::span<CoreTimes> cores);

/// Shares of the time between two samples, 0 to 1. `user` includes nice, `system` includes interrupts;
/// `busy` is everything but idle and iowait.
struct CpuRatios {
  double busy, user, system, iowait, steal;
};

/// Turns cumulative times into ratios.
class CpuMeter {
 public:
  /// Needs two samples; a sample that does not advance keeps the ratios before it.
  void update(const CpuTimes& now);
  bool has_ratios() const { return state_ == State::measured; }
  const CpuRatios& ratios() const { return ratios_; }
  void reset() { state_ = State::empty; }

 private:
  enum class State : unsigned char { empty, primed, measured };
  State state_ = State::empty;
  CpuTimes before_{};
  CpuRatios ratios_{};
};

}  // namespace inference_health::host
