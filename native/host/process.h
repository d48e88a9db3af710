// This process and the machine's uptime and load: /proc/self/stat, /proc/self/limits, /proc/loadavg, /proc/uptime.
#pragma once

#include <cstdint>
#include <string_view>

#include "snapshot/layout.h"

namespace inference_health::host {

struct ProcessStat {
  double user_ticks;
  double system_ticks;
  double threads;
  double start_ticks;  // since boot
};

Reason parse_process_stat(std::string_view text, ProcessStat& stat);

struct LoadAverage {
  double one, five, fifteen;  // minutes
};

Reason parse_loadavg(std::string_view text, LoadAverage& load);

Reason parse_uptime(std::string_view text, double& seconds);

/// The soft limit of open files; Reason::unlimited where there is none.
Reason parse_open_files_limit(std::string_view text, double& limit);

}  // namespace inference_health::host
