// What every probe reads, in one call: clocks, the version of the host section and the monitored loop; if there is room, the
// version of the GPU part and when a signal came.
#include "addon/exports.h"
#include "gpu/shared_block.h"
#include "loop/monitor.h"
#include "signal/watch.h"
#include "snapshot/block.h"
#include "snapshot/clock.h"

namespace inference_health::addon {
namespace {

enum PollSlot : std::size_t { kNow, kHostVersion, kBusyMs, kMonitored, kWallClock, kPollSlots, kGpuVersion = kPollSlots, kSignalAt };

void poll(const Napi::CallbackInfo& info) {
  const auto into = float64_array(info[1], kPollSlots, "into");
  if (into.empty()) return;
  std::int32_t id = -1;
  napi_get_value_int32(info.Env(), info[0], &id);

  const double now = monotonic_ms();
  double busy_ms = 0;
  const bool monitored = id >= 0 && loop::busy(id, now, busy_ms);
  into[kNow] = now;
  into[kHostVersion] = static_cast<double>(block.host.version());
  into[kBusyMs] = monitored ? busy_ms : 0;
  into[kMonitored] = monitored ? 1 : 0;
  into[kWallClock] = wall_ms();
  if (into.size() > kGpuVersion) into[kGpuVersion] = static_cast<double>(gpu::gpu_version());
  if (into.size() > kSignalAt) into[kSignalAt] = signals::first_at_ms();
}

Napi::Value now(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), monotonic_ms()); }

}  // namespace

void register_poll(Napi::Env env, Napi::Object exports) {
  exports.Set("poll", Napi::Function::New<poll>(env, "poll"));
  exports.Set("now", Napi::Function::New<now>(env, "now"));
}

}  // namespace inference_health::addon
