#include "gpu/rounds.h"

#include <algorithm>
#include <limits>

#include "gpu/tiers.h"
#include "snapshot/clock.h"

namespace inference_health::gpu {
namespace {

using nvml::kSuccess;

constexpr double kLookForLostMs = 10'000;
constexpr double kUrgentGapMs = 250;
// A tier may take 2 % of a core; one that takes longer comes as much less often, at most so many times.
constexpr double kDutyCycle = 0.02, kMaxStretch = 30;

bool is_usable(const GpuDevice& device) { return device.handle != nullptr && device.is_present && !device.is_excluded; }

}  // namespace

Rounds::Rounds(WorkerContext& context, Connection& connection)
    : context_(context),
      connection_(connection),
      own_pid_(own_pid(context.options)),
      fast_{context.options.fast_ms, GpuField::fastAtMs, GpuField::fastDurationMs, GpuField::fastIntervalMs},
      medium_{context.options.medium_ms, GpuField::mediumAtMs, GpuField::mediumDurationMs, GpuField::mediumIntervalMs},
      slow_{context.options.slow_ms, GpuField::slowAtMs, GpuField::slowDurationMs, GpuField::slowIntervalMs} {}

void Rounds::start_over() { fast_.due_ms = medium_.due_ms = slow_.due_ms = 0; }

double Rounds::urgent_at_ms() const {
  return context_.session.is_urgent.load(std::memory_order_acquire) ? last_urgent_ms_ + kUrgentGapMs
                                                                    : std::numeric_limits<double>::infinity();
}

double Rounds::next_ms() const { return std::min({fast_.due_ms, medium_.due_ms, slow_.due_ms, urgent_at_ms()}); }

template <typename Body>
void Rounds::run_tier(Tier& tier, Body body) {
  const double started = monotonic_ms();
  body(started);
  if (context_.driver.is_abandoned() || !connection_.is_open()) return;
  const double ended = monotonic_ms(), duration = ended - started;
  const double interval = std::clamp(duration / kDutyCycle, tier.base_ms, tier.base_ms * kMaxStretch);
  tier.due_ms = std::max(started + interval, ended);
  context_.lane.set(tier.at, started);
  context_.lane.set(tier.duration, duration);
  context_.lane.set(tier.interval, interval);
  context_.announce();
}

void Rounds::run(double now_ms) {
  auto& session = context_.session;
  // A release that could not be completed was taken back.
  if (session.handles.generation.load(std::memory_order_relaxed) == 0) context_.publish_inventory();
  if (session.is_urgent.load(std::memory_order_acquire) && now_ms >= last_urgent_ms_ + kUrgentGapMs) {
    session.is_urgent.store(false, std::memory_order_release);
    last_urgent_ms_ = now_ms;
    fast_.due_ms = medium_.due_ms = 0;
  }
  if (now_ms >= fast_.due_ms) run_tier(fast_, [&](double at) { fast(at); });
  if (connection_.is_open() && now_ms >= medium_.due_ms) run_tier(medium_, [&](double at) { medium(at); });
  if (connection_.is_open() && now_ms >= slow_.due_ms) run_tier(slow_, [&](double at) { slow(at); });
}

void Rounds::update_exclusion() {
  const auto excluded = context_.session.excluded_gpu.load(std::memory_order_acquire);
  auto& inventory = context_.inventory;
  for (std::size_t slot = 0; slot < inventory.size(); ++slot) {
    auto& device = inventory[slot];
    device.is_excluded = excluded >= 0 && (static_cast<std::int32_t>(slot) == excluded || device.parent == excluded);
  }
}

void Rounds::fast(double now_ms) {
  update_exclusion();
  auto& inventory = context_.inventory;
  auto& driver = context_.driver;
  bool changed = false;
  std::size_t gpus = 0, gone = 0, refused = 0, stale = 0;
  for (std::size_t slot = 0; slot < inventory.size() && context_.is_wanted(); ++slot) {
    auto& device = inventory[slot];
    if (device.is_lost && !device.is_excluded &&
        now_ms - device.looked_for_at_ms >= std::min(kLookForLostMs, medium_.base_ms)) {
      device.looked_for_at_ms = now_ms;
      inventory.find_again(driver, slot);
    }
    if (!is_usable(device)) {
      if (device.is_excluded) inventory.publish_row(context_.lane, slot);
      continue;
    }
    const auto code = sample_fast(driver, device, static_cast<std::int32_t>(slot), now_ms);
    if (driver.is_abandoned()) return;
    if (!device.is_mig) {
      ++gpus;
      gone += code == nvml::kUninitialized || code == nvml::kDriverNotLoaded;
      refused += code == nvml::kUnknown || code == nvml::kOperatingSystem;
      stale += code == nvml::kInvalidArgument;
    }
    if (code == nvml::kGpuIsLost || code == nvml::kGpuNotFound) {
      changed = changed || !device.is_lost;
      inventory.set_lost(slot, code, now_ms);
      context_.session.block.xids.confirm(kSourceHandleProbe, device.address, 79);
    } else if (code == kSuccess && device.is_lost) {
      inventory.set_returned(slot, now_ms);
      changed = true;
      medium_.due_ms = 0;
    }
    inventory.publish_row(context_.lane, slot);
  }
  if (driver.is_abandoned()) return;
  if (gpus > 0 && gone == gpus) return connection_.on_driver_gone(nvml::kDriverNotLoaded);
  // All of them at once: not the GPUs, the container lost its devices.
  if (gpus > 0 && refused == gpus) connection_.read_files();
  // Handles that the driver does not know (any more): take new ones, but not for ever.
  if (stale > 0 && now_ms >= next_relist_ms_) {
    next_relist_ms_ = now_ms + medium_.base_ms;
    inventory.enumerate(driver, now_ms, changed);
  }
  if (changed) context_.publish_inventory();
}

void Rounds::medium(double now_ms) {
  auto& session = context_.session;
  auto& inventory = context_.inventory;
  auto& driver = context_.driver;
  for (std::size_t slot = 0; slot < inventory.size() && context_.is_wanted(); ++slot) {
    auto& device = inventory[slot];
    if (!is_usable(device) || device.is_lost || device.is_mig) continue;
    const auto number = static_cast<std::int32_t>(slot);
    const double before = device[GpusField::recoveryAction];
    if (session.quiet_until_ms[slot].load(std::memory_order_relaxed) > now_ms) {
      sample_recovery_action(driver, device, number);
    } else {
      sample_medium(driver, device, number, now_ms);
    }
    if (driver.is_abandoned()) return;
    const double action = device[GpusField::recoveryAction];
    if (action >= 0 && action != before && (action > 0 || before > 0)) {
      XidDetail detail;
      detail.to_action = static_cast<std::uint32_t>(action);
      session.block.xids.record(kSourceField230, device.address, false, 154, detail, 0, now_ms);
    }
    inventory.publish_row(context_.lane, slot);
  }
  std::uint32_t count = 0;
  if (driver.call<Symbol::count>(-1, &count) == kSuccess && count != inventory.present_gpus()) list_soon();
}

void Rounds::slow(double now_ms) {
  auto& inventory = context_.inventory;
  auto& driver = context_.driver;
  connection_.remember_files();
  bool changed = false;
  inventory.enumerate(driver, now_ms, changed);
  update_exclusion();
  if (driver.is_abandoned()) return;
  if (changed) context_.publish_inventory();
  for (std::size_t slot = 0; slot < inventory.size() && context_.is_wanted(); ++slot) {
    auto& device = inventory[slot];
    if (!is_usable(device) || device.is_lost) continue;
    if (context_.session.quiet_until_ms[slot].load(std::memory_order_relaxed) > now_ms) continue;
    const auto number = static_cast<std::int32_t>(slot);
    if (device[GpusField::supportedEvents] != device[GpusField::supportedEvents] && !device.is_mig) {
      std::uint64_t types = 0;
      if (driver.call<Symbol::event_types>(number, device.handle, &types) == kSuccess)
        device[GpusField::supportedEvents] = static_cast<double>(types);
    }
    sample_slow(driver, device, number, own_pid_, now_ms);
    if (driver.is_abandoned()) return;
    inventory.publish_row(context_.lane, slot);
  }
}

}  // namespace inference_health::gpu
