#include "gpu/worker_context.h"

namespace inference_health::gpu {

WorkerContext::WorkerContext(Session& session_of_thread, std::size_t number, bool is_replacement)
    : session(session_of_thread),
      options(session.options),
      thread(session.workers[number]),
      lane(session.block.lanes[number]),
      driver(thread.stamp, session.block) {
  if (is_replacement) {
    inventory.restore(session.block.current_lane());
    inventory.forget_handles();
  }
  for (auto& value : lane.values) value.store(kAbsent, std::memory_order_relaxed);
  for (std::size_t slot = 0; slot < kMaxGpus; ++slot)
    if (slot >= inventory.size()) lane.addresses[slot].store(0, std::memory_order_release);
  for (std::size_t slot = 0; slot < inventory.size(); ++slot) inventory.publish_row(lane, slot);
  inventory.publish_texts(lane, texts);
  set_state(State::starting);
  session.block.lane.store(static_cast<std::uint32_t>(number), std::memory_order_release);
  session.block.changed();
}

void WorkerContext::announce() {
  session.block.changed();
  session.watch.wake.signal();
}

void WorkerContext::set_state(State state, NoneReason reason, double code) {
  lane.set(GpuField::noneReason, static_cast<double>(reason));
  lane.set(GpuField::lastReturn, code);
  lane.set(GpuField::state, static_cast<double>(state));
  announce();
}

void WorkerContext::publish_inventory() {
  if (driver.is_abandoned()) return;
  const auto generation = session.generations.fetch_add(1) + 1;
  lane.set(GpuField::generation, generation);
  lane.set(GpuField::count, static_cast<double>(inventory.present_gpus()));
  lane.set(GpuField::inventoryCount, static_cast<double>(inventory.known_gpus()));
  inventory.publish_texts(lane, texts);
  for (std::size_t slot = 0; slot < inventory.size(); ++slot) {
    auto& device = inventory[slot];
    inventory.publish_row(lane, slot);
    auto& entry = session.handles.entries[slot];
    const bool is_usable = !device.is_lost && !device.is_mig && !device.is_excluded;
    entry.handle.store(is_usable ? device.handle : nullptr, std::memory_order_relaxed);
    entry.is_mig.store(device.is_mig, std::memory_order_relaxed);
    entry.address.store(device.address.pack(), std::memory_order_relaxed);
  }
  session.handles.generation.store(generation, std::memory_order_release);
  session.events.wake.signal();
  announce();
}

}  // namespace inference_health::gpu
