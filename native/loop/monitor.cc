#include "loop/monitor.h"

namespace inference_health::loop {

int monitor(uv_loop_s*) { return -1; }
void unmonitor(int) {}
bool read(int, std::span<double>) { return false; }
bool busy(int, double, double&) { return false; }

}  // namespace inference_health::loop
