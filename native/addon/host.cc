#include "host/sampler.h"

#include <mutex>
#include <string>
#include <string_view>

#include "addon/environments.h"
#include "addon/exports.h"
#include "loop/monitor.h"
#include "snapshot/block.h"

namespace inference_health::addon {
namespace {

using Field = const char*;

#define INFERENCE_HEALTH_NAME(name) #name,
constexpr Field kHostFields[] = {INFERENCE_HEALTH_HOST_FIELDS(INFERENCE_HEALTH_NAME)};
constexpr Field kLoopFields[] = {INFERENCE_HEALTH_LOOP_FIELDS(INFERENCE_HEALTH_NAME)};
#undef INFERENCE_HEALTH_NAME
constexpr Field kCoresFields[] = {"count", "busyRatio"};

Napi::Object section(Napi::Env env, std::size_t slots, std::span<const Field> names) {
  auto fields = Napi::Object::New(env);
  for (std::size_t i = 0; i < names.size(); ++i) fields.Set(names[i], static_cast<double>(i));
  auto result = Napi::Object::New(env);
  result.Set("slots", static_cast<double>(slots));
  result.Set("fields", fields);
  return result;
}

Napi::Value layout(const Napi::CallbackInfo& info) {
  auto result = Napi::Object::New(info.Env());
  result.Set("host", section(info.Env(), kHostSlots, kHostFields));
  result.Set("cores", section(info.Env(), kCoresSlots, kCoresFields));
  result.Set("loop", section(info.Env(), kLoopSlots, kLoopFields));
  return result;
}

Napi::Value read(const Napi::CallbackInfo& info) {
  // "host" and "cores" differ in length, so a short buffer is enough to tell every other string apart.
  char name[8];
  std::size_t length = 0;
  napi_get_value_string_utf8(info.Env(), info[0], name, sizeof name, &length);
  const std::string_view section_name(name, length);
  std::uint64_t version = 0;
  if (section_name == "host") {
    const auto into = float64_array(info[1], kHostSlots, "into");
    if (into.empty()) return info.Env().Undefined();
    version = block.host.read(into);
  } else if (section_name == "cores") {
    const auto into = float64_array(info[1], kCoresSlots, "into");
    if (into.empty()) return info.Env().Undefined();
    version = block.cores.read(into);
  } else {
    Napi::TypeError::New(info.Env(), "Expected section to be 'host' or 'cores'").ThrowAsJavaScriptException();
    return info.Env().Undefined();
  }
  return Napi::Number::New(info.Env(), static_cast<double>(version));
}

// The sampler belongs to the process; it runs until the last environment that asked for it has ended.
Environments& environments() {
  static auto* instance = new Environments(host::stop_sampler);
  return *instance;
}

Napi::Value throw_error(Napi::Env env, const char* message) {
  Napi::Error::New(env, message).ThrowAsJavaScriptException();
  return env.Undefined();
}

Napi::Value start_sampler(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  const auto options = info[0].IsObject() ? info[0].As<Napi::Object>() : Napi::Object::New(env);
  // A getter may throw; with that exception pending, any other call would end the process.
  const auto root = options.Get("root");
  if (env.IsExceptionPending()) return env.Undefined();
  const auto hz = options.Get("hz");
  if (env.IsExceptionPending()) return env.Undefined();
  const auto per_core = options.Get("perCore");
  if (env.IsExceptionPending()) return env.Undefined();
  if (!root.IsString() || !hz.IsNumber() || !per_core.IsBoolean()) {
    Napi::TypeError::New(env, "Expected startSampler({ root: string, hz: number, perCore: boolean })").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  const std::string prefix = root.As<Napi::String>();
  const double rate = hz.As<Napi::Number>();
  if (!(rate >= 1 && rate <= 100)) {
    Napi::RangeError::New(env, "Expected hz to be between 1 and 100").ThrowAsJavaScriptException();
    return env.Undefined();
  }

  const std::scoped_lock lock(environments().mutex());
  const auto result = host::start_sampler({prefix, rate, per_core.As<Napi::Boolean>(), loop::tick});
  if (result == host::StartResult::root_too_long) return throw_error(env, "Expected root to be a shorter path");
  if (result == host::StartResult::no_thread) return throw_error(env, "The system refused to create the sampler thread");
  environments().add(env);
  return Napi::Boolean::New(env, result == host::StartResult::started);
}

void stop_sampler(const Napi::CallbackInfo&) { environments().end_all(); }

}  // namespace

void register_host(Napi::Env env, Napi::Object exports) {
  exports.Set("layout", Napi::Function::New<layout>(env, "layout"));
  exports.Set("read", Napi::Function::New<read>(env, "read"));
  exports.Set("startSampler", Napi::Function::New<start_sampler>(env, "startSampler"));
  exports.Set("stopSampler", Napi::Function::New<stop_sampler>(env, "stopSampler"));
}

}  // namespace inference_health::addon
