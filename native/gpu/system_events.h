// The driver's announcements that it is unbound from its GPUs, as before an unload or a reset, and bound again.
#pragma once

#include <algorithm>
#include <cstdint>

#include "gpu/worker_context.h"

namespace inference_health::gpu {

class SystemEvents {
 public:
  explicit SystemEvents(WorkerContext& context) : context_(context) {}

  /// Needs no initialised library; does nothing where the driver has no such events.
  void open();
  void close();
  bool is_open() const { return context_.session.system_set.load() != nullptr; }

  /// Calls `on_unbind` and `on_bind` for what was announced since the last time, in that order; never waits.
  template <typename OnUnbind, typename OnBind>
  void poll(OnUnbind on_unbind, OnBind on_bind) {
    if (!is_open()) return;
    nvml::SystemEventData data[kAtOnce] = {};
    const auto count = receive(data);
    for (std::uint32_t i = 0; i < count; ++i) {
      if (data[i].type & nvml::kSystemEventUnbind) on_unbind();
      if (data[i].type & nvml::kSystemEventBind) on_bind();
    }
  }

 private:
  static constexpr std::uint32_t kAtOnce = 16;
  std::uint32_t receive(nvml::SystemEventData (&data)[kAtOnce]);

  WorkerContext& context_;
};

}  // namespace inference_health::gpu
