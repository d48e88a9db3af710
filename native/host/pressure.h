// Pressure stall information: /proc/pressure/* and the *.pressure files of a cgroup.
#pragma once

#include <string_view>

#include "host/memory.h"
#include "snapshot/layout.h"

namespace inference_health::host {

/// Averages in percent (0 to 100), totals in microseconds.
struct PressureLine {
  double avg10 = kAbsent;
  double avg60 = kAbsent;
  double total_us = kAbsent;
};

struct Pressure {
  PressureLine some;
  PressureLine full;  // absent for cpu before Linux 5.13
};

Reason parse_pressure(std::string_view text, Pressure& pressure);

}  // namespace inference_health::host
