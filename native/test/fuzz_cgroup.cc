#include "fuzz.h"
#include "host/cgroup.h"

using namespace inference_health;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = test::text_of(data, size);
  double value = -1;
  test::expect_number(host::parse_limit(text, value), value);
  value = -1;
  test::expect_number(host::parse_count(text, value), value);
  value = -1;
  test::expect_number(host::parse_cpu_max(text, value), value);
  value = -1;
  test::expect_number(host::parse_cfs_quota(text, value), value);
  host::CgroupCpuStat cpu{};
  if (host::parse_cpu_stat_file(text, cpu) == Reason::ok) test::expect(cpu.usage_us >= 0 || cpu.periods >= 0);
  host::CgroupMemoryStat memory{};
  test::expect_number(host::parse_memory_stat(text, memory), memory.inactive_file);
  host::CgroupOomEvents events{};
  if (host::parse_oom_events(text, events) == Reason::ok) test::expect(events.oom >= 0 || events.oom_kill >= 0);
  return 0;
}
