// The one way into the driver: every call is stamped before it starts, so that another thread sees one that does not
// return, and measured when it does.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "gpu/library.h"
#include "gpu/shared_block.h"
#include "snapshot/clock.h"

namespace inference_health::gpu {

/// What the watching thread sees of one NVML thread.
class CallStamp {
 public:
  /// The NVML thread's part. False: it was given up and has to end without another word to the driver.
  bool enter(std::uint32_t symbol, std::int32_t gpu, double now_ms) {
    symbol_.store(symbol, std::memory_order_relaxed);
    gpu_.store(gpu, std::memory_order_relaxed);
    double outside = kOutside;
    return started_ms_.compare_exchange_strong(outside, now_ms, std::memory_order_acq_rel);
  }
  bool leave() {
    double started = started_ms_.load(std::memory_order_relaxed);
    while (started != kAbandoned)
      if (started_ms_.compare_exchange_weak(started, kOutside, std::memory_order_acq_rel)) return true;
    return false;
  }

  /// Gives the thread up: either it notices, or it had already returned and notices at its next call.
  void abandon() { started_ms_.store(kAbandoned, std::memory_order_release); }
  /// The same, unless the thread has returned from that call meanwhile.
  bool abandon(double started_ms) {
    return started_ms_.compare_exchange_strong(started_ms, kAbandoned, std::memory_order_acq_rel);
  }
  bool is_abandoned() const { return started_ms_.load(std::memory_order_acquire) == kAbandoned; }
  /// When the call that has not returned yet began; 0 outside.
  double started_ms() const { return std::max(0.0, started_ms_.load(std::memory_order_acquire)); }
  std::uint32_t symbol() const { return symbol_.load(std::memory_order_relaxed); }
  std::int32_t gpu() const { return gpu_.load(std::memory_order_relaxed); }

 private:
  static constexpr double kOutside = 0, kAbandoned = -1;
  std::atomic<double> started_ms_{kOutside};
  std::atomic<std::uint32_t> symbol_{0};
  std::atomic<std::int32_t> gpu_{-1};
};

/// What every call answers once the thread was given up.
inline constexpr nvml::Return kAbandoned = -1;

/// Codes that say "not here" or "not now" and nothing about the GPU's health.
constexpr bool is_benign(nvml::Return code) {
  switch (code) {
    case nvml::kSuccess:
    case nvml::kInvalidArgument:
    case nvml::kNotSupported:
    case nvml::kNoPermission:
    case nvml::kNotFound:
    case nvml::kInsufficientSize:
    case nvml::kFunctionNotFound:
    case nvml::kNoData:
    case nvml::kArgumentVersion:
    case nvml::kDeprecated:
    case nvml::kNotReady:
    case 22:  // vGPU without ECC
    case 24:  // frequency not supported
    case kAbandoned:
      return true;
    default:
      return false;
  }
}

class DriverCalls {
 public:
  DriverCalls(CallStamp& stamp, SharedBlock& block) : stamp_(stamp), block_(block) {}

  void use(const Library& library) { library_ = &library; }

  template <Symbol S>
  bool has() const {
    return library_ != nullptr && library_->get<S>() != nullptr;
  }

  /// `gpu` is the slot that the call is about, −1 for none.
  template <Symbol S, typename... Arguments>
  nvml::Return call(std::int32_t gpu, Arguments... arguments) {
    if (!has<S>()) return nvml::kFunctionNotFound;
    const auto function = library_->get<S>();
    return timed<S>(gpu, [&] { return function(arguments...); });
  }

  /// A call into the driver that is no function of the library.
  template <Symbol S, typename Body>
  nvml::Return timed(std::int32_t gpu, Body body) {
    const double started = monotonic_ms();
    if (!stamp_.enter(static_cast<std::uint32_t>(S), gpu, started)) return kAbandoned;
    const nvml::Return result = body();
    if (!stamp_.leave()) return kAbandoned;
    // Waiting is what that call is for.
    note(block_.calls[static_cast<std::size_t>(S)], result, S == Symbol::event_set_wait ? 0 : monotonic_ms() - started);
    return result;
  }

  bool is_abandoned() const { return stamp_.is_abandoned(); }
  SharedBlock& block() { return block_; }

 private:
  static void note(CallStatistics& call, nvml::Return result, double milliseconds) {
    constexpr auto relaxed = std::memory_order_relaxed;
    const double us = milliseconds * 1e3;
    const auto ns = static_cast<std::uint64_t>(us * 1e3);
    std::size_t bucket = 0;
    while (bucket < kCallBuckets - 1 && us > kCallBucketsUs[bucket]) ++bucket;
    call.calls.fetch_add(1, relaxed);
    if (!is_benign(result) && result != nvml::kTimeout) call.errors.fetch_add(1, relaxed);
    call.last_return.store(result, relaxed);
    call.last_ns.store(ns, relaxed);
    call.sum_ns.fetch_add(ns, relaxed);
    auto max = call.max_ns.load(relaxed);
    while (max < ns && !call.max_ns.compare_exchange_weak(max, ns, relaxed)) {
    }
    call.buckets[bucket].fetch_add(1, relaxed);
  }

  const Library* library_ = nullptr;
  CallStamp& stamp_;
  SharedBlock& block_;
};

}  // namespace inference_health::gpu
