#include "host/sampler.h"

#include <cstring>
#include <string_view>

#include "addon/exports.h"
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

Napi::Value start_sampler(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), host::start_sampler({"/", 1, false}) == host::StartResult::started);
}

void stop_sampler(const Napi::CallbackInfo&) { host::stop_sampler(); }

}  // namespace

void register_host(Napi::Env env, Napi::Object exports) {
  exports.Set("layout", Napi::Function::New<layout>(env, "layout"));
  exports.Set("read", Napi::Function::New<read>(env, "read"));
  exports.Set("startSampler", Napi::Function::New<start_sampler>(env, "startSampler"));
  exports.Set("stopSampler", Napi::Function::New<stop_sampler>(env, "stopSampler"));
}

}  // namespace inference_health::addon
