#include "host/memory.h"

#include "test.h"

namespace inference_health::host {

TEST("host memory is in bytes") {
  MemoryInfo info;
  CHECK_EQUAL(parse_meminfo("MemTotal:  16 kB\nMemFree: 1 kB\nMemAvailable: 8 kB\nSwapTotal: 4 kB\nSwapFree: 2 kB\n", info),
              Reason::ok);
  CHECK_EQUAL(info.total, 16384.0);
  CHECK_EQUAL(info.available, 8192.0);
  CHECK_EQUAL(info.swap_total, 4096.0);
  CHECK_EQUAL(info.swap_free, 2048.0);
}

TEST("a kernel without MemAvailable leaves it absent and does not take MemFree for it") {
  MemoryInfo info;
  CHECK_EQUAL(parse_meminfo("MemTotal: 16 kB\nMemFree: 9 kB\n", info), Reason::missing);
  CHECK_EQUAL(info.total, 16384.0);
  CHECK(std::isnan(info.available));
  CHECK(std::isnan(info.swap_total));
}

TEST("host memory that is cut off or no number is malformed") {
  MemoryInfo info;
  for (const auto text : {"", "MemTotal:", "MemTotal: kB\n", "MemTotal: -5 kB\n", "MemTotal: 0 kB\n", "MemFree: 5 kB\n"}) {
    CHECK_EQUAL(parse_meminfo(text, info), Reason::malformed);
    CHECK(std::isnan(info.total));
  }
}

TEST("resident and shared memory are the second and third field, in pages") {
  ProcessMemory memory{};
  CHECK_EQUAL(parse_statm("316817 30210 9120 12000 0 81000 0\n", 4096, memory), Reason::ok);
  CHECK_EQUAL(memory.rss, 30210.0 * 4096);
  CHECK_EQUAL(memory.shared, 9120.0 * 4096);
  for (const auto text : {"", "1", "1 2", "1 x 3", "a b c\n"}) {
    CHECK_EQUAL(parse_statm(text, 4096, memory), Reason::malformed);
  }
}

}  // namespace inference_health::host
