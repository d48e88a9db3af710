#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace inference_health::gpu {

/// What a process list is filled with before the driver writes to it.
inline constexpr unsigned char kProcessCanary = 0xa5;

/// Bytes per entry that the driver wrote: 32 by some drivers that promise 24, and no version says which. `buffer` was full
/// of kProcessCanary and has room for `count` entries of 32 bytes.
std::size_t process_stride(std::span<const unsigned char> buffer, std::size_t count);

struct ProcessTotals {
  std::size_t count = 0;
  bool has_own = false;
  double own_bytes = 0;
};

/// Adds the entries of a list; an unknown memory (all ones) counts as none.
void add_processes(std::span<const unsigned char> buffer, std::size_t count, std::size_t stride, std::uint32_t own_pid,
                   ProcessTotals& totals);

}  // namespace inference_health::gpu
