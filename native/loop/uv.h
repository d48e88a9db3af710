// The few libuv functions the loop monitor needs, declared by hand: uv.h would tie the build to the headers of one Node,
// and a handle is only memory of uv_handle_size() bytes to us. A table of pointers, so that tests can bring a fake.
#pragma once

#include <cstddef>
#include <cstdint>

struct uv_loop_s;

namespace inference_health::loop {

/// Memory of a libuv handle; what is inside is libuv's business.
struct Handle;
using HandleCallback = void (*)(Handle*);

struct Uv {
  std::size_t (*handle_size)(int type);
  int (*prepare_init)(uv_loop_s*, Handle*);
  int (*prepare_start)(Handle*, HandleCallback);
  void (*unref)(Handle*);
  void (*close)(Handle*, HandleCallback);
  int (*loop_configure)(uv_loop_s*, int option, ...);
  /// Nanoseconds that the loop has spent waiting for events, up to this moment. Any thread, while the loop is open.
  std::uint64_t (*metrics_idle_time)(uv_loop_s*);
};

/// Values of uv_handle_type and uv_loop_option, fixed by libuv's ABI for all of 1.x.
inline constexpr int kUvPrepare = 9;
inline constexpr int kUvMetricsIdleTime = 1;

/// The libuv of this process; nullptr where the host does not export it (other runtimes that implement Node-API).
const Uv* host_uv();

}  // namespace inference_health::loop
