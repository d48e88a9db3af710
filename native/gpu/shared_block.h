// The GPU part of the native block: everything that the GPU threads write and anyone reads. Only lock-free atomics, so that
// it may as well be a file mapping that a helper process writes (isolation: 'process').
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "gpu/symbols.h"
#include "gpu/xid_table.h"
#include "snapshot/gpu_layout.h"
#include "snapshot/seqlock.h"

namespace inference_health::gpu {

/// What is text about the GPUs; copied as words under a seqlock.
struct Texts {
  struct Gpu {
    char uuid[64];
    char name[64];
    char bus_id[32];
  };
  char driver_version[80];
  char nvml_version[80];
  char library_path[256];
  Gpu gpus[kMaxGpus];
};
inline constexpr std::size_t kTextWords = sizeof(Texts) / sizeof(std::uint64_t);
static_assert(sizeof(Texts) % sizeof(std::uint64_t) == 0);

/// What one NVML thread writes. A replacement writes to the other lane: whatever a thread still does after it was given up
/// ends where nobody reads.
struct Lane {
  std::atomic<double> values[kGpuSlots];
  alignas(64) SeqlockSection<kSampledFields> gpus[kMaxGpus];
  alignas(64) SeqlockSection<kTextWords, std::uint64_t> texts;
  std::atomic<std::uint64_t> addresses[kMaxGpus];  // packed, 0 = no such slot

  void set(GpuField field, double value) {
    values[static_cast<std::size_t>(field)].store(value, std::memory_order_release);
  }
  double get(GpuField field) const { return values[static_cast<std::size_t>(field)].load(std::memory_order_acquire); }
};

inline constexpr std::size_t kLanes = 2;

struct CallStatistics {
  std::atomic<std::uint64_t> calls, errors, sum_ns, max_ns, last_ns;
  std::atomic<std::int32_t> last_return;
  std::atomic<std::uint32_t> available;
  std::atomic<std::uint64_t> buckets[kCallBuckets];
};

struct SharedBlock {
  /// Grows with everything that a finding may depend on.
  std::atomic<std::uint64_t> version;
  std::atomic<std::uint32_t> lane;
  /// When the watching thread last turned; the reader of a helper's mapping sees by it that the helper lives.
  std::atomic<double> heartbeat_ms;
  alignas(64) SeqlockSection<kGpuSlots> gpu;
  Lane lanes[kLanes];
  XidTable xids;
  CallStatistics calls[kSymbols];
  std::atomic<double> events[kMaxGpus][kGpuEvents];

  Lane& current_lane() { return lanes[lane.load(std::memory_order_acquire) % kLanes]; }
  const Lane& current_lane() const { return lanes[lane.load(std::memory_order_acquire) % kLanes]; }
  void changed() { version.fetch_add(1, std::memory_order_acq_rel); }
};

static_assert(std::atomic<double>::is_always_lock_free && std::atomic<std::uint64_t>::is_always_lock_free);

/// Of this process; static storage without a destructor, like `block`.
extern SharedBlock own_block;

/// What readers read: own_block, or the mapping of the helper's. Never unmapped.
SharedBlock& readable_block();
void set_readable_block(SharedBlock* block);

/// Forgets what an earlier start has left, but for lanes that a thread still holds.
void clear(SharedBlock& block, const bool (&lane_in_use)[kLanes]);
/// The XIDs and events of a helper that is given up.
void carry_over(const SharedBlock& from, SharedBlock& to);

/// What the helper cannot say about itself: readers see it in the section `gpu` in place of what the helper has written.
void set_helper(HelperState state, int pid, double restarts, double silent_since_ms);
/// Whether this process (its container) cannot end while the helper is in the driver.
void set_helper_blocks_restart(bool blocks);

/// The sections as readers see them.
std::uint64_t read_gpu(std::span<double> into);
std::uint64_t read_gpus(std::span<double> into);
std::uint64_t read_xids(std::span<double> into);
std::uint64_t read_calls(std::span<double> into);
std::uint64_t read_texts(Texts& into);
std::uint64_t gpu_version();

}  // namespace inference_health::gpu
