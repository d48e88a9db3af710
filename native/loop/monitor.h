// Loop monitor: how long an event loop has been busy without turning, readable from any thread.
#pragma once

#include <span>

struct uv_loop_s;

namespace inference_health::loop {

/// Monitors `loop`, called on its own thread; the monitor's id (≥ 0), or −1 when all slots are taken.
int monitor(uv_loop_s* loop);
/// Ends it, called on the loop's own thread before the loop closes. Unknown ids are ignored.
void unmonitor(int id);
/// Copies the fields of section `loop` (snapshot/layout.h); false when `id` is not monitored. Any thread.
bool read(int id, std::span<double> into);
/// Milliseconds for which the loop has been busy at `now_ms`, 0 when idle; false when `id` is not monitored. Any thread.
bool busy(int id, double now_ms, double& busy_ms);

}  // namespace inference_health::loop
