// cputime --pid N --seconds S: CPU time that all threads of a process use meanwhile, one line of JSON.
#include <unistd.h>

#include "common.h"

int main(int count, char** values) {
  const bench::Arguments arguments(count, values);
  const auto pid = static_cast<pid_t>(arguments.number("pid", 0));
  const uint64_t start = bench::nowNs();
  const uint64_t before = bench::processCpuNs(pid);
  usleep(static_cast<useconds_t>(arguments.number("seconds", 1) * 1e6));
  const uint64_t used = bench::processCpuNs(pid) - before;
  const uint64_t elapsed = bench::nowNs() - start;
  std::printf("{\"cpuMs\":%.4f,\"seconds\":%.4f}\n", static_cast<double>(used) / 1e6, static_cast<double>(elapsed) / 1e9);
  return 0;
}
