#include "gpu/connection.h"

#include <algorithm>

#include "snapshot/clock.h"

namespace inference_health::gpu {
namespace {

using nvml::kSuccess;

constexpr double kFirstRetryMs = 1000, kLastRetryMs = 30'000, kLookForLibraryMs = 60'000;
// Time for the driver's unbind to complete before we would hold it up again.
constexpr double kAfterUnbindMs = 5000;
// An announcement is cheap to ask for, a look at files is not.
constexpr double kPollMs = 1000, kLookMs = 5000;

}  // namespace

double Connection::look_interval_ms() const { return system_events_.is_open() ? kPollMs : kLookMs; }

void Connection::fail(NoneReason reason, double code) {
  retry_ms_ = std::clamp(retry_ms_ * 2, kFirstRetryMs, kLastRetryMs);
  next_try_ms_ = monotonic_ms() + (reason == NoneReason::library_missing ? kLookForLibraryMs : retry_ms_);
  context_.set_state(State::none, reason, code);
}

bool Connection::open(double now_ms) {
  auto& driver = context_.driver;
  auto& inventory = context_.inventory;
  if (!installation_.load()) {
    if (!driver.is_abandoned()) fail(NoneReason::library_missing, nvml::kLibraryNotFound);
    return false;
  }
  system_events_.open();
  const auto result = driver.call<Symbol::init>(-1);
  if (driver.is_abandoned()) return false;
  if (result != kSuccess) {
    remember_files();
    fail(reason_of_failure(result, files_), result);
    return false;
  }
  nvml_references.fetch_add(1);
  is_open_ = true;
  context_.lane.set(GpuField::initDurationMs, monotonic_ms() - now_ms);
  installation_.read_versions();

  bool changed = false;
  const auto listed = inventory.enumerate(driver, now_ms, changed);
  if (driver.is_abandoned()) return false;
  if (listed != kSuccess || inventory.known_gpus() == 0) {
    close();
    remember_files();
    const auto reason = listed != kSuccess                       ? reason_of_failure(listed, files_)
                        : files_.control == DeviceNode::refused ? NoneReason::access_lost
                                                                : NoneReason::no_device_nodes;
    fail(reason, listed);
    return false;
  }
  retry_ms_ = 0;
  context_.publish_inventory();
  context_.set_state(State::ok);
  return true;
}

void Connection::look_for_driver() {
  poll_system_events();
  if (!installation_.is_loaded() || context_.driver.is_abandoned()) return;
  const double now = monotonic_ms();
  if (now < next_look_ms_) return;
  next_look_ms_ = now + kLookMs;
  if (const auto files = read_files(); files != files_) {
    files_ = files;
    next_try_ms_ = now;
  }
}

bool Connection::poll_system_events() {
  bool is_bound = false;
  system_events_.poll(
      [&] {
        on_driver_gone(nvml::kDriverNotLoaded);
        next_try_ms_ = monotonic_ms() + kAfterUnbindMs;
      },
      [&] {
        // Also while initialised: GPUs may have come.
        next_try_ms_ = 0;
        is_bound = true;
      });
  return is_bound;
}

void Connection::on_driver_gone(nvml::Return code) {
  close();
  if (is_open_) return;
  auto& inventory = context_.inventory;
  for (std::size_t slot = 0; slot < inventory.size(); ++slot) {
    auto& device = inventory[slot];
    device.is_present = false;
    device[GpusField::lastReturn] = code;
    inventory.publish_row(context_.lane, slot);
  }
  context_.lane.set(GpuField::count, 0);
  fail(NoneReason::driver_not_loaded, code);
}

void Connection::close() {
  if (!is_open_) return;
  auto& session = context_.session;
  auto& driver = context_.driver;
  session.handles.generation.store(0, std::memory_order_seq_cst);
  session.events.wake.signal();
  const double deadline = monotonic_ms() + std::max(context_.options.deadline_ms, kLeastDeadlineMs);
  while (!session.events_parked.load(std::memory_order_seq_cst) && event_thread_exists.load()) {
    if (monotonic_ms() > deadline || driver.is_abandoned()) return;
    context_.thread.wake.wait(5);
  }
  // Another thread is stuck inside: the library is not to be taken from under it.
  if (lane_taken[0].load() && lane_taken[1].load()) return;
  while (nvml_references.load() > 0 && driver.call<Symbol::shutdown>(-1) != kAbandoned) nvml_references.fetch_sub(1);
  context_.inventory.forget_handles();
  is_open_ = false;
  session.generations.fetch_add(1);
}

void Connection::close_all() {
  close();
  system_events_.close();
}

}  // namespace inference_health::gpu
