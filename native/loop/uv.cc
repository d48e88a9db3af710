#include "loop/uv.h"

// Weak: a host without libuv then loads the addon, and only loop monitoring is missing.
extern "C" {
#define INFERENCE_HEALTH_WEAK __attribute__((weak))
INFERENCE_HEALTH_WEAK std::size_t uv_handle_size(int);
INFERENCE_HEALTH_WEAK int uv_prepare_init(uv_loop_s*, inference_health::loop::Handle*);
INFERENCE_HEALTH_WEAK int uv_prepare_start(inference_health::loop::Handle*, inference_health::loop::HandleCallback);
INFERENCE_HEALTH_WEAK void uv_unref(inference_health::loop::Handle*);
INFERENCE_HEALTH_WEAK void uv_close(inference_health::loop::Handle*, inference_health::loop::HandleCallback);
INFERENCE_HEALTH_WEAK int uv_loop_configure(uv_loop_s*, int, ...);
INFERENCE_HEALTH_WEAK std::uint64_t uv_metrics_idle_time(uv_loop_s*);
#undef INFERENCE_HEALTH_WEAK
}

namespace inference_health::loop {

const Uv* host_uv() {
  static const Uv uv{uv_handle_size, uv_prepare_init,   uv_prepare_start,    uv_unref,
                     uv_close,       uv_loop_configure, uv_metrics_idle_time};
  const bool complete = uv.handle_size && uv.prepare_init && uv.prepare_start && uv.unref && uv.close &&
                        uv.loop_configure && uv.metrics_idle_time;
  return complete ? &uv : nullptr;
}

}  // namespace inference_health::loop
