#include "gpu/shared_block.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <type_traits>

namespace inference_health::gpu {

constinit SharedBlock own_block{};
static_assert(std::is_trivially_destructible_v<SharedBlock>, "readers may still run when static destructors do");

namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;
std::atomic<SharedBlock*> readable{&own_block};

struct HelperView {
  std::atomic<HelperState> state{HelperState::not_used};
  std::atomic<int> pid{0};
  std::atomic<double> restarts{0}, silent_since_ms{0};
  std::atomic<bool> blocks_restart{false};
  // Added to the readable block's own: a version never comes again when readers turn to another block.
  std::atomic<std::uint64_t> version{0};
};
constinit HelperView helper;

/// The helper says what it sees; this process says how the helper is, and what both mean for its own end.
void add_own_view(std::span<double> into) {
  const auto at = [&](GpuField field) -> double& { return into[static_cast<std::size_t>(field)]; };
  const auto state = helper.state.load(std::memory_order_acquire);
  const double pid = helper.pid.load(kRelaxed);
  at(GpuField::helperState) = static_cast<double>(state);
  at(GpuField::helperPid) = pid > 0 ? pid : kAbsent;
  at(GpuField::helperRestarts) = state == HelperState::not_used ? kAbsent : helper.restarts.load(kRelaxed);
  const auto says = [&](State own, double stuck_since_ms) {
    at(GpuField::state) = static_cast<double>(own);
    at(GpuField::stuckSinceMs) = stuck_since_ms;
    at(GpuField::stuckCall) = at(GpuField::stuckGpu) = kAbsent;
  };
  switch (state) {
    case HelperState::not_used:
      break;
    case HelperState::running:
      if (at(GpuField::state) != at(GpuField::state)) says(State::starting, kAbsent);
      break;
    case HelperState::ended:
    case HelperState::cannot_start:
      says(State::starting, kAbsent);
      break;
    case HelperState::stuck:
      says(State::unresponsive, helper.silent_since_ms.load(kRelaxed));
      break;
    case HelperState::stopped:
      says(State::off, kAbsent);
      break;
  }
  const bool is_stuck = at(GpuField::stuckSinceMs) > 0;
  at(GpuField::restartBlocked) =
      is_stuck && (state == HelperState::not_used || helper.blocks_restart.load(kRelaxed)) ? 1 : 0;
}

}  // namespace

SharedBlock& readable_block() { return *readable.load(std::memory_order_acquire); }
void set_readable_block(SharedBlock* block) {
  auto* const before = readable.exchange(block, std::memory_order_acq_rel);
  if (before != block) helper.version.fetch_add(before->version.load(kRelaxed) + 1, std::memory_order_acq_rel);
}

void clear(SharedBlock& block, const bool (&lane_in_use)[kLanes]) {
  block.xids.clear();
  for (auto& gpu : block.events)
    for (auto& counter : gpu) counter.store(0, kRelaxed);
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    if (lane_in_use[lane]) continue;
    for (auto& value : block.lanes[lane].values) value.store(kAbsent, kRelaxed);
    for (auto& address : block.lanes[lane].addresses) address.store(0, std::memory_order_release);
    block.lane.store(static_cast<std::uint32_t>(lane), std::memory_order_release);
  }
  std::array<double, kGpuSlots> values;
  values.fill(kAbsent);
  values[static_cast<std::size_t>(GpuField::state)] = static_cast<double>(State::starting);
  block.gpu.write(values);
  block.changed();
}

void carry_over(const SharedBlock& from, SharedBlock& to) {
  to.xids.copy(from.xids);
  for (std::size_t slot = 0; slot < kMaxGpus; ++slot)
    for (std::size_t i = 0; i < kGpuEvents; ++i) to.events[slot][i].store(from.events[slot][i].load(kRelaxed), kRelaxed);
  to.changed();
}

void set_helper(HelperState state, int pid, double restarts, double silent_since_ms) {
  helper.pid.store(pid, kRelaxed);
  helper.restarts.store(restarts, kRelaxed);
  helper.silent_since_ms.store(silent_since_ms, kRelaxed);
  helper.state.store(state, std::memory_order_release);
  helper.version.fetch_add(1, std::memory_order_acq_rel);
}
void set_helper_blocks_restart(bool blocks) { helper.blocks_restart.store(blocks, kRelaxed); }

std::uint64_t gpu_version() {
  return readable_block().version.load(std::memory_order_acquire) + helper.version.load(std::memory_order_acquire);
}

// Versions are taken before the values: what changes in between is read again with the next version.

std::uint64_t read_gpu(std::span<double> into) {
  const auto& block = readable_block();
  const auto version = gpu_version();
  block.gpu.read(into);
  if (into.size() >= kGpuSlots) add_own_view(into);
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
