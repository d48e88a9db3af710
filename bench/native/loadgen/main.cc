// loadgen --port N [--path /health/live] [--expect 200] [--timeout-ms 1000] [--limit-ms 0] [--pid SERVER] --mode …
//   open    --rate PER_SECOND --seconds S | --count N  [--keep-alive 1] [--arrivals constant|poisson] [--seed N]
//   closed  --connections N --seconds S [--warmup S]
//   first
// Prints one line of JSON.
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "../common.h"
#include "closed_loop.h"
#include "first_answer.h"
#include "open_loop.h"

int main(int count, char** values) {
  const bench::Arguments arguments(count, values);
  const std::string mode = arguments.text("mode", "open");
  bench::Target target;
  target.port = static_cast<uint16_t>(arguments.number("port", 0));
  target.expectedStatus = static_cast<int>(arguments.number("expect", 200));
  const bool keepAlive = mode == "closed" || arguments.number("keep-alive", 0) != 0;
  target.request = bench::Target::requestOf(arguments.text("path", "/health/live"), target.port, keepAlive);
  const auto timeoutNs = static_cast<uint64_t>(arguments.number("timeout-ms", 1000) * 1e6);
  const auto server = static_cast<pid_t>(arguments.number("pid", 0));

  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  // The default slack lets the kernel wake us 50 µs late.
  prctl(PR_SET_TIMERSLACK, 1);

  if (mode == "first") return bench::printFirstAnswer(target, timeoutNs);

  bench::Report report;
  report.limitNs = static_cast<uint64_t>(arguments.number("limit-ms", 0) * 1e6);
  if (mode == "closed") {
    bench::ClosedLoopPlan plan;
    plan.connections = static_cast<size_t>(arguments.number("connections", 64));
    plan.seconds = arguments.number("seconds", 3);
    plan.warmupSeconds = arguments.number("warmup", 0.5);
    plan.server = server;
    bench::runClosedLoop(target, plan, report);
  } else {
    bench::OpenLoopPlan plan;
    plan.rate = arguments.number("rate", 1000);
    plan.count = static_cast<uint64_t>(arguments.number("count", plan.rate * arguments.number("seconds", 3)));
    plan.keepAlive = keepAlive;
    plan.isPoisson = arguments.text("arrivals", "constant") == "poisson";
    plan.seed = static_cast<uint64_t>(arguments.number("seed", 1));
    plan.timeoutNs = timeoutNs;
    // Where it may, this tool goes before everything else, so that what it measures is not its own waiting for a core.
    const sched_param priority{.sched_priority = 1};
    report.isRealtime = sched_setscheduler(0, SCHED_FIFO, &priority) == 0;
    const uint64_t serverCpu = server == 0 ? 0 : bench::processCpuNs(server);
    bench::OpenLoop(target, plan, report).run();
    report.serverCpuNs = server == 0 ? 0 : bench::processCpuNs(server) - serverCpu;
    report.clientCpuNs = bench::processCpuNs(getpid());
  }
  report.print();
  return 0;
}
