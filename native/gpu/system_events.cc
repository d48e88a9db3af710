#include "gpu/system_events.h"

namespace inference_health::gpu {

using nvml::kSuccess;

void SystemEvents::open() {
  auto& driver = context_.driver;
  if (is_open() || !driver.has<Symbol::system_wait>() || !driver.has<Symbol::system_register>()) return;
  nvml::SystemEventSetRequest create{nvml::version_word<nvml::SystemEventSetRequest>(1), nullptr};
  if (driver.call<Symbol::system_set_create>(-1, &create) != kSuccess) return;
  context_.session.system_set.store(create.set);
  nvml::SystemRegisterRequest wanted{nvml::version_word<nvml::SystemRegisterRequest>(1),
                                     nvml::kSystemEventBind | nvml::kSystemEventUnbind, create.set};
  if (driver.call<Symbol::system_register>(-1, &wanted) != kSuccess) close();
}

void SystemEvents::close() {
  if (context_.driver.is_abandoned() || !is_open()) return;
  nvml::SystemEventSetRequest request{nvml::version_word<nvml::SystemEventSetRequest>(1),
                                      context_.session.system_set.exchange(nullptr)};
  context_.driver.call<Symbol::system_set_free>(-1, &request);
}

std::uint32_t SystemEvents::receive(nvml::SystemEventData (&data)[kAtOnce]) {
  nvml::SystemWaitRequest request{
      nvml::version_word<nvml::SystemWaitRequest>(1), 0, context_.session.system_set.load(), data, kAtOnce, 0};
  if (context_.driver.call<Symbol::system_wait>(-1, &request) != kSuccess) return 0;
  return std::min(request.count, kAtOnce);
}

}  // namespace inference_health::gpu
