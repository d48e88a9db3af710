#include "host/cgroup_reader.h"

#include "host_case.h"

namespace inference_health::host {
namespace {

using enum HostField;
using test::HostCase;

constexpr double kMiB = 1024.0 * 1024;

}  // namespace

TEST("version 2: a container's own limits look like those of the root") {
  HostCase host("v2-container");
  CHECK_EQUAL(host[cgroupVersion], 2.0);
  CHECK_EQUAL(host[cgroupHybrid], 0.0);
  CHECK_EQUAL(host.reason(cgroupMemoryReason), Reason::ok);
  CHECK_EQUAL(host[cgroupMemoryLimitBytes], 2048 * kMiB);
  CHECK_EQUAL(host[cgroupMemoryUsageBytes], 1503238553.0);
  CHECK_EQUAL(host[cgroupWorkingSetBytes], 1503238553.0 - 256 * kMiB);
  CHECK(std::isnan(host[cgroupMemoryHighBytes]));
  CHECK_EQUAL(host[cgroupSwapBytes], 4096.0);
  CHECK_EQUAL(host[cgroupOomEvents], 2.0);
  CHECK_EQUAL(host[cgroupOomKillEvents], 1.0);
  CHECK_EQUAL(host[cgroupCpuQuotaCores], 1.5);
  CHECK_EQUAL(host.reason(cgroupCpuReason), Reason::needs_second_sample);
  CHECK_EQUAL(host[cgroupCpuThrottledMs], 4500.0);
  CHECK_EQUAL(host[cgroupPidsCurrent], 37.0);
  CHECK_EQUAL(host[cgroupPidsMax], 512.0);
  CHECK_EQUAL(host[psiScope], 1.0);
  CHECK_EQUAL(host[psiCpuSomeAvg10], 12.5);

  host.tree.write("/sys/fs/cgroup/cpu.stat", "usage_usec 10200000\nnr_periods 1210\nnr_throttled 304\nthrottled_usec 4600000\n");
  host.sample(1000);
  CHECK_EQUAL(host.reason(cgroupCpuReason), Reason::ok);
  CHECK_NEAR(host[cgroupCpuUsageCores], 1.2, 1e-9);
  CHECK_NEAR(host[cgroupCpuThrottledRatio], 0.4, 1e-9);
}

TEST("version 2: each limit is the lowest of all ancestors, with the use of the group that sets it") {
  HostCase host("v2-nested");
  host.sample();
  // prod.slice and its child have the same limit: the outer one binds.
  CHECK_EQUAL(host[cgroupMemoryLimitBytes], 4096 * kMiB);
  CHECK_EQUAL(host[cgroupMemoryUsageBytes], 3072 * kMiB);
  CHECK_EQUAL(host[cgroupWorkingSetBytes], 2048 * kMiB);
  CHECK_EQUAL(host[cgroupMemoryHighBytes], 3584 * kMiB);
  // Events are the service's own.
  CHECK_EQUAL(host[cgroupOomEvents], 0.0);
  CHECK_EQUAL(host[cgroupOomKillEvents], 1.0);
  // The leaf has no cpu controller; the quota is its parent's.
  CHECK_EQUAL(host[cgroupCpuQuotaCores], 2.0);
  CHECK_EQUAL(host[cgroupCpuPeriods], 5000.0);
  CHECK_EQUAL(host[cgroupPidsMax], 100.0);
  CHECK_EQUAL(host[cgroupPidsCurrent], 90.0);
  CHECK_EQUAL(host[psiCpuSomeAvg10], 3.0);
}

TEST("a limit that changes and moves to another group is followed") {
  HostCase host("v2-nested");
  host.tree.write("/sys/fs/cgroup/prod.slice/prod-infer.slice/infer.service/memory.max", "2147483648\n");
  host.sample();
  CHECK_EQUAL(host[cgroupMemoryLimitBytes], 2048 * kMiB);
  CHECK_EQUAL(host[cgroupMemoryUsageBytes], 1024 * kMiB);
  CHECK_EQUAL(host[cgroupWorkingSetBytes], 974 * kMiB);
}

TEST("a limit above the machine's memory limits nothing") {
  HostCase host("v2-container");
  host.tree.write("/sys/fs/cgroup/memory.max", "99999999999999\n");
  host.sample();
  CHECK_EQUAL(host.reason(cgroupMemoryReason), Reason::unlimited);
  CHECK(std::isnan(host[cgroupMemoryLimitBytes]));
  CHECK_EQUAL(host[cgroupMemoryUsageBytes], 1503238553.0);
}

TEST("version 2: where the true root is visible, no controller means no limit") {
  HostCase host("v2-service");
  host.sample();
  CHECK_EQUAL(host.reason(cgroupMemoryReason), Reason::unlimited);
  CHECK(std::isnan(host[cgroupMemoryUsageBytes]));
  CHECK_EQUAL(host.reason(cgroupCpuReason), Reason::unlimited);
  CHECK_EQUAL(host[cgroupCpuUsageCores], 0.0);
  CHECK_EQUAL(host.reason(cgroupPidsReason), Reason::unlimited);
  CHECK_EQUAL(host[psiScope], 0.0);
}

TEST("version 1: a container that sees host paths finds its files at the mount") {
  HostCase host("v1-docker");
  CHECK_EQUAL(host[cgroupVersion], 1.0);
  CHECK_EQUAL(host[cgroupMemoryLimitBytes], 2048 * kMiB);
  CHECK_EQUAL(host[cgroupWorkingSetBytes], 1503238553.0 - 256 * kMiB);
  CHECK_EQUAL(host[cgroupSwapBytes], 12288.0);
  CHECK(std::isnan(host[cgroupOomEvents]));
  CHECK_EQUAL(host[cgroupOomKillEvents], 3.0);
  CHECK_EQUAL(host[cgroupCpuQuotaCores], 2.5);
  CHECK_EQUAL(host[cgroupCpuThrottledMs], 5000.0);
  CHECK_EQUAL(host[cgroupPidsCurrent], 21.0);
  CHECK_EQUAL(host.reason(cgroupPidsReason), Reason::unlimited);
  host.tree.write("/sys/fs/cgroup/cpu,cpuacct/cpuacct.usage", "9000000000\n");
  host.sample(1000);
  CHECK_NEAR(host[cgroupCpuUsageCores], 2, 1e-9);
}

TEST("version 1: ancestors count, and those that a namespace hides too") {
  HostCase host("v1-nested");
  CHECK_EQUAL(host[cgroupMemoryUsageBytes], 2e9);
  CHECK_EQUAL(host[cgroupMemoryLimitBytes], 3072 * kMiB);
  CHECK(std::isnan(host[cgroupOomKillEvents]));
  CHECK_EQUAL(host.reason(cgroupCpuReason), Reason::unlimited);
  CHECK_EQUAL(host.reason(cgroupPidsReason), Reason::unlimited);
  host.tree.write("/sys/fs/cgroup/cpuacct/batch/job:1/cpuacct.usage", "1500000000\n");
  host.sample(1000);
  CHECK_NEAR(host[cgroupCpuUsageCores], 0.5, 1e-9);

  host.tree.write("/sys/fs/cgroup/memory/batch/memory.limit_in_bytes", "9223372036854771712\n");
  host.sample();
  CHECK_EQUAL(host.reason(cgroupMemoryReason), Reason::ok);
  CHECK_EQUAL(host[cgroupMemoryLimitBytes], 2048 * kMiB);
}

TEST("hybrid: each controller is read where it is") {
  HostCase host("hybrid");
  CHECK_EQUAL(host[cgroupVersion], 1.0);
  CHECK_EQUAL(host[cgroupHybrid], 1.0);
  CHECK_EQUAL(host[cgroupMemoryLimitBytes], 1024 * kMiB);
  CHECK_EQUAL(host[cgroupCpuQuotaCores], 0.5);
  CHECK_EQUAL(host[cgroupPidsMax], 50.0);
  CHECK_EQUAL(host[psiScope], 1.0);
  CHECK_EQUAL(host[psiCpuSomeAvg10], 3.0);
}

TEST("a group outside of what is mounted is unsupported, not unlimited") {
  HostCase host("v2-outside");
  CHECK_EQUAL(host.reason(cgroupMemoryReason), Reason::unsupported);
  CHECK_EQUAL(host.reason(cgroupCpuReason), Reason::unsupported);
  CHECK(std::isnan(host[cgroupMemoryUsageBytes]));
  CHECK_EQUAL(host[cgroupVersion], 2.0);
}

TEST("limits of an ancestor hold where the names in between are hidden") {
  HostCase host("v2-above");
  CHECK_EQUAL(host[cgroupMemoryLimitBytes], 3072 * kMiB);
  CHECK_EQUAL(host.reason(cgroupMemoryReason), Reason::ok);
  CHECK_EQUAL(host.reason(cgroupCpuReason), Reason::unlimited);
}

TEST("a malformed limit is unknown, never unlimited") {
  HostCase host("v2-nested");
  host.tree.write("/sys/fs/cgroup/prod.slice/prod-infer.slice/memory.max", "plenty\n");
  host.tree.write("/sys/fs/cgroup/prod.slice/cpu.max", "\n");
  host.sample();
  CHECK_EQUAL(host.reason(cgroupMemoryReason), Reason::malformed);
  CHECK(std::isnan(host[cgroupMemoryLimitBytes]));
  CHECK_EQUAL(host.reason(cgroupCpuReason), Reason::malformed);
  CHECK(std::isnan(host[cgroupCpuQuotaCores]));
}

TEST("a process that is moved is found in its new group within a minute, and at once when the old one is gone") {
  HostCase host("v2-nested");
  host.tree.write("/sys/fs/cgroup/new/memory.max", "1048576\n");
  host.tree.write("/sys/fs/cgroup/new/memory.current", "4096\n");
  host.tree.write("/sys/fs/cgroup/new/memory.stat", "inactive_file 0\n");
  host.tree.write("/proc/self/cgroup", "0::/new\n");
  host.sample();
  CHECK_EQUAL(host[cgroupMemoryLimitBytes], 4096 * kMiB);
  host.sample(60'000);
  CHECK_EQUAL(host[cgroupMemoryLimitBytes], kMiB);
  CHECK_EQUAL(host[cgroupMemoryUsageBytes], 4096.0);

  host.tree.write("/sys/fs/cgroup/newer/memory.max", "2097152\n");
  host.tree.write("/sys/fs/cgroup/newer/memory.current", "8192\n");
  host.tree.write("/sys/fs/cgroup/newer/memory.stat", "inactive_file 0\n");
  host.tree.write("/proc/self/cgroup", "0::/newer\n");
  host.tree.remove("/sys/fs/cgroup/new");
  host.sample();
  CHECK_EQUAL(host.reason(cgroupMemoryReason), Reason::missing);
  CHECK(std::isnan(host[cgroupMemoryLimitBytes]));
  host.sample();
  CHECK_EQUAL(host[cgroupMemoryLimitBytes], 2 * kMiB);
}

TEST("a counter that starts again needs a second sample again") {
  HostCase host("v2-container");
  host.sample();
  CHECK_EQUAL(host.reason(cgroupCpuReason), Reason::ok);
  host.tree.write("/sys/fs/cgroup/cpu.stat", "usage_usec 10\nnr_periods 1\nnr_throttled 0\nthrottled_usec 0\n");
  host.sample();
  CHECK_EQUAL(host.reason(cgroupCpuReason), Reason::needs_second_sample);
  CHECK(std::isnan(host[cgroupCpuUsageCores]));
}

TEST("a mount list longer than any buffer is read to its end") {
  HostCase host("v2-container");
  std::string mounts;
  for (int i = 0; i < 6000; ++i) mounts += "99 1 0:9 / /var/lib/containers/overlay/" + std::to_string(i) + "/merged rw - overlay overlay rw\n";
  const auto own = host.tree.read("/proc/self/mountinfo");
  host.tree.write("/proc/self/mountinfo", mounts + own);
  host.tree.write("/sys/fs/cgroup/memory.max", "1048576\n");
  host.sample(60'000);
  CHECK(mounts.size() > 256 * 1024);
  CHECK_EQUAL(host[cgroupMemoryLimitBytes], kMiB);
}

}  // namespace inference_health::host
