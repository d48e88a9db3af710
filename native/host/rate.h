#pragma once

#include "host/memory.h"

namespace inference_health::host {

/// Ratios of differences are taken over at least half a second: the kernel counts in ticks of 10 ms and throttles in
/// periods of 100 ms, so that at 100 Hz the share of one sample would be noise. A little under it, so that samples which
/// come a moment early still count.
inline constexpr double kMinWindowMs = 490;
/// What changes slowly, or is refreshed slowly by the kernel itself (pressure every 2 s, load every 5 s), is read about
/// once a second whatever the rate; again a little under it.
inline constexpr double kSlowEveryMs = 900;

/// Which sources are to be read for a sample, besides the memory that is nearest to its limit, which always is.
struct Due {
  bool counters;  // of which ratios are taken, and the other memory
  bool slow;      // limits, events, pressure, load, descriptors
};

/// Δnumerator / Δdenominator of two counters between samples.
class Rate {
 public:
  /// The ratio since the last sample (see kMinWindowMs), or NaN until a second one. A counter that runs backwards belongs
  /// to something else than before (the group was replaced) and starts anew.
  double update(double now_ms, double numerator, double denominator) {
    if (!primed_ || numerator < numerator_ || denominator < denominator_) {
      value_ = kAbsent;
      remember(now_ms, numerator, denominator);
      return value_;
    }
    const bool measured = value_ == value_;
    if (now_ms <= now_ms_ || (measured && now_ms - now_ms_ < kMinWindowMs)) return value_;
    const double change = denominator - denominator_;
    value_ = change > 0 ? (numerator - numerator_) / change : 0;
    remember(now_ms, numerator, denominator);
    return value_;
  }

  void reset() { *this = {}; }

 private:
  void remember(double now_ms, double numerator, double denominator) {
    primed_ = true;
    now_ms_ = now_ms;
    numerator_ = numerator;
    denominator_ = denominator;
  }

  bool primed_ = false;
  double now_ms_ = 0, numerator_ = 0, denominator_ = 0;
  double value_ = kAbsent;
};

}  // namespace inference_health::host
