#pragma once

#include <array>
#include <cstddef>

#include "host/memory.h"
#include "snapshot/layout.h"

namespace inference_health::host {

/// The values of one sample on their way into the native block; absent until set.
class HostSlots {
 public:
  HostSlots() { clear(); }
  void clear() { values_.fill(kAbsent); }
  double& operator[](HostField field) { return values_[static_cast<std::size_t>(field)]; }
  void set_reason(HostField field, Reason reason) { (*this)[field] = static_cast<double>(reason); }
  const std::array<double, kHostSlots>& values() const { return values_; }

 private:
  std::array<double, kHostSlots> values_;
};

}  // namespace inference_health::host
