#include "addon/exports.h"

namespace {

using namespace inference_health::addon;

// Bumped whenever the exports or the layout change; lib/native/loader.ts refuses another number.
constexpr int kAbi = 1;

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("abi", kAbi);
  register_host(env, exports);
  register_gpu(env, exports);
  register_loop(env, exports);
  register_poll(env, exports);
  register_signal(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(inference_health, init)
