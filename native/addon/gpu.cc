#include "gpu/gpu.h"

#include <dlfcn.h>

#include <algorithm>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "addon/environments.h"
#include "addon/exports.h"
#include "gpu/kmsg_line.h"

namespace inference_health::addon {
namespace {

using namespace inference_health::gpu;

struct Section {
  const char* name;
  std::size_t stride, entries;
  std::span<const char* const> fields;
  std::uint64_t (*read)(std::span<double>);
};

#define INFERENCE_HEALTH_NAME(name) #name,
constexpr const char* kGpuFieldNames[] = {INFERENCE_HEALTH_GPU_FIELDS(INFERENCE_HEALTH_NAME)};
constexpr const char* kGpusFieldNames[] = {INFERENCE_HEALTH_GPUS_FIELDS(INFERENCE_HEALTH_NAME)};
constexpr const char* kXidFieldNames[] = {INFERENCE_HEALTH_XID_FIELDS(INFERENCE_HEALTH_NAME)};
constexpr const char* kCallFieldNames[] = {INFERENCE_HEALTH_GPU_CALL_FIELDS(INFERENCE_HEALTH_NAME)};
#undef INFERENCE_HEALTH_NAME

constexpr Section kSections[] = {
    {"gpu", kGpuSlots, 1, kGpuFieldNames, read_gpu},
    {"gpus", kGpusStride, kMaxGpus, kGpusFieldNames, read_gpus},
    {"xids", kXidStride, kMaxXidRows, kXidFieldNames, read_xids},
    {"gpuCalls", kCallStride, kSymbols, kCallFieldNames, read_calls},
};

Napi::Value gpu_layout(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  auto result = Napi::Object::New(env);
  for (const auto& section : kSections) {
    auto fields = Napi::Object::New(env);
    for (std::size_t i = 0; i < section.fields.size(); ++i) fields.Set(section.fields[i], static_cast<double>(i));
    auto object = Napi::Object::New(env);
    object.Set("slots", static_cast<double>(section.stride * section.entries));
    object.Set("stride", static_cast<double>(section.stride));
    object.Set("fields", fields);
    result.Set(section.name, object);
  }
  auto calls = Napi::Array::New(env);
  for (std::size_t i = 0; i < kSymbols; ++i) calls.Set(static_cast<std::uint32_t>(i), kSymbolNames[i]);
  result.Set("calls", calls);
  auto units = Napi::Array::New(env);
  for (std::size_t i = 0; i < std::size(kNvlinkUnits); ++i)
    units.Set(static_cast<std::uint32_t>(i), std::string(kNvlinkUnits[i]));
  result.Set("nvlinkUnits", units);
  return result;
}

Napi::Value read_section(const Napi::CallbackInfo& info) {
  char name[12];
  std::size_t length = 0;
  napi_get_value_string_utf8(info.Env(), info[0], name, sizeof name, &length);
  for (const auto& section : kSections) {
    if (std::string_view(name, length) != section.name) continue;
    const auto into = float64_array(info[1], section.stride * section.entries, "into");
    if (into.empty()) return info.Env().Undefined();
    return Napi::Number::New(info.Env(), static_cast<double>(section.read(into)));
  }
  Napi::TypeError::New(info.Env(), "Expected section to be 'gpu', 'gpus', 'xids' or 'gpuCalls'").ThrowAsJavaScriptException();
  return info.Env().Undefined();
}

template <std::size_t N>
Napi::String text_of(Napi::Env env, const char (&text)[N]) {
  return Napi::String::New(env, text, static_cast<std::size_t>(std::find(text, text + N, '\0') - text));
}

Napi::Value text(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  const auto texts = std::make_unique<Texts>();
  const auto version = read_texts(*texts);
  std::vector<double> gpus(kGpusStride * kMaxGpus);
  read_gpus(gpus);
  auto result = Napi::Object::New(env);
  result.Set("version", static_cast<double>(version));
  result.Set("driverVersion", text_of(env, texts->driver_version));
  result.Set("nvmlVersion", text_of(env, texts->nvml_version));
  result.Set("libraryPath", text_of(env, texts->library_path));
  std::vector<double> global(kGpuSlots);
  read_gpu(global);
  const double cuda = global[static_cast<std::size_t>(GpuField::cudaVersion)];
  // 12040 is 12.4.
  result.Set("cudaVersion", cuda >= 1000 ? std::to_string(static_cast<int>(cuda) / 1000) + "." +
                                               std::to_string(static_cast<int>(cuda) % 1000 / 10)
                                         : std::string());
  auto list = Napi::Array::New(env);
  std::uint32_t count = 0;
  for (std::size_t slot = 0; slot < kMaxGpus; ++slot) {
    const auto value = [&](GpusField field) { return gpus[slot * kGpusStride + static_cast<std::size_t>(field)]; };
    if (value(GpusField::isMig) != value(GpusField::isMig)) continue;
    auto gpu = Napi::Object::New(env);
    gpu.Set("slot", static_cast<double>(slot));
    gpu.Set("uuid", text_of(env, texts->gpus[slot].uuid));
    gpu.Set("name", text_of(env, texts->gpus[slot].name));
    gpu.Set("pciBusId", text_of(env, texts->gpus[slot].bus_id));
    gpu.Set("isMig", value(GpusField::isMig) == 1);
    const double parent = value(GpusField::parentSlot);
    gpu.Set("parentSlot", parent >= 0 ? parent : -1);
    list.Set(count++, gpu);
  }
  result.Set("gpus", list);
  return result;
}

Napi::Value version(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(gpu_version()));
}

// Like the host sampler, the GPU part belongs to the process and runs until the last environment that asked for it ends.
Environments& environments() {
  static auto* instance = new Environments(gpu::stop);
  return *instance;
}

/// An option; empty once an exception is pending. A getter may throw, and any other call would end the process then.
Napi::Value option(const Napi::Object& options, const char* name) {
  if (options.Env().IsExceptionPending()) return {};
  const auto value = options.Get(name);
  return options.Env().IsExceptionPending() ? Napi::Value() : value;
}

/// A number of the options or its default, also when it is something else or below `least`: then an exception is pending.
double number_of(const Napi::Object& options, const char* name, double otherwise, double least) {
  const auto value = option(options, name);
  if (value.IsUndefined()) return otherwise;
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : -1;
  if (number >= least && number <= 86'400'000) return number;
  Napi::RangeError::New(options.Env(), std::string("Expected ") + name + " to be a number of milliseconds from " +
                                           std::to_string(static_cast<int>(least)) + " to 86400000")
      .ThrowAsJavaScriptException();
  return otherwise;
}

std::string string_of(const Napi::Object& options, const char* name, const std::string& otherwise) {
  const auto value = option(options, name);
  return value.IsString() ? value.As<Napi::String>().Utf8Value() : otherwise;
}

/// The helper's program, which is built and shipped beside the addon.
std::string helper_beside_addon() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<const void*>(&gpu::own_block), &info) == 0 || info.dli_fname == nullptr) return {};
  const std::string addon = info.dli_fname;
  return addon.substr(0, addon.rfind('/') + 1) + "inference-health-gpu";
}

