// One registration function per noun; addon.cc calls them all. Shared argument helpers for the boundary.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "addon/napi_setup.h"

namespace inference_health::addon {

void register_host(Napi::Env env, Napi::Object exports);
void register_gpu(Napi::Env env, Napi::Object exports);
void register_loop(Napi::Env env, Napi::Object exports);
void register_signal(Napi::Env env, Napi::Object exports);
void register_poll(Napi::Env env, Napi::Object exports);

/// The memory of a Float64Array with at least `slots` elements; empty (and a JavaScript TypeError is pending) otherwise.
inline std::span<double> float64_array(Napi::Value value, std::size_t slots, const char* name) {
  napi_typedarray_type type;
  std::size_t length = 0;
  void* data = nullptr;
  const napi_status status =
      napi_get_typedarray_info(value.Env(), value, &type, &length, &data, nullptr, nullptr);
  if (status == napi_ok && type == napi_float64_array && length >= slots) {
    return {static_cast<double*>(data), length};
  }
  Napi::TypeError::New(value.Env(), std::string("Expected ") + name + " to be a Float64Array of at least " +
                                        std::to_string(slots) + " elements")
      .ThrowAsJavaScriptException();
  return {};
}

}  // namespace inference_health::addon
