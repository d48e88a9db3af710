#pragma once

#include <algorithm>
#include <array>
#include <cstddef>

#include "host/memory.h"
#include "snapshot/layout.h"

namespace inference_health::host {

/// The values of one sample on their way into the native block; absent until set, then kept until cleared: some sources
/// are read less often than samples are taken.
class HostSlots {
 public:
  HostSlots() { clear(); }
  void clear() { values_.fill(kAbsent); }
  /// The fields from `first` to `last`, both included: the fields of a group follow each other.
  void clear(HostField first, HostField last) {
    std::fill(&(*this)[first], &(*this)[last] + 1, kAbsent);
  }
  double& operator[](HostField field) { return values_[static_cast<std::size_t>(field)]; }
  void set_reason(HostField field, Reason reason) { (*this)[field] = static_cast<double>(reason); }
  const std::array<double, kHostSlots>& values() const { return values_; }

 private:
  std::array<double, kHostSlots> values_;
};

}  // namespace inference_health::host