Napi::Value start_gpu(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  const auto given = info[0].IsObject() ? info[0].As<Napi::Object>() : Napi::Object::New(env);
  gpu::Options options;
  options.root = string_of(given, "root", "");
  if (options.root == "/") options.root.clear();
  options.library = string_of(given, "library", "");
  options.kmsg = string_of(given, "kmsg", options.root + "/dev/kmsg");
  options.deadline_ms = number_of(given, "deadlineMs", options.deadline_ms, 10);
  options.init_deadline_ms = number_of(given, "initDeadlineMs", 4 * options.deadline_ms, 10);
  options.fast_ms = number_of(given, "fastMs", options.fast_ms, 10);
  options.medium_ms = number_of(given, "mediumMs", options.medium_ms, 10);
  options.slow_ms = number_of(given, "slowMs", options.slow_ms, 10);
  const auto isolation = string_of(given, "isolation", "thread");
  if (isolation == "process") {
    options.helper = string_of(given, "helper", helper_beside_addon());
    options.segment = string_of(given, "segment", "");
  }
  if (env.IsExceptionPending()) return env.Undefined();
  if (isolation != "thread" && isolation != "process") {
    Napi::RangeError::New(env, "Expected isolation to be 'thread' or 'process'").ThrowAsJavaScriptException();
    return env.Undefined();
  }

  const std::scoped_lock lock(environments().mutex());
  const bool is_started = gpu::start(options);
  environments().add(env);
  return Napi::Boolean::New(env, is_started);
}

void stop_gpu(const Napi::CallbackInfo&) { environments().end_all(); }
void release_gpu(const Napi::CallbackInfo&) { gpu::release(); }
void acquire_gpu(const Napi::CallbackInfo&) { gpu::acquire(); }
void refresh_gpu(const Napi::CallbackInfo&) { gpu::refresh(); }

}  // namespace

void register_gpu(Napi::Env env, Napi::Object exports) {
  auto gpu = Napi::Object::New(env);
  gpu.Set("layout", Napi::Function::New<gpu_layout>(env, "layout"));
  gpu.Set("startGpu", Napi::Function::New<start_gpu>(env, "startGpu"));
  gpu.Set("stopGpu", Napi::Function::New<stop_gpu>(env, "stopGpu"));
  gpu.Set("releaseGpu", Napi::Function::New<release_gpu>(env, "releaseGpu"));
  gpu.Set("acquireGpu", Napi::Function::New<acquire_gpu>(env, "acquireGpu"));
  gpu.Set("refreshGpu", Napi::Function::New<refresh_gpu>(env, "refreshGpu"));
  gpu.Set("readGpu", Napi::Function::New<read_section>(env, "readGpu"));
  gpu.Set("gpuText", Napi::Function::New<text>(env, "gpuText"));
  gpu.Set("gpuVersion", Napi::Function::New<version>(env, "gpuVersion"));
  exports.Set("gpu", gpu);
}

}  // namespace inference_health::addon
