#include "fuzz.h"
#include "host/process.h"

using namespace inference_health;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = test::text_of(data, size);
  host::ProcessStat stat{};
  test::expect_number(host::parse_process_stat(text, stat), stat.user_ticks + stat.system_ticks + stat.threads + stat.start_ticks);
  host::LoadAverage load{};
  test::expect_number(host::parse_loadavg(text, load), load.one + load.five + load.fifteen);
  double value = -1;
  test::expect_number(host::parse_uptime(text, value), value);
  value = -1;
  test::expect_number(host::parse_open_files_limit(text, value), value);
  return 0;
}
