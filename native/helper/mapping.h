// What the helper process and the process that it works for share: one mapping, which the helper writes and the other reads
// as it reads its own block. Only the command goes the other way.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "gpu/session.h"
#include "gpu/shared_block.h"

namespace inference_health::helper {

/// The descriptor of the mapping in the helper.
inline constexpr int kMappingFd = 3;
/// The helper's exit codes besides 0.
inline constexpr int kExitUsage = 64, kExitMapping = 65, kExitThread = 71, kExitInUse = 75;

/// Two builds whose layouts differ must not share a mapping.
constexpr std::uint64_t layout_hash() {
  std::uint64_t hash = 0xcbf29ce484222325;
  const auto add = [&](std::string_view text) {
    for (const char letter : text) hash = (hash ^ static_cast<unsigned char>(letter)) * 0x100000001b3;
    hash = (hash ^ 0xff) * 0x100000001b3;
  };
#define INFERENCE_HEALTH_ADD(name) add(#name);
  INFERENCE_HEALTH_GPU_FIELDS(INFERENCE_HEALTH_ADD)
  INFERENCE_HEALTH_GPUS_FIELDS(INFERENCE_HEALTH_ADD)
  INFERENCE_HEALTH_XID_FIELDS(INFERENCE_HEALTH_ADD)
  INFERENCE_HEALTH_GPU_CALL_FIELDS(INFERENCE_HEALTH_ADD)
#undef INFERENCE_HEALTH_ADD
  for (const char* name : gpu::kSymbolNames) add(name);
  return hash;
}

/// gpu::Options as plain data, for a helper that its reader starts. One that is started with a file has them as arguments.
struct Setup {
  static constexpr std::size_t kPathBytes = 4096;
  char root[kPathBytes], library[kPathBytes], kmsg[kPathBytes];
  double deadline_ms, init_deadline_ms, fast_ms, medium_ms, slow_ms;
  std::uint32_t owner_pid;
  std::uint32_t is_continued;

  /// False when a path does not fit.
  bool set(const gpu::Options& options) {
    const auto copy = [](char (&into)[kPathBytes], const std::string& from) {
      if (from.size() >= kPathBytes) return false;
      std::fill(std::begin(into), std::end(into), '\0');
      from.copy(into, kPathBytes - 1);
      return true;
    };
    deadline_ms = options.deadline_ms;
    init_deadline_ms = options.init_deadline_ms;
    fast_ms = options.fast_ms;
    medium_ms = options.medium_ms;
    slow_ms = options.slow_ms;
    owner_pid = options.owner_pid.value_or(0);
    return copy(root, options.root) && copy(library, options.library) && copy(kmsg, options.kmsg);
  }

  gpu::Options get() const {
    gpu::Options options;
    options.root = root;
    options.library = library;
    options.kmsg = kmsg;
    options.deadline_ms = deadline_ms;
    options.init_deadline_ms = init_deadline_ms;
    options.fast_ms = fast_ms;
    options.medium_ms = medium_ms;
    options.slow_ms = slow_ms;
    options.owner_pid = owner_pid;
    options.is_continued = is_continued != 0;
    return options;
  }
};

/// The command word: what is desired in its lowest two bits, above them a count of demands to sample at once.
inline constexpr std::uint32_t kDesiredBits = 3, kRefreshStep = 4;

struct Mapping {
  static constexpr std::uint64_t kMagic = 0x75706720687463;

  /// Written last: whoever sees it sees the rest.
  std::atomic<std::uint64_t> magic;
  std::uint64_t layout, size;
  Setup setup;
  /// A futex.
  std::atomic<std::uint32_t> command;
  alignas(64) gpu::SharedBlock block;

  void stamp() {
    layout = layout_hash();
    size = sizeof(Mapping);
    magic.store(kMagic, std::memory_order_release);
  }
  /// Made by a build with the same layout.
  bool is_ours() const {
    return magic.load(std::memory_order_acquire) == kMagic && layout == layout_hash() && size == sizeof(Mapping);
  }
};
static_assert(std::atomic<std::uint32_t>::is_always_lock_free);

}  // namespace inference_health::helper
