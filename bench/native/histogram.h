// A log-linear histogram in the manner of HdrHistogram: 256 steps per power of two, so a value is known to 0.4 %.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace bench {

class Histogram {
 public:
  void record(uint64_t nanoseconds) {
    counts_[indexOf(nanoseconds)]++;
    total_++;
    if (nanoseconds > max_) max_ = nanoseconds;
    if (nanoseconds < min_) min_ = nanoseconds;
  }

  uint64_t count() const { return total_; }
  uint64_t max() const { return max_; }
  uint64_t min() const { return total_ == 0 ? 0 : min_; }

  // Upper edge of the step that holds the given share of all values, never above the true maximum.
  uint64_t quantile(double share) const {
    const auto rank = static_cast<uint64_t>(share * static_cast<double>(total_) + 0.999999);
    uint64_t seen = 0;
    for (size_t index = 0; index < counts_.size(); index++) {
      seen += counts_[index];
      if (seen >= rank && seen > 0) return upperEdge(index) < max_ ? upperEdge(index) : max_;
    }
    return max_;
  }

 private:
  static constexpr int kStepBits = 8;
  static constexpr uint64_t kSteps = 1u << kStepBits;

  static size_t indexOf(uint64_t value) {
    if (value < kSteps) return value;
    const int shift = 63 - std::countl_zero(value) - kStepBits;
    return static_cast<size_t>((static_cast<uint64_t>(shift) + 1) * kSteps + ((value >> shift) - kSteps));
  }

  static uint64_t upperEdge(size_t index) {
    if (index < kSteps) return index;
    const uint64_t shift = index / kSteps - 1;
    return ((index % kSteps + kSteps + 1) << shift) - 1;
  }

  std::array<uint64_t, (64 - kStepBits + 1) * kSteps> counts_{};
  uint64_t total_ = 0;
  uint64_t max_ = 0;
  uint64_t min_ = UINT64_MAX;
};

}  // namespace bench
