// What every fuzz target needs. A target aborts when a parser breaks a promise; the sanitizers watch the memory.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "snapshot/layout.h"

namespace inference_health::test {

inline void expect(bool condition) {
  if (!condition) std::abort();
}

/// A number that a parser calls ok is one: known and not negative.
inline void expect_number(Reason reason, double value) {
  expect(reason != Reason::ok || value >= 0);
}

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace inference_health::test

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
