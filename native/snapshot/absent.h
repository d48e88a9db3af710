#pragma once

#include <limits>

namespace inference_health {

/// What a slot of the native block holds while it has no value.
inline constexpr double kAbsent = std::numeric_limits<double>::quiet_NaN();

}  // namespace inference_health
