#include "host/cpu.h"

#include <vector>

#include "test.h"

namespace inference_health::host {
namespace {

constexpr double kExact = 1e-12;

CpuTimes times(std::array<std::uint64_t, CpuTimes::columns> ticks) { return {ticks}; }

CpuStat parse_ok(std::string_view text) {
  CpuStat stat;
  CHECK_EQUAL(parse_cpu_stat(text, stat, {}), Reason::ok);
  return stat;
}

Reason reason_of(std::string_view text) {
  CpuStat stat;
  std::vector<CoreTimes> cores(4);
  return parse_cpu_stat(text, stat, cores);
}

}  // namespace

TEST("guest columns are left out because they are inside user and nice") {
  const auto stat = parse_ok("cpu  100 20 30 400 50 6 7 8 90 10\n");
  std::uint64_t sum = 0;
  for (const auto ticks : stat.total.ticks) sum += ticks;
  CHECK_EQUAL(sum, 621u);
}

TEST("old kernels print four to seven columns") {
  CHECK_EQUAL(parse_ok("cpu  1 2 3 4\n").total.ticks[CpuTimes::steal], 0u);
  CHECK_EQUAL(reason_of("cpu  1 2 3\n"), Reason::malformed);
}

TEST("offline cores leave gaps in the numbers, not in the list") {
  CpuStat stat;
  std::vector<CoreTimes> cores(8);
  CHECK_EQUAL(parse_cpu_stat("cpu 9 0 0 9\ncpu0 4 0 0 4\ncpu3 5 0 0 5\nintr 1\n", stat, cores), Reason::ok);
  CHECK_EQUAL(stat.core_count, 2u);
  CHECK_EQUAL(cores[1].core, 3u);
  CHECK_EQUAL(cores[1].times.ticks[CpuTimes::user], 5u);
}

TEST("more cores than there is room for are still counted") {
  CpuStat stat;
  std::vector<CoreTimes> cores(1);
  CHECK_EQUAL(parse_cpu_stat("cpu 9 0 0 9\ncpu0 4 0 0 4\ncpu1 5 0 0 5\n", stat, cores), Reason::ok);
  CHECK_EQUAL(stat.core_count, 2u);
}

TEST("text that is not processor time is malformed") {
  for (const auto text : {"", "\n", "cpu", "cpu  a b c d\n", "cpu0 1 2 3 4\n", "intr 1 2 3 4\n", "cpu  1 2 3 -4\n",
                          "cpu 1 1 1 1\ncpuX 1 1 1 1\n", "cpu 1 1 1 1\ncpu0 1 x 1 1\n"}) {
    CHECK_EQUAL(reason_of(text), Reason::malformed);
  }
}

TEST("a sandbox that counts nothing is unsupported, not idle") {
  CHECK_EQUAL(reason_of("cpu  0 0 0 0 0 0 0 0 0 0\ncpu0 0 0 0 0\n"), Reason::unsupported);
}

TEST("the first ratio needs two samples") {
  CpuMeter meter;
  meter.update(times({100, 0, 0, 900, 0, 0, 0, 0}));
  CHECK(!meter.has_ratios());
  meter.update(times({130, 10, 10, 930, 10, 5, 5, 0}));
  CHECK(meter.has_ratios());
  CHECK_NEAR(meter.ratios().busy, 0.6, kExact);
  CHECK_NEAR(meter.ratios().user, 0.4, kExact);
  CHECK_NEAR(meter.ratios().system, 0.2, kExact);
  CHECK_NEAR(meter.ratios().iowait, 0.1, kExact);
}

TEST("steal is busy time and told apart") {
  CpuMeter meter;
  meter.update(times({1, 0, 0, 0, 0, 0, 0, 0}));
  meter.update(times({1, 0, 0, 50, 0, 0, 0, 50}));
  CHECK_NEAR(meter.ratios().steal, 0.5, kExact);
  CHECK_NEAR(meter.ratios().busy, 0.5, kExact);
}

TEST("iowait that runs backwards never makes a ratio leave 0 to 1") {
  CpuMeter meter;
  meter.update(times({0, 0, 0, 100, 500, 0, 0, 0}));
  meter.update(times({10, 0, 0, 190, 20, 0, 0, 0}));
  CHECK_NEAR(meter.ratios().busy, 0.1, kExact);
  CHECK_NEAR(meter.ratios().iowait, 0, kExact);
}

TEST("a sample that does not advance keeps the ratios before it") {
  CpuMeter meter;
  meter.update(times({0, 0, 0, 0, 0, 0, 0, 0}));
  meter.update(times({25, 0, 0, 75, 0, 0, 0, 0}));
  meter.update(times({25, 0, 0, 75, 0, 0, 0, 0}));
  CHECK_NEAR(meter.ratios().busy, 0.25, kExact);
  meter.update(times({24, 0, 0, 74, 0, 0, 0, 0}));
  CHECK_NEAR(meter.ratios().busy, 0.25, kExact);
}

TEST("a core that goes offline does not read as a busy machine") {
  CpuMeter meter;
  meter.update(times({100, 0, 0, 100'000, 0, 0, 0, 0}));
  meter.update(times({110, 0, 0, 100'090, 0, 0, 0, 0}));
  meter.update(times({115, 0, 0, 50'000, 0, 0, 0, 0}));
  CHECK_NEAR(meter.ratios().busy, 0.1, kExact);
  meter.update(times({135, 0, 0, 50'080, 0, 0, 0, 0}));
  CHECK_NEAR(meter.ratios().busy, 0.2, kExact);
}

}  // namespace inference_health::host
