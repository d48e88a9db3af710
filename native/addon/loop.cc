#include <unistd.h>
#include <sys/syscall.h>

#include "addon/exports.h"
#include "loop/monitor.h"
#include "snapshot/layout.h"

namespace inference_health::addon {
namespace {

Napi::Value monitor_loop(const Napi::CallbackInfo& info) {
  uv_loop_s* loop = nullptr;
  if (napi_get_uv_event_loop(info.Env(), &loop) != napi_ok) return Napi::Number::New(info.Env(), -1);
  return Napi::Number::New(info.Env(), loop::monitor(loop));
}

void unmonitor_loop(const Napi::CallbackInfo& info) {
  if (info[0].IsNumber()) loop::unmonitor(info[0].As<Napi::Number>().Int32Value());
}

Napi::Value read_loop(const Napi::CallbackInfo& info) {
  const auto into = float64_array(info[1], kLoopSlots, "into");
  if (into.empty()) return info.Env().Undefined();
  const int id = info[0].IsNumber() ? info[0].As<Napi::Number>().Int32Value() : -1;
  return Napi::Boolean::New(info.Env(), loop::read(id, into));
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
