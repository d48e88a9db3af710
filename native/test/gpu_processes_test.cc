#include "gpu/processes.h"

#include <cstring>
#include <vector>

#include "gpu/nvml_abi.h"
#include "test.h"

namespace inference_health::gpu {
namespace {

template <typename Entry>
std::vector<unsigned char> list_of(std::initializer_list<Entry> entries) {
  std::vector<unsigned char> bytes(64 * sizeof(nvml::ProcessDetail), kProcessCanary);
  auto* at = bytes.data();
  for (const auto& entry : entries) {
    std::memcpy(at, &entry, sizeof entry);
    at += sizeof entry;
  }
  return bytes;
}

}  // namespace

TEST("the stride of a process list is what the driver wrote, whatever it promised") {
  const auto narrow = list_of<nvml::ProcessV2>({{100, 1, 0, 0}, {101, 2, 0, 0}});
  CHECK_EQUAL(process_stride(narrow, 2), 24u);
  const auto wide = list_of<nvml::ProcessDetail>({{100, 1, 0, 0, 0}, {101, 2, 0, 0, 0}});
  CHECK_EQUAL(process_stride(wide, 2), 32u);
  CHECK_EQUAL(process_stride(list_of<nvml::ProcessDetail>({{100, 1, 0, 0, 0}}), 1), 32u);
  CHECK_EQUAL(process_stride(narrow, 0), 24u);
}

TEST("this process's memory is summed, and an unknown one is none") {
  const auto bytes = list_of<nvml::ProcessDetail>({{100, 1000, 0, 0, 0}, {7, 200, 0, 0, 0}, {7, nvml::kAllOnes64, 0, 0, 0}});
  ProcessTotals totals;
  add_processes(bytes, 3, process_stride(bytes, 3), 7, totals);
  CHECK_EQUAL(totals.count, 3u);
  CHECK(totals.has_own);
  CHECK_EQUAL(totals.own_bytes, 200.0);
}

}  // namespace inference_health::gpu
