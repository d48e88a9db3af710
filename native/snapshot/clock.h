#pragma once

#include <time.h>

namespace inference_health {

inline double clock_ms(clockid_t id) {
  timespec now{};
  clock_gettime(id, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

/// The clock of every time that crosses a thread: the one under process.hrtime() and performance.now().
inline double monotonic_ms() { return clock_ms(CLOCK_MONOTONIC); }

inline double wall_ms() { return clock_ms(CLOCK_REALTIME); }

}  // namespace inference_health
