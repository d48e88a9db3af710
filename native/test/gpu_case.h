// The GPU part running against a fake driver, with times of tests.
#pragma once

#include <array>
#include <chrono>
#include <cstdlib>
#include <thread>
#include <vector>

#include "fake_driver.h"
#include "gpu/gpu.h"
#include "helper/run.h"
#include "test.h"

namespace inference_health::test {

template <typename Condition>
bool eventually(Condition condition, std::chrono::milliseconds limit = std::chrono::seconds(15)) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

/// GPU_ISOLATION=process runs every case with the threads in the helper process.
inline bool is_isolated() {
  const char* const isolation = std::getenv("GPU_ISOLATION");
  return isolation != nullptr && std::string(isolation) == "process";
}

class GpuCase {
 public:
  explicit GpuCase(FakeDriver& fake) {
    options.library = fake.library();
    options.kmsg = fake.kmsg();
    options.deadline_ms = 300;
    options.init_deadline_ms = 400;
    options.fast_ms = 20;
    options.medium_ms = 40;
    options.slow_ms = 80;
    if (is_isolated()) options.helper = HELPER;
    gpu::replacement_threads = 0;
    gpu::nvml_references = 0;
  }
  GpuCase(FakeDriver& fake, bool) : GpuCase(fake) { start(); }
  ~GpuCase() { gpu::stop(); }

  bool start() { return gpu::start(options); }

  double global(gpu::GpuField field) const {
    std::array<double, gpu::kGpuSlots> values;
    gpu::read_gpu(values);
    return values[static_cast<std::size_t>(field)];
  }
  gpu::State state() const {
    const double value = global(gpu::GpuField::state);
    return value == value ? static_cast<gpu::State>(static_cast<int>(value)) : gpu::State::off;
  }
  gpu::NoneReason none_reason() const {
    return static_cast<gpu::NoneReason>(static_cast<int>(global(gpu::GpuField::noneReason)));
  }
  double gpu(std::size_t slot, gpu::GpusField field) const {
    std::vector<double> values(gpu::kMaxGpus * gpu::kGpusStride);
    gpu::read_gpus(values);
    return values[slot * gpu::kGpusStride + static_cast<std::size_t>(field)];
  }
  double event(std::size_t slot, gpu::GpuEvent event) const {
    std::vector<double> values(gpu::kMaxGpus * gpu::kGpusStride);
    gpu::read_gpus(values);
    return values[slot * gpu::kGpusStride + gpu::kSampledFields + static_cast<std::size_t>(event)];
  }
  /// A slot of the row of an XID; NaN without a row.
  double xid(double slot, double number, gpu::XidField field) const {
    std::vector<double> values(gpu::kMaxXidRows * gpu::kXidStride);
    gpu::read_xids(values);
    for (std::size_t row = 0; row < gpu::kMaxXidRows; ++row) {
      const auto* at = values.data() + row * gpu::kXidStride;
      if (at[0] != at[0]) break;
      if (at[0] == slot && at[1] == number) return at[static_cast<std::size_t>(field)];
    }
    return NAN;
  }
  bool is_ok() const { return eventually([&] { return state() == gpu::State::ok; }); }
  /// Until every GPU was sampled in all tiers.
  bool is_sampled(std::size_t gpus) const {
    return eventually([&] {
      for (std::size_t slot = 0; slot < gpus; ++slot)
        if (!(gpu(slot, gpu::GpusField::slowAtMs) > 0)) return false;
      return global(gpu::GpuField::eventState) == static_cast<double>(gpu::EventState::waiting);
    });
  }

  gpu::Options options;
};

/// Until every thread that an earlier test left in the fake has ended.
inline bool is_everyone_home() {
  return eventually([] { return helper::remaining() == 0 && !gpu::lane_taken[0] && !gpu::lane_taken[1] && !gpu::event_thread_exists; });
}

}  // namespace inference_health::test
