#include "fuzz.h"
#include "host/memory.h"

using namespace inference_health;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = test::text_of(data, size);
  host::MemoryInfo info;
  const auto reason = host::parse_meminfo(text, info);
  test::expect_number(reason, info.available);
  if (reason == Reason::malformed) test::expect(std::isnan(info.total) && std::isnan(info.available));
  if (reason == Reason::ok) test::expect(info.total > 0);
  host::ProcessMemory memory{};
  test::expect_number(host::parse_statm(text, 4096, memory), memory.rss + memory.shared);
  return 0;
}
