#include "host/host_reader.h"

#include "host_case.h"

namespace inference_health::host {
namespace {

using enum HostField;
using test::HostCase;

constexpr double kMiB = 1024.0 * 1024;

}  // namespace

TEST("a host's first sample has everything but what needs two") {
  HostCase host("v2-container");
  CHECK_EQUAL(host[cpuCount], 4.0);
  CHECK_EQUAL(host.reason(cpuReason), Reason::needs_second_sample);
  CHECK(std::isnan(host[cpuBusyRatio]));
  CHECK_EQUAL(host.reason(processCpuReason), Reason::needs_second_sample);
  CHECK_EQUAL(host[processCpuUserMs], 12000.0);
  CHECK_EQUAL(host[memTotalBytes], 16000 * kMiB);
  CHECK_EQUAL(host[memAvailableBytes], 9000 * kMiB);
  CHECK_EQUAL(host[swapFreeBytes], 1024 * kMiB);
  CHECK_EQUAL(host[processSharedBytes], 9120.0 * sysconf(_SC_PAGESIZE));
  CHECK_EQUAL(host[load5], 0.98);
  CHECK_EQUAL(host[openFds], 5.0);
  CHECK_EQUAL(host[maxFds], 65536.0);
  CHECK_EQUAL(host[threads], 11.0);
  CHECK_EQUAL(host[uptimeSeconds], 86400.25);
  // Up for 86,400.25 s, started 81,000 s after boot, sampled at 1.8e12 + 5000.
  CHECK_EQUAL(host[processStartUnixMs], 1.8e12 + 5000 - 5'400'250);
}

TEST("the second sample has ratios of the time in between") {
  HostCase host("v2-container", true);
  host.tree.write("/proc/stat", "cpu  84310 120 31020 512700 2410 10 90 33 400 5\ncpu0 21102 30 7755 128100 602 2 22 8 0 0\n"
                                "cpu2 1 1 1 1 1 1 1 1 0 0\nintr 1\n");
  host.tree.write("/proc/self/stat", "1 (x) S 1 1 1 0 -1 0 0 0 0 0 1300 390 0 0 20 0 12 0 8100000 0 0\n");
  host.sample(1000);
  CHECK_NEAR(host[cpuBusyRatio], 0.25, 1e-9);
  CHECK_EQUAL(host.reason(cpuReason), Reason::ok);
  CHECK_NEAR(host[processCpuCores], 1.5, 1e-9);
  CHECK_EQUAL(host[threads], 12.0);
  const auto cores = host.reader->cores();
  CHECK_EQUAL(cores.size(), 3u);
  CHECK_EQUAL(cores[0], 2.0);
  CHECK_NEAR(cores[1], 50.0 / 50.0, 1e-9);
}

TEST("ratios at a high rate are taken over half a second") {
  HostCase host("v2-container");
  const auto line = [](int user) { return "cpu  " + std::to_string(84210 + user) + " 120 31020 " + std::to_string(512400 + 100 - user) + " 2410 10 90 33\n"; };
  host.tree.write("/proc/stat", line(50));
  host.sample(10);
  CHECK_NEAR(host[cpuBusyRatio], 0.5, 1e-9);
  host.tree.write("/proc/stat", "cpu  84360 120 31020 512450 2410 10 90 33\n");
  host.sample(10);
  CHECK_NEAR(host[cpuBusyRatio], 0.5, 1e-9);
  host.sample(490);
  CHECK_NEAR(host[cpuBusyRatio], 1, 1e-9);
}

TEST("at a high rate the memory with the limit is read for every sample, the rest once or twice a second") {
  HostCase host("v2-container");
  host.sample(10);
  const double limit = host[cgroupMemoryLimitBytes];
  host.tree.write("/sys/fs/cgroup/memory.current", "1048576\n");
  host.tree.write("/sys/fs/cgroup/memory.stat", "anon 1\ninactive_file 4096\n");
  host.tree.write("/proc/meminfo", "MemTotal: 16384000 kB\nMemAvailable: 1024 kB\n");
  host.tree.write("/proc/loadavg", "7.00 6.00 5.00 1/1 1\n");
  host.tree.write("/proc/pressure/cpu", "some avg10=9.00 avg60=9.00 avg300=9.00 total=9\n");
  host.sample(10);
  CHECK_EQUAL(host[cgroupWorkingSetBytes], kMiB - 4096);
  CHECK_EQUAL(host[cgroupMemoryLimitBytes], limit);
  CHECK_EQUAL(host[memAvailableBytes], 9000 * kMiB);
  CHECK_EQUAL(host[load5], 0.98);
  CHECK_EQUAL(host.reason(loadReason), Reason::ok);
  CHECK(host[openFds] == 5.0 && host[cgroupPidsMax] == 512.0 && host[psiScope] == 1.0);
  // The clock goes on by itself.
  CHECK_NEAR(host[uptimeSeconds], 86400.27, 1e-9);
  host.sample(490);
  CHECK_EQUAL(host[memAvailableBytes], kMiB);
  CHECK_EQUAL(host[load5], 0.98);
  host.sample(490);
  CHECK_EQUAL(host[load5], 6.0);
}

TEST("at a high rate the host's memory is read for every sample where the container has no limit") {
  HostCase host("sandbox");
  host.sample(10);
  host.tree.write("/proc/meminfo", "MemTotal: 16384000 kB\nMemAvailable: 1024 kB\n");
  host.sample(10);
  CHECK_EQUAL(host[memAvailableBytes], kMiB);
}

TEST("a sandbox without accounting has reasons and no zeros") {
  HostCase host("sandbox");
  host.sample();
  CHECK_EQUAL(host.reason(cpuReason), Reason::unsupported);
  CHECK(std::isnan(host[cpuBusyRatio]));
  CHECK(std::isnan(host[swapTotalBytes]));
  CHECK_EQUAL(host.reason(psiCpuReason), Reason::missing);
  CHECK(std::isnan(host[psiScope]));
  CHECK_EQUAL(host.reason(cgroupMemoryReason), Reason::missing);
  CHECK(std::isnan(host[cgroupVersion]));
  CHECK_EQUAL(host[openFds], 0.0);
  CHECK(std::isnan(host[maxFds]));
  CHECK_EQUAL(host.reason(fdReason), Reason::unlimited);
}

TEST("an old kernel's missing facts are missing") {
  HostCase host("old-kernel");
  CHECK_EQUAL(host.reason(memReason), Reason::missing);
  CHECK(std::isnan(host[memAvailableBytes]));
  CHECK_EQUAL(host[memTotalBytes], 8000 * kMiB);
  CHECK_EQUAL(host[swapTotalBytes], 0.0);
  CHECK_EQUAL(host.reason(psiMemoryReason), Reason::missing);
  CHECK_EQUAL(host.reason(cgroupMemoryReason), Reason::missing);
  CHECK_EQUAL(host.reason(cgroupCpuReason), Reason::missing);
}

TEST("a tree that vanishes leaves reasons, and comes back") {
  HostCase host("v2-container");
  host.sample();
  const auto stat = host.tree.read("/proc/stat"), meminfo = host.tree.read("/proc/meminfo");
  host.tree.remove("/proc");
  host.tree.remove("/sys");
  host.sample();
  for (const auto field : {cpuReason, processCpuReason, memReason, processMemReason, cgroupMemoryReason, cgroupCpuReason,
                           cgroupPidsReason, psiCpuReason, psiMemoryReason, psiIoReason, loadReason, fdReason, threadsReason,
                           uptimeReason}) {
    CHECK_EQUAL(host.reason(field), Reason::missing);
  }
  for (const auto field : {cpuBusyRatio, cpuCount, memTotalBytes, processRssBytes, cgroupMemoryLimitBytes,
                           cgroupMemoryUsageBytes, cgroupCpuQuotaCores, cgroupPidsMax, load1, openFds, threads, uptimeSeconds}) {
    CHECK(std::isnan(host[field]));
  }
  host.tree.write("/proc/stat", stat);
  host.tree.write("/proc/meminfo", meminfo);
  host.sample();
  CHECK_EQUAL(host.reason(memReason), Reason::ok);
  CHECK_EQUAL(host[cpuCount], 4.0);
}

TEST("the real host agrees with itself") {
  auto reader = std::make_unique<HostReader>();
  CHECK(reader->configure("/", true));
  reader->sample(0, 1.8e12);
  auto& slots = reader->slots();
  CHECK_EQUAL(slots[cpuCount], static_cast<double>(sysconf(_SC_NPROCESSORS_ONLN)));
  CHECK_EQUAL(reader->cores()[0], slots[cpuCount]);
  CHECK(slots[memAvailableBytes] > 0 && slots[memAvailableBytes] <= slots[memTotalBytes]);
  CHECK(slots[processRssBytes] > slots[processSharedBytes] / 2 && slots[processRssBytes] < slots[memTotalBytes]);
  CHECK(slots[threads] >= 1 && slots[threads] < 4);
  CHECK(slots[openFds] >= 3 && slots[openFds] < slots[maxFds]);
  CHECK(slots[uptimeSeconds] > 0);
}

TEST("a prefix that is too long is refused") {
  HostReader& reader = *new HostReader;
  CHECK(!reader.configure(std::string(3000, 'x'), false));
  delete &reader;
}

}  // namespace inference_health::host
