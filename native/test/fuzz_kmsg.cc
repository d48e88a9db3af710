#include "fuzz.h"
#include "gpu/kmsg_line.h"
#include "host/text.h"

using namespace inference_health;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto text = test::text_of(data, size);
  while (!text.empty()) {
    const auto line = host::take_line(text);
    const auto record = gpu::parse_kmsg_record(line);
    if (record) test::expect(record->text.size() < line.size());
    for (const auto part : {record ? record->text : line, line}) {
      const auto fault = gpu::parse_kmsg_text(part);
      if (fault.kind == gpu::KmsgKind::other) {
        test::expect(fault.number == 0);
        continue;
      }
      test::expect(fault.number <= 0xffff);
      test::expect(fault.at.bus <= 0xff && fault.at.device <= 0x1f);
      test::expect(fault.at.gpu_instance <= gpu::Address::kNoInstance && fault.at.compute_instance <= gpu::Address::kNoInstance);
      test::expect(fault.detail.severity <= 3 && fault.detail.nvlink_unit < std::size(gpu::kNvlinkUnits));
      test::expect(!fault.detail.pid || *fault.detail.pid != 0);
      test::expect(gpu::Address::unpack(fault.at.pack()).bus == fault.at.bus);
    }
  }
  return 0;
}
