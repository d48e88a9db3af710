#include "loop/monitor.h"

#include <sys/syscall.h>
#include <unistd.h>

#include "addon/exports.h"
#include "snapshot/layout.h"

namespace inference_health::addon {
namespace {

// Ends a monitor before its environment closes the loop. The hook is asynchronous because libuv closes a handle only at
// the next turn: with a synchronous one the loop would be closed with our handle in it, which aborts the process.
struct Cleanup {
  int id = -1;
  uv_loop_s* loop = nullptr;
  napi_async_cleanup_hook_handle hook = nullptr;
};

void on_environment_end(napi_async_cleanup_hook_handle, void* data) {
  const auto* cleanup = static_cast<Cleanup*>(data);
  // False where unmonitorLoop() came first and its handle is still closing: on_closed follows in either case.
  loop::unmonitor(cleanup->id, cleanup->loop);
}

void on_closed(void* data) {
  auto* cleanup = static_cast<Cleanup*>(data);
  napi_remove_async_cleanup_hook(cleanup->hook);
  delete cleanup;
}

Napi::Value monitor_loop(const Napi::CallbackInfo& info) {
  const auto unavailable = Napi::Number::New(info.Env(), -1);
  uv_loop_s* loop = nullptr;
  if (napi_get_uv_event_loop(info.Env(), &loop) != napi_ok) return unavailable;

  // The hook first: a handle without one would be left in the loop when the environment ends.
  auto* cleanup = new Cleanup{-1, loop, nullptr};
  if (napi_add_async_cleanup_hook(info.Env(), on_environment_end, cleanup, &cleanup->hook) != napi_ok) {
    delete cleanup;
    return unavailable;
  }
  cleanup->id = loop::monitor(loop::host_uv(), loop, on_closed, cleanup);
  if (cleanup->id < 0) {
    on_closed(cleanup);
    return unavailable;
  }
  return Napi::Number::New(info.Env(), cleanup->id);
}

int loop_id(const Napi::Value& value) {
  std::int32_t id = -1;
  return napi_get_value_int32(value.Env(), value, &id) == napi_ok ? id : -1;
}

void unmonitor_loop(const Napi::CallbackInfo& info) {
  uv_loop_s* loop = nullptr;
  if (napi_get_uv_event_loop(info.Env(), &loop) == napi_ok) loop::unmonitor(loop_id(info[0]), loop);
}

Napi::Value read_loop(const Napi::CallbackInfo& info) {
  const auto into = float64_array(info[1], kLoopSlots, "into");
  if (into.empty()) return info.Env().Undefined();
  return Napi::Boolean::New(info.Env(), loop::read(loop_id(info[0]), into));
}

Napi::Value thread_id(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(syscall(SYS_gettid)));
}

}  // namespace

void register_loop(Napi::Env env, Napi::Object exports) {
  exports.Set("monitorLoop", Napi::Function::New<monitor_loop>(env, "monitorLoop"));
  exports.Set("unmonitorLoop", Napi::Function::New<unmonitor_loop>(env, "unmonitorLoop"));
  exports.Set("readLoop", Napi::Function::New<read_loop>(env, "readLoop"));
  exports.Set("threadId", Napi::Function::New<thread_id>(env, "threadId"));
}

}  // namespace inference_health::addon
