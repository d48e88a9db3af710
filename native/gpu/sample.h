// How one GPU is asked for figures; what the tiers have in common.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "gpu/inventory.h"

namespace inference_health::gpu {

/// Calls on one device; the first code that is no mere "not here" is kept.
struct Sample {
  DriverCalls& driver;
  GpuDevice& device;
  std::int32_t slot;
  nvml::Return worst = nvml::kSuccess;

  template <Symbol S, typename... Arguments>
  bool ok(Arguments... arguments) {
    const auto result = driver.call<S>(slot, device.handle, arguments...);
    if (!is_benign(result) && worst == nvml::kSuccess) worst = result;
    return result == nvml::kSuccess;
  }

  template <Symbol S, typename Number = std::uint32_t, typename... Arguments>
  double number(Arguments... arguments) {
    Number value{};
    return ok<S>(arguments..., &value) ? static_cast<double>(value) : kAbsent;
  }

  void set(GpusField field, double value) { device[field] = value; }
};

/// Absent where the driver has none.
inline double decode(const nvml::FieldValue& field) {
  if (field.result != nvml::kSuccess) return kAbsent;
  switch (field.type) {
    case 0: return field.value.as_double;
    case 1: return field.value.as_unsigned;
    case 2:
    case 3: return static_cast<double>(field.value.as_unsigned_long);
    case 4: return static_cast<double>(field.value.as_signed_long);
    case 5: return field.value.as_int;
    case 6: return field.value.as_short;
    default: return kAbsent;
  }
}

template <std::size_t N>
bool read_fields(Sample& sample, std::array<nvml::FieldValue, N>& fields, std::size_t count) {
  // What the driver does not touch stays an error.
  for (std::size_t i = 0; i < count; ++i) fields[i].result = nvml::kNotSupported;
  return sample.ok<Symbol::field_values>(static_cast<int>(count), fields.data());
}

}  // namespace inference_health::gpu
