#include "signal/watch.h"

#include <unistd.h>

#include <array>

#include "addon/exports.h"

namespace inference_health::addon {
namespace {

constexpr std::uint32_t kMaxSignals = 16;

Napi::Value watch_signals(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  const auto fail = [&] {
    if (!env.IsExceptionPending())
      Napi::TypeError::New(env, "Expected watchSignals(signals: number[], exitCode?: number)").ThrowAsJavaScriptException();
    return env.Undefined();
  };
  if (!info[0].IsArray()) return fail();
  const auto list = info[0].As<Napi::Array>();
  std::array<int, kMaxSignals> numbers{};
  const std::uint32_t length = list.Length();
  if (length > kMaxSignals) return fail();
  for (std::uint32_t i = 0; i < length; ++i) {
    // A getter may throw; with that exception pending, any other call would end the process.
    const auto value = list.Get(i);
    if (env.IsExceptionPending() || !value.IsNumber()) return fail();
    numbers[i] = value.As<Napi::Number>().Int32Value();
  }
  const int exit_code = info[1].IsNumber() ? info[1].As<Napi::Number>().Int32Value() : -1;
  return Napi::Number::New(env, signals::watch(std::span(numbers).first(length), exit_code));
}

Napi::Value rearm_signals(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), signals::rearm()); }
void unwatch_signals(const Napi::CallbackInfo&) { signals::unwatch(); }
void acknowledge_signal(const Napi::CallbackInfo&) { signals::acknowledge(); }
void clear_signals(const Napi::CallbackInfo&) { signals::clear(); }

// process.exit() of a worker ends the worker; this ends the process although its main thread will not turn again. No exit
// handlers, no destructors: they would wait for that thread.
Napi::Value exit_process(const Napi::CallbackInfo& info) {
  if (info[0].IsNumber()) ::_exit(info[0].As<Napi::Number>().Int32Value());
  Napi::TypeError::New(info.Env(), "Expected exitProcess(code: number)").ThrowAsJavaScriptException();
  return info.Env().Undefined();
}

}  // namespace

// Handlers belong to the process and call nothing of an environment: there is nothing to clean up at its end.
void register_signal(Napi::Env env, Napi::Object exports) {
  auto signal = Napi::Object::New(env);
  signal.Set("watchSignals", Napi::Function::New<watch_signals>(env, "watchSignals"));
  signal.Set("rearmSignals", Napi::Function::New<rearm_signals>(env, "rearmSignals"));
  signal.Set("unwatchSignals", Napi::Function::New<unwatch_signals>(env, "unwatchSignals"));
  signal.Set("acknowledgeSignal", Napi::Function::New<acknowledge_signal>(env, "acknowledgeSignal"));
  signal.Set("clearSignals", Napi::Function::New<clear_signals>(env, "clearSignals"));
  signal.Set("exitProcess", Napi::Function::New<exit_process>(env, "exitProcess"));
  exports.Set("signal", signal);
}

}  // namespace inference_health::addon
