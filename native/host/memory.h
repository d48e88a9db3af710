// Memory of the host from /proc/meminfo and of this process from /proc/self/statm.
#pragma once

#include <cstdint>
#include <string_view>

#include "snapshot/layout.h"

namespace inference_health::host {

/// Bytes; NaN for a line that the kernel does not print.
struct MemoryInfo {
  double total = kAbsent;
  double available = kAbsent;  // MemAvailable, since Linux 3.14; MemFree is not a substitute
  double swap_total = kAbsent;
  double swap_free = kAbsent;
};

Reason parse_meminfo(std::string_view text, MemoryInfo& info);

struct ProcessMemory {
  double rss;
  double shared;  // file-backed and shared pages inside rss, such as a mapped model
};

Reason parse_statm(std::string_view text, double page_bytes, ProcessMemory& memory);

}  // namespace inference_health::host
