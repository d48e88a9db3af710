#include "gpu/shared_block.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <type_traits>

namespace inference_health::gpu {

constinit SharedBlock own_block{};
static_assert(std::is_trivially_destructible_v<SharedBlock>, "readers may still run when static destructors do");

namespace {

constexpr double kAbsent = std::numeric_limits<double>::quiet_NaN();
constexpr auto kRelaxed = std::memory_order_relaxed;
std::atomic<SharedBlock*> readable{&own_block};

}  // namespace

SharedBlock& readable_block() { return *readable.load(std::memory_order_acquire); }
void set_readable_block(SharedBlock* block) { readable.store(block, std::memory_order_release); }

std::uint64_t gpu_version() { return readable_block().version.load(std::memory_order_acquire); }

// Versions are taken before the values: what changes in between is read again with the next version.

std::uint64_t read_gpu(std::span<double> into) {
  const auto& block = readable_block();
  const auto version = gpu_version();
  block.gpu.read(into);
  return version;
}

std::uint64_t read_gpus(std::span<double> into) {
  const auto& block = readable_block();
  const auto version = gpu_version();
  const Lane& lane = block.current_lane();
  const auto fits = std::min(kMaxGpus, into.size() / kGpusStride);
  for (std::size_t slot = 0; slot < fits; ++slot) {
    const auto row = into.subspan(slot * kGpusStride, kGpusStride);
    if (lane.addresses[slot].load(std::memory_order_acquire) == 0 ||
        lane.gpus[slot].read(row.first(kSampledFields)) == 0) {
      std::fill(row.begin(), row.end(), kAbsent);
      continue;
    }
    for (std::size_t i = 0; i < kGpuEvents; ++i) {
      const double value = block.events[slot][i].load(kRelaxed);
      const bool is_time = i >= static_cast<std::size_t>(GpuEvent::eventDoubleBitEccAtMs);
      row[kSampledFields + i] = is_time && value == 0 ? kAbsent : value;
    }
  }
  return version;
}

std::uint64_t read_xids(std::span<double> into) {
  const auto& block = readable_block();
  const auto version = gpu_version();
  std::uint64_t addresses[kMaxGpus];
  const Lane& lane = block.current_lane();
  for (std::size_t slot = 0; slot < kMaxGpus; ++slot)
    addresses[slot] = lane.addresses[slot].load(std::memory_order_acquire);
  block.xids.read(into, addresses);
  return version;
}

std::uint64_t read_calls(std::span<double> into) {
  const auto& block = readable_block();
  const auto version = gpu_version();
  for (std::size_t i = 0; i < kSymbols && (i + 1) * kCallStride <= into.size(); ++i) {
    const auto& call = block.calls[i];
    const auto row = into.subspan(i * kCallStride, kCallStride);
    const auto us = [](const std::atomic<std::uint64_t>& ns) { return static_cast<double>(ns.load(kRelaxed)) / 1e3; };
    const double calls = static_cast<double>(call.calls.load(kRelaxed));
    const double values[] = {
        static_cast<double>(call.available.load(kRelaxed)), calls,
        static_cast<double>(call.errors.load(kRelaxed)),
        calls > 0 ? static_cast<double>(call.last_return.load(kRelaxed)) : kAbsent,
        calls > 0 ? us(call.last_ns) : kAbsent,             us(call.max_ns), us(call.sum_ns),
    };
    std::copy(std::begin(values), std::end(values), row.begin());
    for (std::size_t bucket = 0; bucket < kCallBuckets; ++bucket)
      row[std::size(values) + bucket] = static_cast<double>(call.buckets[bucket].load(kRelaxed));
  }
  return version;
}

std::uint64_t read_texts(Texts& into) {
  const auto version = gpu_version();
  std::array<std::uint64_t, kTextWords> words;
  readable_block().current_lane().texts.read(words);
  std::memcpy(&into, words.data(), sizeof into);
  return version;
}

}  // namespace inference_health::gpu
